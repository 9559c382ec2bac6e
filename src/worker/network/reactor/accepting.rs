//! How a reactor gets connections: from the listeners, and from other workers
//! that end. Workers with fewer connections may go first.

use super::{HANDOVER, LISTENERS, Reactor};
use crate::exchange::{Client, Server};
use crate::net::{Listener, Peer};
use crate::scoreboard::Counter;
use crate::worker::network::connection::Connection;
use crate::worker::network::id::ConnectionId;
use crate::worker::shared::balance::DEFER_TIME;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use socket2::Socket;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When the number of connections is at its limit, a connection that has
/// received nothing for this long may be closed for a waiting client.
const UNUSED_TIME: Duration = Duration::from_secs(1);

/// The pause in accepting when the system has no descriptors left.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// The time between two checks of the certificates' files.
const CERTIFICATE_PAUSE: Duration = Duration::from_secs(1);

impl Reactor {
    /// Accepts the clients that wait at these listeners, or lets other workers
    /// accept first. `asked` is true if another worker has asked this one to
    /// accept.
    pub fn accept(&mut self, listeners: &[usize], asked: bool) -> io::Result<()> {
        self.refresh_certificates();
        let rules = &self.context.rules;
        let deferral = &mut self.accepting.deferral;
        if let Some(slot) = &rules.heartbeat.slot
            && deferral.defers(slot, asked, rules.one_at_a_time)
        {
            slot.ask_another();
            self.accepting.pause_until = Instant::now().checked_add(DEFER_TIME);
            return self.stop_accepting();
        }
        let at_once = rules.accepts_at_once;
        let most = self.accepting.bursts.most(at_once);
        let mut accepted = 0;
        for &index in listeners {
            for _ in 0..most {
                match self.registry.listeners[index].accept() {
                    Ok((socket, peer)) => {
                        accepted += 1;
                        self.accepted(index, socket, peer);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return self.accept_failed(&error),
                }
                if self.is_full() {
                    return self.stop_accepting();
                }
            }
            if at_once == 1 && self.accepting.is_on {
                // Adding the listener again puts this worker at the end of
                // epoll's queue, so that the next connection goes to the worker
                // that has waited longest.
                self.context.epoll.delete(&self.registry.listeners[index])?;
                self.watch_listener(index)?;
            }
        }
        self.accepting.bursts.note(most, accepted);
        Ok(())
    }

    /// Accepts all clients that wait at the listeners, without a limit.
    pub fn accept_all(&mut self) {
        for index in 0..self.registry.listeners.len() {
            while let Ok((socket, peer)) = self.registry.listeners[index].accept() {
                self.accepted(index, socket, peer);
            }
        }
    }

    /// Takes at most `max` connections that other workers have given away.
    pub fn take_handed_over(&mut self, max: usize) -> io::Result<()> {
        for _ in 0..max {
            if !self.context.is_stopping() && self.is_full() {
                return self.stop_accepting();
            }
            let Some(handover) = self.context.handover() else {
                break;
            };
            let handed_over = match handover.take() {
                Ok(Some(handed_over)) => handed_over,
                Ok(None) => break,
                Err(error) => return self.accept_failed(&error),
            };
            // A socket without a peer address is not connected any more.
            let Ok(peer) = handed_over.socket.peer_addr() else {
                continue;
            };
            // The other worker used no TLS with this client, and this one
            // would.
            if self.context.rules.tls.is_some() {
                continue;
            }
            let peer = peer.as_socket().map_or(Peer::Unix, Peer::Inet);
            self.count(peer, true);
            let server = handed_over
                .server
                .map(|address| self.registry.server_at(address));
            self.add(handed_over.socket, peer, server, handed_over.is_used);
        }
        if max == 1 {
            // The next one goes to another worker, as in `accept`.
            self.watch_handover(false)?;
            self.watch_handover(true)?;
        }
        Ok(())
    }

    /// Starts accepting again, or closes an unused connection, if it is time
    /// to.
    pub fn accept_when_due(&mut self, now: Instant) {
        let accepting = &mut self.accepting;
        if accepting.pause_until.take_if(|it| *it <= now).is_some() && !self.context.is_stopping() {
            // If this fails, the end of the next connection tries again.
            let _ = self.start_accepting();
        }
        if self.accepting.full_until.is_some_and(|until| until <= now) {
            self.make_room(now);
        }
    }

    pub fn start_accepting(&mut self) -> io::Result<()> {
        if !self.accepting.is_on {
            for index in 0..self.registry.listeners.len() {
                self.watch_listener(index)?;
            }
            self.watch_handover(true)?;
            self.accepting.is_on = true;
        }
        Ok(())
    }

    pub fn stop_accepting(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.accepting.is_on, false) {
            for listener in self.registry.listeners {
                self.context.epoll.delete(listener)?;
            }
        }
        self.watch_handover(false)
    }

    /// Starts or stops the watch for connections that other workers give away.
    pub fn watch_handover(&mut self, watch: bool) -> io::Result<()> {
        let watches = &mut self.accepting.watches_handover;
        if let Some(handover) = self.context.handover()
            && watch != *watches
        {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
            let epoll = &self.context.epoll;
            match watch {
                true => epoll.add(handover, EpollEvent::new(flags, HANDOVER))?,
                false => epoll.delete(handover)?,
            }
            *watches = watch;
        }
        Ok(())
    }

    /// Removes a connection that has ended.
    pub fn forget(&mut self, id: ConnectionId) {
        let connection = self.connections.remove(id);
        self.registry.remove(id);
        self.publish_count();
        self.uncount(connection.and_then(|connection| connection.client.ip));
        let accepting = &mut self.accepting;
        accepting.full_until = None;
        if self.connections.open() == 0 {
            // No worker has fewer connections, and a descriptor is free again.
            accepting.pause_until = None;
        }
        let has_room = self.connections.open() < self.context.rules.max_connections;
        let is_paused = accepting.pause_until.is_some();
        if has_room && !accepting.is_on && !is_paused && !self.context.is_stopping() {
            // If this fails, the end of the next connection tries again.
            let _ = self.start_accepting();
        }
    }

    /// Loads certificates that have changed.
    fn refresh_certificates(&mut self) {
        let refreshed = self.accepting.refreshed;
        if let Some(tls) = &self.context.rules.tls
            && refreshed.is_none_or(|it| it.elapsed() >= CERTIFICATE_PAUSE)
        {
            self.accepting.refreshed = Some(Instant::now());
            match tls.refresh() {
                Ok(true) => ::log::info!("New TLS certificates are in use"),
                Ok(false) => {}
                Err(error) => ::log::error!("{error}; the old certificates stay in use"),
            }
        }
    }

    fn accept_failed(&mut self, error: &io::Error) -> io::Result<()> {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if let Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) = errno {
            ::log::error!("No connection can be accepted: {error}");
            self.stop_accepting()?;
            self.accepting.pause_until = Instant::now().checked_add(DESCRIPTOR_PAUSE);
        }
        // The master has closed the listener for good. Its signal may not have
        // arrived; stopping now has the same effect. Without this, epoll would
        // report the listener for ever.
        if let Some(Errno::EINVAL) = errno {
            self.stop_accepting()?;
            self.stop.request();
        }
        Ok(())
    }

    /// Adds a new connection, unless its client has too many.
    fn accepted(&mut self, listener: usize, socket: Socket, peer: Peer) {
        self.context.rules.board().count(Counter::Connections, 1);
        match self.count(peer, false) {
            true => self.add(socket, peer, self.registry.server(listener), false),
            false => self.registry.reject(&socket, "Too many connections"),
        }
    }

    /// Adds a connection that was counted. `is_used` is true if it has carried
    /// requests in another worker.
    fn add(&mut self, socket: Socket, peer: Peer, server: Option<Arc<Server>>, is_used: bool) {
        let rules = &self.context.rules;
        let client = match peer {
            Peer::Inet(address) => Client {
                ip: Some(address.ip()),
                address: address.ip().to_string(),
                port: Some(address.port()),
                trusted: rules.trusted_peers.trusts(address.ip()),
                may_proxy: rules.proxy_peers.trusts(address.ip()),
                server,
            },
            Peer::Unix => Client {
                ip: None,
                address: String::new(),
                port: None,
                trusted: true,
                may_proxy: true,
                server,
            },
        };
        let id = self.connections.reserve();
        let connection = Connection::new(id, client, Arc::clone(&self.context), socket);
        if is_used {
            connection.take_over(&mut connection.lock());
        }
        let deadline = connection.lock().deadline();
        let connection = Arc::new(connection);
        self.registry.add(&connection);
        self.connections.insert(connection);
        self.publish_count();
        self.check_later(id.index, deadline);
        // Its first request may be there already.
        self.context.to_check().push(id);
    }

    /// Counts a client's connection. False if the client has too many, and may
    /// not `exceed` the limit.
    fn count(&mut self, peer: Peer, exceed: bool) -> bool {
        let max = self.context.rules.max_per_client;
        let Peer::Inet(address) = peer else {
            return true;
        };
        if max == 0 {
            return true;
        }
        let count = self.accepting.clients.entry(address.ip()).or_default();
        let fits = *count < max || exceed;
        *count += u32::from(fits);
        fits
    }

    fn uncount(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address
            && let Entry::Occupied(mut count) = self.accepting.clients.entry(address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// True if the number of connections is at its limit. Then this also sets
    /// the time at which an unused one may be closed.
    fn is_full(&mut self) -> bool {
        let full = self.connections() >= self.context.rules.max_connections;
        if full {
            self.accepting.full_until = self.oldest_unused().map(|(end, _)| end);
        }
        full
    }

    /// The unused connection that was opened first, and when it may be closed.
    fn oldest_unused(&self) -> Option<(Instant, Arc<Connection>)> {
        let connections = self.connections.iter();
        let unused = connections.filter(|(_, connection)| connection.lock().is_unused());
        let (opened, connection) = unused.min_by_key(|(opened, _)| *opened)?;
        Some((opened + UNUSED_TIME, Arc::clone(connection)))
    }

    /// Closes an unused connection if a client waits to be accepted.
    fn make_room(&mut self, now: Instant) {
        self.accepting.full_until = match self.oldest_unused() {
            Some((end, connection)) if end <= now => {
                let client_waits = self.registry.listeners.iter().any(Listener::has_client);
                if client_waits && connection.close_unused() {
                    ::log::debug!("A connection that was not used makes room for another");
                    return self.forget(connection.id);
                }
                now.checked_add(UNUSED_TIME)
            }
            Some((end, _)) => Some(end),
            None => None,
        };
    }

    fn watch_listener(&self, index: usize) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        let event = EpollEvent::new(flags, LISTENERS | index as u64);
        let listener = &self.registry.listeners[index];
        Ok(self.context.epoll.add(listener, event)?)
    }
}
