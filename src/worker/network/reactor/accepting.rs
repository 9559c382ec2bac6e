//! How connections come to a reactor: from the listeners, from other workers
//! that end, and in which order with other workers.

use super::{HANDOVER, LISTENERS, Reactor};
use crate::exchange::{Client, Server};
use crate::net::{Listener, Peer};
use crate::worker::network::connection::Connection;
use crate::worker::network::context::INTEREST;
use crate::worker::network::id::Id;
use crate::worker::shared::balance::DEFER_TIME;
use nix::errno::Errno;
use nix::sys::epoll::{EpollEvent, EpollFlags};
use socket2::Socket;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// When there are as many connections as may be, one that has sent nothing for
/// this long is closed for a client that waits.
const UNUSED_TIME: Duration = Duration::from_secs(1);

/// The pause in accepting when the system has no more descriptors.
const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(100);

/// How often the certificates' files are looked at.
const CERTIFICATE_PAUSE: Duration = Duration::from_secs(1);

impl Reactor {
    /// Takes those that wait at the listeners; if the worker was not `called`
    /// to do so, it may let others go first.
    pub fn accept(&mut self, called: bool) -> io::Result<()> {
        self.refresh_certificates();
        let rules = &self.context.rules;
        let deferral = &mut self.accepting.deferral;
        if let Some(slot) = &rules.heartbeat.slot
            && deferral.defers(slot, called, rules.one_at_a_time)
        {
            slot.ask_another();
            self.accepting.pause_until = Instant::now().checked_add(DEFER_TIME);
            return self.accept_no_more();
        }
        let at_once = rules.accepts_at_once;
        for number in 0..self.registry.listeners.len() {
            for _ in 0..at_once {
                match self.registry.listeners[number].accept() {
                    Ok((socket, peer)) => self.accepted(number, socket, peer),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return self.accept_failed(&error),
                }
                if self.is_full() {
                    return self.accept_no_more();
                }
            }
            if at_once == 1 && self.accepting.is_on {
                // The next connection goes to the worker that has waited for
                // the longest: epoll asks the first in the line.
                self.context
                    .epoll
                    .delete(&self.registry.listeners[number])?;
                self.watch_listener(number)?;
            }
        }
        Ok(())
    }

    /// Takes all that wait at the listeners, also those that are too many.
    pub fn accept_all(&mut self) {
        for number in 0..self.registry.listeners.len() {
            while let Ok((socket, peer)) = self.registry.listeners[number].accept() {
                self.accepted(number, socket, peer);
            }
        }
    }

    /// Takes at most so many connections in that other workers have given away.
    pub fn take_handed(&mut self, most: usize) -> io::Result<()> {
        for _ in 0..most {
            if !self.context.is_stopping() && self.is_full() {
                return self.accept_no_more();
            }
            let Some(handover) = self.context.handover() else {
                break;
            };
            let handed = match handover.take() {
                Ok(Some(handed)) => handed,
                Ok(None) => break,
                Err(error) => return self.accept_failed(&error),
            };
            // A client that has no address any more has gone.
            let Ok(peer) = handed.socket.peer_addr() else {
                continue;
            };
            // The other worker spoke no TLS with this client, and we would.
            if self.context.rules.tls.is_some() {
                continue;
            }
            let peer = peer.as_socket().map_or(Peer::Unix, Peer::Inet);
            self.count(peer, true);
            let server = handed
                .server
                .map(|address| self.registry.server_at(address));
            self.add(handed.socket, peer, server, handed.is_used);
        }
        if most == 1 {
            // The next one goes to another worker, as in `accept`.
            self.watch_handover(false)?;
            self.watch_handover(true)?;
        }
        Ok(())
    }

    /// Goes on accepting, or makes room for a client, when the time for it has
    /// come.
    pub fn accept_when_due(&mut self, now: Instant) {
        let accepting = &mut self.accepting;
        if accepting.pause_until.take_if(|it| *it <= now).is_some() && !self.context.is_stopping() {
            // The next turn tries again if this cannot be done.
            let _ = self.accept_again();
        }
        if self.accepting.full_until.is_some_and(|until| until <= now) {
            self.make_room(now);
        }
    }

    pub fn accept_again(&mut self) -> io::Result<()> {
        if !self.accepting.is_on {
            for number in 0..self.registry.listeners.len() {
                self.watch_listener(number)?;
            }
            self.watch_handover(true)?;
            self.accepting.is_on = true;
        }
        Ok(())
    }

    pub fn accept_no_more(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.accepting.is_on, false) {
            for listener in &self.registry.listeners {
                self.context.epoll.delete(listener)?;
            }
        }
        self.watch_handover(false)
    }

    /// Has epoll tell of connections that other workers give away, or not.
    pub fn watch_handover(&mut self, watch: bool) -> io::Result<()> {
        let is_watched = &mut self.accepting.takes_handed;
        if let Some(handover) = self.context.handover()
            && watch != *is_watched
        {
            let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
            let epoll = &self.context.epoll;
            match watch {
                true => epoll.add(handover, EpollEvent::new(flags, HANDOVER))?,
                false => epoll.delete(handover)?,
            }
            *is_watched = watch;
        }
        Ok(())
    }

    /// Forgets a connection that is at its end.
    pub fn forget(&mut self, id: Id) {
        let connection = self.places.remove(id);
        self.registry.closed(id);
        self.tell_others();
        self.uncount(connection.and_then(|connection| connection.client.ip));
        let accepting = &mut self.accepting;
        accepting.full_until = None;
        if self.places.open() == 0 {
            // Nobody has less to do, and a descriptor is free again.
            accepting.pause_until = None;
        }
        let has_room = self.places.open() < self.context.rules.max_connections;
        let is_paused = accepting.pause_until.is_some();
        if has_room && !accepting.is_on && !is_paused && !self.context.is_stopping() {
            // If it cannot be done now, the end of the next connection does it.
            let _ = self.accept_again();
        }
    }

    /// Takes up certificates that have changed.
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
            self.accept_no_more()?;
            self.accepting.pause_until = Instant::now().checked_add(DESCRIPTOR_PAUSE);
        }
        // The master has closed the listener for good. If its signal has not
        // been heard, this is as good; and else epoll would tell for ever.
        if let Some(Errno::EINVAL) = errno {
            self.accept_no_more()?;
            self.stop.request();
        }
        Ok(())
    }

    /// Takes a new connection in, unless its client has too many.
    fn accepted(&mut self, listener: usize, socket: Socket, peer: Peer) {
        match self.count(peer, false) {
            true => self.add(socket, peer, self.registry.server(listener), false),
            false => self.registry.reject(&socket, "Too many connections"),
        }
    }

    /// Takes in a connection that was counted. One that `is_used` has carried
    /// requests, in another worker.
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
        let id = self.places.reserve();
        let watched = socket.set_nonblocking(true).and_then(|()| {
            let event = EpollEvent::new(INTEREST, id.to_bits());
            Ok(self.context.epoll.add(&socket, event)?)
        });
        if let Err(error) = watched {
            ::log::error!("A connection cannot be used: {error}");
            self.places.give_back(id);
            self.uncount(client.ip);
            return;
        }
        let connection = Connection::new(id, client, Arc::clone(&self.context), socket);
        if is_used {
            connection.take_over(&mut connection.lock());
        }
        let deadline = connection.lock().deadline();
        let connection = Arc::new(connection);
        self.registry.opened(&connection);
        self.places.take(connection);
        self.tell_others();
        self.look_later(id.place, deadline);
    }

    /// Counts a client's connection; false if it has too many and may not
    /// `exceed` that.
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

    /// True if there are as many connections as may be; then it is known when
    /// to look for one that can be closed.
    fn is_full(&mut self) -> bool {
        let full = self.connections() >= self.context.rules.max_connections;
        if full {
            self.accepting.full_until = self.oldest_unused().map(|(end, _)| end);
        }
        full
    }

    /// The connection that has sent nothing for the longest time, and from when
    /// on it may be closed for another.
    fn oldest_unused(&self) -> Option<(Instant, Arc<Connection>)> {
        let connections = self.places.iter();
        let unused = connections.filter(|(_, connection)| connection.lock().is_fresh());
        let (opened, connection) = unused.min_by_key(|(opened, _)| *opened)?;
        Some((opened + UNUSED_TIME, Arc::clone(connection)))
    }

    /// Closes a connection that was never used, if a client waits for its place.
    fn make_room(&mut self, now: Instant) {
        self.accepting.full_until = match self.oldest_unused() {
            Some((end, connection)) if end <= now => {
                let wanted = self.registry.listeners.iter().any(Listener::has_client);
                if wanted && connection.close_unused() {
                    ::log::debug!("A connection that was not used makes room for another");
                    return self.forget(connection.id);
                }
                now.checked_add(UNUSED_TIME)
            }
            Some((end, _)) => Some(end),
            None => None,
        };
    }

    fn watch_listener(&self, number: usize) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        let event = EpollEvent::new(flags, LISTENERS | number as u64);
        let listener = &self.registry.listeners[number];
        Ok(self.context.epoll.add(listener, event)?)
    }
}
