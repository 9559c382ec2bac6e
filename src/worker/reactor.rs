//! The one loop over everything that a worker's network does, whatever class
//! of worker it is: an epoll, edge-triggered, over the listeners and all
//! connections. It knows no Python.

use super::connection::{BLOCK, Client, Connection, Expired, News, Progress, State};
use super::crowd::{AFTER_YOU, Courtesy};
use super::exchange::Exchange;
use super::hub::{Hub, INTEREST, Id, Rules, Server, Waiter};
use super::last_words;
use super::refusal::Refusal;
use super::signals::{Signals, Stop};
use super::wheel::{Tick, Wheel};
use crate::net::{Listener, Peer};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use socket2::Socket;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many events are taken from epoll at once.
const MOST_EVENTS: usize = 256;

/// What is not the id of a connection: its generation would never end.
const LISTENERS: u64 = 0xffff_ffff_0000_0000;
const WAKE: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;
const CALL: u64 = u64::MAX - 2;
const HANDOVER: u64 = u64::MAX - 3;

/// The longest time between two looks at a connection that the app has.
const GLANCE: Duration = Duration::from_secs(1);

/// What a connection that has had no request yet gets for it when the worker
/// stops.
const GRACE: Duration = Duration::from_secs(1);

/// When there are as many connections as may be, one that has said nothing for
/// this long is closed for a client that waits.
const SILENCE: Duration = Duration::from_secs(1);

/// The pause between two tries to give a connection to another worker.
const NEXT_TRY: Duration = Duration::from_millis(100);

/// The pause in accepting when the system has no more descriptors.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// What the network has brought.
pub enum Event {
    /// A request, whole or as much of it as is received before its app runs.
    Request(Exchange),
    /// More of a body, or of an upgraded connection's bytes, may be read.
    Readable(Id),
    /// An app that was told to wait may write again.
    Writable(Id),
    /// The client of a request in flight has ended its side, or is gone, or
    /// was too slow: reading and writing tell.
    HungUp(Id),
    /// A request that the server answered itself.
    Refused(Box<Refusal>),
}

/// All connections of a worker.
pub struct Reactor {
    hub: Arc<Hub>,
    stop: Stop,
    accepting: bool,
    /// True while connections of other workers are taken.
    takes_handed: bool,
    /// When accepting goes on after descriptors ran out, or after others were
    /// let go first.
    pause_until: Option<Instant>,
    /// While there are as many connections as may be: when to look for one that
    /// can be closed.
    full_until: Option<Instant>,
    courtesy: Courtesy,
    places: Vec<Place>,
    free: Vec<u32>,
    open: usize,
    /// Connections of each address, where their number is limited.
    clients: HashMap<IpAddr, u32>,
    /// When the certificates' files were looked at.
    refreshed: Instant,
    wheel: Wheel,
    scrap: Box<[u8]>,
    epoll_events: Vec<EpollEvent>,
    /// Room for the connections of one look.
    batch: Vec<Id>,
    due: Vec<u32>,
}

struct Place {
    generation: u32,
    connection: Option<Arc<Connection>>,
    /// When the connection was taken in.
    opened: Instant,
    /// The tick at which the place is looked at next; its other entries in
    /// the wheel are void.
    look: Option<Tick>,
}

impl Reactor {
    /// When `signals` say that the worker is to stop, the waiting ends.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn new(
        listeners: &[Listener],
        signals: &Signals,
        rules: Rules,
        waiter: Box<dyn Waiter>,
    ) -> io::Result<Reactor> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let readable = EpollFlags::EPOLLIN;
        epoll.add(&wake, EpollEvent::new(readable, WAKE))?;
        epoll.add(
            signals.as_fd(),
            EpollEvent::new(readable | EpollFlags::EPOLLET, STOP),
        )?;
        if let Some(seat) = &rules.heartbeat.seat {
            let flags = readable | EpollFlags::EPOLLET | EpollFlags::EPOLLEXCLUSIVE;
            epoll.add(seat, EpollEvent::new(flags, CALL))?;
        }
        let listeners = listeners.iter().map(Listener::try_clone);
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let graceful = rules.graceful;
        let hub = Arc::new(Hub::new(rules, epoll, waiter, listeners, wake));
        last_words::prepare(&hub, signals, graceful);
        let mut reactor = Reactor {
            hub,
            stop: signals.watched(),
            accepting: false,
            takes_handed: false,
            pause_until: None,
            full_until: None,
            courtesy: Courtesy::default(),
            places: Vec::new(),
            free: Vec::new(),
            open: 0,
            clients: HashMap::new(),
            refreshed: Instant::now(),
            wheel: Wheel::new(Instant::now()),
            scrap: vec![0; BLOCK].into_boxed_slice(),
            epoll_events: vec![EpollEvent::empty(); MOST_EVENTS],
            batch: Vec::new(),
            due: Vec::new(),
        };
        reactor.accept_again()?;
        reactor.tell_others();
        Ok(reactor)
    }

    /// What may be used from other threads.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.open
    }

    /// When there is something to do even if the network brings nothing.
    pub fn next_deadline(&self) -> Option<Instant> {
        let moments = [self.wheel.next_look(), self.pause_until, self.full_until];
        moments.into_iter().flatten().min()
    }

    /// Does what there is to do, waiting for it at most for `timeout`, and
    /// adds what has come of it to `events`.
    ///
    /// # Errors
    /// epoll does not work.
    pub fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<()> {
        self.look_at_returned(events);
        let mut timeout = timeout;
        if !timeout.is_zero() {
            if let Some(deadline) = self.next_deadline() {
                timeout = timeout.min(deadline.saturating_duration_since(Instant::now()));
            }
            if !events.is_empty() || !self.hub.fall_asleep() {
                timeout = Duration::ZERO;
            }
        }
        let mut heard = std::mem::take(&mut self.epoll_events);
        let waited = self.hub.epoll.wait(&mut heard, milliseconds(timeout));
        self.hub.wake_up();
        let count = match waited {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let (mut accept, mut called, mut handed) = (false, false, false);
        for event in &heard[..count] {
            match event.data() {
                WAKE => self.hub.woken(),
                STOP => {}
                CALL => called = true,
                HANDOVER => handed = true,
                // Those who are here already come before those who arrive.
                listener if listener & LISTENERS == LISTENERS => accept = true,
                id => self.hear(Id::from_bits(id), event.events(), events),
            }
        }
        self.epoll_events = heard;
        if handed {
            self.take_handed(self.hub.rules.accepts_at_once)?;
        }
        if accept || called && self.accepting {
            self.accept(called)?;
        }
        self.look_at_returned(events);
        self.look_at_due(events);
        Ok(())
    }

    fn hear(&mut self, id: Id, flags: EpollFlags, events: &mut Vec<Event>) {
        let Some(connection) = self.get(id) else {
            return;
        };
        let readable = flags.contains(EpollFlags::EPOLLIN);
        let writable = flags.contains(EpollFlags::EPOLLOUT);
        let gone = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        let hung_up = flags.intersects(gone);
        let connection = Arc::clone(connection);
        let mut state = connection.lock();
        let news = connection.hear(&mut state, readable, writable, hung_up);
        let News {
            readable,
            writable,
            hung_up,
        } = news;
        events.extend(readable.then_some(Event::Readable(id)));
        events.extend(writable.then_some(Event::Writable(id)));
        events.extend(hung_up.then_some(Event::HungUp(id)));
        self.advance(&connection, &mut state, events);
    }

    /// Lets a connection go on.
    fn look_at(&mut self, connection: &Arc<Connection>, events: &mut Vec<Event>) {
        self.advance(connection, &mut connection.lock(), events);
    }

    fn advance(
        &mut self,
        connection: &Arc<Connection>,
        state: &mut State,
        events: &mut Vec<Event>,
    ) {
        let progress = connection.advance(state, &mut self.scrap);
        if let Some(refusal) = state.take_refusal() {
            events.push(Event::Refused(refusal));
        }
        match progress {
            Progress::Waiting => {
                let mut deadline = state.deadline();
                if self.hub.hands_over() {
                    if connection.hand_over(state) {
                        return self.forget(connection.id);
                    }
                    // So many are under way that it must be tried again.
                    let soon = Instant::now().checked_add(NEXT_TRY);
                    deadline = deadline.min(soon).or(soon);
                }
                self.look_later(connection.id.place, deadline);
            }
            Progress::Request(exchange) => {
                // The app sets a deadline when it has answered.
                let look = exchange.started + GLANCE;
                self.look_later(connection.id.place, Some(look));
                events.push(Event::Request(exchange));
            }
            Progress::Closed => self.forget(connection.id),
        }
    }

    fn look_at_returned(&mut self, events: &mut Vec<Event>) {
        let mut batch = std::mem::take(&mut self.batch);
        std::mem::swap(&mut *self.hub.returned(), &mut batch);
        for id in batch.drain(..) {
            if let Some(connection) = self.get(id).cloned() {
                self.look_at(&connection, events);
            }
        }
        self.batch = batch;
    }

    /// Looks at the connections whose time has come, or may have.
    fn look_at_due(&mut self, events: &mut Vec<Event>) {
        let Some(first) = self.next_deadline() else {
            return;
        };
        let now = Instant::now();
        if first > now {
            return;
        }
        if self.pause_until.is_some_and(|until| until <= now) {
            self.pause_until = None;
            if !self.hub.is_stopping() {
                // The next turn tries again if this cannot be done.
                let _ = self.accept_again();
            }
        }
        if self.full_until.is_some_and(|until| until <= now) {
            self.make_room(now);
        }
        let mut due = std::mem::take(&mut self.due);
        while let Some(tick) = self.wheel.pop(now, &mut due) {
            for place in due.drain(..) {
                let entry = &mut self.places[place as usize];
                if entry.look != Some(tick) {
                    continue;
                }
                entry.look = None;
                let Some(connection) = entry.connection.clone() else {
                    continue;
                };
                let mut state = connection.lock();
                match state.deadline() {
                    Some(deadline) if deadline <= now => match connection.expire(&mut state) {
                        Expired::Ended => {
                            drop(state);
                            self.look_at(&connection, events);
                        }
                        Expired::ForApp => {
                            events.push(Event::HungUp(connection.id));
                            self.look_later(place, state.deadline());
                        }
                        Expired::Not => self.look_later(place, state.deadline()),
                    },
                    Some(_) if self.hub.hands_over() => {
                        drop(state);
                        self.look_at(&connection, events);
                    }
                    Some(deadline) => self.look_later(place, Some(deadline)),
                    None => self.look_later(place, now.checked_add(GLANCE)),
                }
            }
        }
        self.wheel.forward(now);
        self.due = due;
    }

    fn look_later(&mut self, place: u32, deadline: Option<Instant>) {
        let entry = &mut self.places[place as usize];
        let deadline = match deadline {
            Some(deadline) => deadline,
            None if entry.look.is_some() => return,
            None => Instant::now() + GLANCE,
        };
        let tick = self.wheel.tick(deadline);
        if entry.look.is_none_or(|look| tick < look) {
            entry.look = Some(tick);
            self.wheel.insert(tick, place);
        }
    }

    fn get(&self, id: Id) -> Option<&Arc<Connection>> {
        let place = self.places.get(id.place as usize)?;
        let connection = place.connection.as_ref();
        connection.filter(|_| place.generation == id.generation)
    }

    /// Takes up certificates that have changed.
    fn refresh(&mut self) {
        const PAUSE: Duration = Duration::from_secs(1);
        if let Some(tls) = &self.hub.rules.tls
            && self.refreshed.elapsed() >= PAUSE
        {
            self.refreshed = Instant::now();
            match tls.refresh() {
                Ok(true) => ::log::info!("New TLS certificates are in use"),
                Ok(false) => {}
                Err(error) => ::log::error!("{error}; the old certificates stay in use"),
            }
        }
    }

    /// Counts a client's connection; false if it has too many and may not
    /// `exceed` that.
    fn count(&mut self, peer: Peer, exceed: bool) -> bool {
        let most = self.hub.rules.most_per_client;
        let Peer::Inet(address) = peer else {
            return true;
        };
        if most == 0 {
            return true;
        }
        let count = self.clients.entry(address.ip()).or_default();
        let fits = *count < most || exceed;
        *count += u32::from(fits);
        fits
    }

    fn uncount(&mut self, address: Option<IpAddr>) {
        if let Some(address) = address
            && let Entry::Occupied(mut count) = self.clients.entry(address)
        {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Takes those that wait at the listeners; if the worker was not `called`
    /// to do so, it may let others go first.
    fn accept(&mut self, called: bool) -> io::Result<()> {
        self.refresh();
        let serves_one = self.hub.rules.serves_one;
        if let Some(seat) = &self.hub.rules.heartbeat.seat
            && self.courtesy.waits(seat, called, serves_one)
        {
            seat.call();
            self.pause_until = Instant::now().checked_add(AFTER_YOU);
            return self.accept_no_more();
        }
        let at_once = self.hub.rules.accepts_at_once;
        for number in 0..self.hub.listeners.len() {
            for _ in 0..at_once {
                match self.hub.listeners[number].accept() {
                    Ok((socket, peer)) => self.accepted(number, socket, peer),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return self.accept_failed(&error),
                }
                if self.is_full() {
                    return self.accept_no_more();
                }
            }
            if at_once == 1 && self.accepting {
                // The next connection goes to the worker that has waited for
                // the longest: epoll asks the first in the line.
                self.hub.epoll.delete(&self.hub.listeners[number])?;
                self.watch_listener(number)?;
            }
        }
        Ok(())
    }

    fn accept_failed(&mut self, error: &io::Error) -> io::Result<()> {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if let Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) = errno {
            ::log::error!("No connection can be accepted: {error}");
            self.accept_no_more()?;
            self.pause_until = Instant::now().checked_add(EXHAUSTED);
        }
        // The master has closed the listener for good. If its signal has not
        // been heard, this is as good; and else epoll would tell for ever.
        if let Some(Errno::EINVAL) = errno {
            self.accept_no_more()?;
            self.stop.ask();
        }
        Ok(())
    }

    /// Takes a new connection in, unless its client has too many.
    fn accepted(&mut self, listener: usize, socket: Socket, peer: Peer) {
        match self.count(peer, false) {
            true => self.welcome(socket, peer, self.hub.server(listener), false),
            false => self.hub.turn_away(&socket, "Too many connections"),
        }
    }

    /// Takes at most so many connections in that other workers have given away.
    fn take_handed(&mut self, most: usize) -> io::Result<()> {
        for _ in 0..most {
            if !self.hub.is_stopping() && self.is_full() {
                return self.accept_no_more();
            }
            let Some(handover) = self.hub.handover() else {
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
            if self.hub.rules.tls.is_some() {
                continue;
            }
            let peer = peer.as_socket().map_or(Peer::Unix, Peer::Inet);
            self.count(peer, true);
            let server = handed.server.map(|address| self.hub.server_at(address));
            self.welcome(handed.socket, peer, server, handed.is_used);
        }
        if most == 1 {
            // The next one goes to another worker, as in `accept`.
            self.watch_handover(false)?;
            self.watch_handover(true)?;
        }
        Ok(())
    }

    /// Takes in a connection that was counted. One that `is_used` has carried
    /// requests, in another worker.
    fn welcome(&mut self, socket: Socket, peer: Peer, server: Option<Arc<Server>>, is_used: bool) {
        let client = match peer {
            Peer::Inet(address) => Client {
                ip: Some(address.ip()),
                address: address.ip().to_string(),
                port: Some(address.port()),
                trusted: self.hub.rules.trusted_peers.trusts(address.ip()),
                may_proxy: self.hub.rules.proxy_peers.trusts(address.ip()),
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
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                connection: None,
                opened: Instant::now(),
                look: None,
            });
            (self.places.len() - 1) as u32
        });
        let entry = &mut self.places[place as usize];
        let generation = entry.generation;
        let id = Id { place, generation };
        let watched = socket.set_nonblocking(true).and_then(|()| {
            let event = EpollEvent::new(INTEREST, id.to_bits());
            Ok(self.hub.epoll.add(&socket, event)?)
        });
        if let Err(error) = watched {
            ::log::error!("A connection cannot be used: {error}");
            self.free.push(place);
            self.uncount(client.ip);
            return;
        }
        let connection = Connection::new(id, client, Arc::clone(&self.hub), socket);
        if is_used {
            connection.go_on(&mut connection.lock());
        }
        let deadline = connection.lock().deadline();
        let connection = Arc::new(connection);
        self.hub.opened(&connection);
        entry.connection = Some(connection);
        entry.opened = Instant::now();
        self.open += 1;
        self.tell_others();
        self.look_later(place, deadline);
    }

    /// True if there are as many connections as may be; then it is known when
    /// to look for one that can be closed.
    fn is_full(&mut self) -> bool {
        let full = self.open >= self.hub.rules.most_connections;
        if full {
            self.full_until = self.oldest_silent().map(|(end, _)| end);
        }
        full
    }

    /// The connection that has said nothing for the longest time, and from when
    /// on it may be closed for another.
    fn oldest_silent(&self) -> Option<(Instant, Arc<Connection>)> {
        let is_silent = |it: &&Arc<Connection>| it.lock().is_fresh();
        let silent = self.places.iter().filter_map(|place| {
            let connection = place.connection.as_ref().filter(is_silent)?;
            Some((place.opened + SILENCE, connection))
        });
        let (end, connection) = silent.min_by_key(|(end, _)| *end)?;
        Some((end, Arc::clone(connection)))
    }

    /// Closes a connection that was never used, if a client waits for its place.
    fn make_room(&mut self, now: Instant) {
        self.full_until = match self.oldest_silent() {
            Some((end, connection)) if end <= now => {
                let wanted = self.hub.listeners.iter().any(Listener::has_client);
                if wanted && connection.close_unused() {
                    ::log::debug!("A connection that was not used makes room for another");
                    return self.forget(connection.id);
                }
                now.checked_add(SILENCE)
            }
            Some((end, _)) => Some(end),
            None => None,
        };
    }

    /// Lets a connection go that is at its end.
    fn forget(&mut self, id: Id) {
        let place = &mut self.places[id.place as usize];
        let connection = place.connection.take();
        self.hub.closed(id);
        // The generations of listeners and the like are never reached.
        place.generation = (place.generation + 1) % (u32::MAX - 1);
        self.free.push(id.place);
        self.open -= 1;
        self.tell_others();
        self.uncount(connection.and_then(|connection| connection.client.ip));
        self.full_until = None;
        if self.open == 0 {
            // Nobody has less to do, and a descriptor is free again.
            self.pause_until = None;
        }
        let has_room = self.open < self.hub.rules.most_connections;
        if has_room && !self.accepting && !self.hub.is_stopping() && self.pause_until.is_none() {
            // If it cannot be done now, the end of the next connection does it.
            let _ = self.accept_again();
        }
    }

    /// Lets the other workers know how many connections this one has.
    fn tell_others(&self) {
        if let Some(seat) = &self.hub.rules.heartbeat.seat {
            seat.has((!self.hub.is_stopping()).then_some(self.open));
        }
    }

    fn watch_listener(&self, number: usize) -> io::Result<()> {
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        let event = EpollEvent::new(flags, LISTENERS | number as u64);
        Ok(self.hub.epoll.add(&self.hub.listeners[number], event)?)
    }

    /// Has epoll tell of connections that other workers give away, or not.
    fn watch_handover(&mut self, watch: bool) -> io::Result<()> {
        let Some(handover) = self.hub.handover().filter(|_| watch != self.takes_handed) else {
            return Ok(());
        };
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
        match watch {
            true => self
                .hub
                .epoll
                .add(handover, EpollEvent::new(flags, HANDOVER))?,
            false => self.hub.epoll.delete(handover)?,
        }
        self.takes_handed = watch;
        Ok(())
    }

    fn accept_again(&mut self) -> io::Result<()> {
        if !self.accepting {
            for number in 0..self.hub.listeners.len() {
                self.watch_listener(number)?;
            }
            self.watch_handover(true)?;
            self.accepting = true;
        }
        Ok(())
    }

    fn accept_no_more(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.accepting, false) {
            for listener in &self.hub.listeners {
                self.hub.epoll.delete(listener)?;
            }
        }
        self.watch_handover(false)
    }

    /// Takes what waits at the listeners, unless that is left to others, and
    /// nothing after that, and ends the connections: each with the request that
    /// it has or that is on its way, or by giving it to another worker. The
    /// worker has stopped when there are no more [`connections`](Reactor::connections).
    pub fn stop(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        if self.hub.is_stopping() {
            return Ok(());
        }
        let taken = match self.hub.rules.heartbeat.leaves_queue() {
            true => 0,
            false => self.hub.listeners.len(),
        };
        for number in 0..taken {
            while let Ok((socket, peer)) = self.hub.listeners[number].accept() {
                self.accepted(number, socket, peer);
            }
        }
        self.accept_no_more()?;
        // What has come by now is served.
        self.turn(Duration::ZERO, events)?;
        self.hub.stop();
        self.tell_others();
        // A connection that ended in that turn made room for another.
        self.accept_no_more()?;
        // At the server's end others may still give connections away, and no
        // worker would take them.
        self.watch_handover(!self.hub.hands_over())?;
        let open: Vec<_> = self
            .places
            .iter()
            .filter_map(|place| place.connection.clone())
            .collect();
        for connection in open {
            connection.retire(&mut connection.lock(), GRACE);
            // It has less time now, or is given away.
            self.look_at(&connection, events);
        }
        Ok(())
    }
}

impl AsFd for Reactor {
    /// The epoll, readable when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.hub.epoll.0.as_fd()
    }
}

/// Rounded up, lest the last millisecond be spent polling.
fn milliseconds(timeout: Duration) -> EpollTimeout {
    let rounded = timeout + Duration::from_nanos(999_999);
    EpollTimeout::try_from(rounded).unwrap_or(EpollTimeout::MAX)
}
