//! The event loop of a worker's network, the same for all worker classes: an
//! edge-triggered epoll for the listeners and all connections. It uses no
//! Python.

mod accepting;
mod bursts;
mod connection_table;

use super::connection::{BLOCK, Connection, ConnectionState, Event, Expiry, Progress, Readiness};
use super::context::Context;
use super::id::ConnectionId;
use super::registry::Registry;
use super::rules::Rules;
use super::timer_wheel::TimerWheel;
use super::waiter::Waiter;
use crate::net::Listener;
use crate::scoreboard::Gauge;
use crate::system::watch_forks;
use crate::worker::shared::balance::Deferral;
use crate::worker::signals::{Signals, StopHandle};
use bursts::Bursts;
use connection_table::ConnectionTable;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many events are taken from epoll at once.
const MOST_EVENTS: usize = 256;

/// The epoll data of descriptors that are not connections. No connection has
/// this generation.
const LISTENERS: u64 = 0xffff_ffff_0000_0000;
const WAKE: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;
const ASKED_TO_ACCEPT: u64 = u64::MAX - 2;
const HANDOVER: u64 = u64::MAX - 3;

/// The longest time between two checks of a connection while the app has its
/// request.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// When the worker stops, the time for the first request of a connection that
/// has had none.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// The pause between two attempts to give a connection to another worker.
const HANDOVER_PAUSE: Duration = Duration::from_millis(100);

/// The listeners and connections of a worker.
pub struct Reactor {
    context: Arc<Context>,
    registry: Arc<Registry>,
    stop: StopHandle,
    accepting: Accepting,
    connections: ConnectionTable,
    timers: TimerWheel,
    buffer: Box<[u8]>,
    epoll_events: Vec<EpollEvent>,
    /// The connections that are being checked. The field keeps the memory.
    to_check: Vec<ConnectionId>,
    due: Vec<u32>,
}

/// Whether connections are accepted, and when this changes.
#[derive(Default)]
struct Accepting {
    /// True while the listeners are watched.
    is_on: bool,
    /// True while epoll reports connections from other workers.
    watches_handover: bool,
    /// When accepting starts again, after descriptors ran out or other workers
    /// were let go first.
    pause_until: Option<Instant>,
    /// While the number of connections is at its limit: when one that is unused
    /// may be closed.
    full_until: Option<Instant>,
    deferral: Deferral,
    bursts: Bursts,
    /// The number of connections of each address, if it is limited.
    clients: HashMap<IpAddr, u32>,
    /// When the certificates' files were last checked.
    refreshed: Option<Instant>,
}

impl Accepting {
    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.pause_until, self.full_until];
        deadlines.into_iter().flatten().min()
    }
}

impl Reactor {
    /// The reactor's wait also ends when `signals` say that the worker must
    /// stop.
    ///
    /// # Errors
    /// The process has no descriptors left.
    pub fn new(
        listeners: &'static [Listener],
        signals: &Signals,
        rules: Rules,
        waiter: Box<dyn Waiter>,
    ) -> io::Result<Reactor> {
        watch_forks();
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let readable = EpollFlags::EPOLLIN;
        // Edge-triggered, it need not be read.
        epoll.add(&wake, EpollEvent::new(readable | EpollFlags::EPOLLET, WAKE))?;
        epoll.add(
            signals.as_fd(),
            EpollEvent::new(readable | EpollFlags::EPOLLET, STOP),
        )?;
        if let Some(slot) = &rules.heartbeat.slot {
            let flags = readable | EpollFlags::EPOLLET | EpollFlags::EPOLLEXCLUSIVE;
            epoll.add(slot, EpollEvent::new(flags, ASKED_TO_ACCEPT))?;
        }
        let context = Arc::new(Context::new(rules, epoll, waiter, wake));
        let mut reactor = Reactor {
            registry: Registry::new(Arc::clone(&context), listeners),
            context,
            stop: signals.stop_handle(),
            accepting: Accepting {
                refreshed: Some(Instant::now()),
                ..Accepting::default()
            },
            connections: ConnectionTable::default(),
            timers: TimerWheel::new(Instant::now()),
            buffer: vec![0; BLOCK].into_boxed_slice(),
            epoll_events: vec![EpollEvent::empty(); MOST_EVENTS],
            to_check: Vec::new(),
            due: Vec::new(),
        };
        reactor.start_accepting()?;
        reactor.publish_count();
        Ok(reactor)
    }

    /// The data for other threads.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// The open connections, for other threads.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.connections.open()
    }

    /// When there is something to do without any event.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.timers.next_check(), self.accepting.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// Waits for events for at most `timeout`, handles them, and appends the
    /// results to `events`.
    ///
    /// # Errors
    /// epoll does not work.
    pub fn turn(&mut self, timeout: Duration, events: &mut Vec<Event>) -> io::Result<()> {
        self.check_requested(events);
        let mut timeout = timeout;
        if !timeout.is_zero() {
            if let Some(deadline) = self.next_deadline() {
                timeout = timeout.min(deadline.saturating_duration_since(Instant::now()));
            }
            if !events.is_empty() || !self.context.fall_asleep() {
                timeout = Duration::ZERO;
            }
        }
        let mut ready = std::mem::take(&mut self.epoll_events);
        let waited = self.context.epoll.wait(&mut ready, milliseconds(timeout));
        self.context.wake_up();
        let count = match waited {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let (mut asked, mut handed_over) = (false, false);
        // Accepted below, after the connections that are open already.
        let mut clients_at = Vec::new();
        for event in &ready[..count] {
            match event.data() {
                WAKE | STOP => {}
                ASKED_TO_ACCEPT => asked = true,
                HANDOVER => handed_over = true,
                listener if listener & LISTENERS == LISTENERS => {
                    clients_at.push((listener & !LISTENERS) as usize);
                }
                id => self.on_ready(ConnectionId::from_bits(id), event.events(), events),
            }
        }
        self.epoll_events = ready;
        if handed_over {
            self.take_handed_over(self.context.rules.accepts_at_once)?;
        }
        if asked && self.accepting.is_on {
            clients_at = (0..self.registry.listeners.len()).collect();
        }
        if !clients_at.is_empty() {
            self.accept(&clients_at, asked)?;
        }
        self.check_requested(events);
        self.check_due(events);
        Ok(())
    }

    /// Stops the network. Accepts the clients that are waiting, unless other
    /// processes do, and no more after that. Then ends each connection after
    /// the request that it has or may be about to receive, or gives it to
    /// another worker. The worker has stopped when
    /// [`connections`](Reactor::connections) is 0.
    ///
    /// # Errors
    /// epoll does not work.
    pub fn stop(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        if self.context.is_stopping() {
            return Ok(());
        }
        if !self.context.rules.heartbeat.leaves_queue() {
            self.accept_all();
        }
        self.stop_accepting()?;
        // Requests that have arrived by now are served.
        self.turn(Duration::ZERO, events)?;
        self.context.stop();
        self.publish_count();
        // The end of a connection in that turn may have started accepting
        // again.
        self.stop_accepting()?;
        // When the whole server stops, other workers may still give connections
        // away, and no worker that goes on would take them: then this one does.
        self.watch_handover(!self.context.hands_over())?;
        let open: Vec<_> = self
            .connections
            .iter()
            .map(|(_, it)| Arc::clone(it))
            .collect();
        for connection in open {
            connection.expect_last_request(&mut connection.lock(), FIRST_REQUEST_TIME);
            // Its deadline is earlier now, or it is given away.
            self.check(&connection, events);
        }
        Ok(())
    }

    fn on_ready(&mut self, id: ConnectionId, flags: EpollFlags, events: &mut Vec<Event>) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        let readable = flags.contains(EpollFlags::EPOLLIN);
        let writable = flags.contains(EpollFlags::EPOLLOUT);
        let gone = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        let hung_up = flags.intersects(gone);
        let connection = Arc::clone(connection);
        let mut state = connection.lock();
        let Readiness {
            readable,
            writable,
            hung_up,
        } = connection.update_readiness(&mut state, readable, writable, hung_up);
        let key = id.to_bits();
        events.extend(readable.then_some(Event::Readable(key)));
        events.extend(writable.then_some(Event::Writable(key)));
        events.extend(hung_up.then_some(Event::HungUp(key)));
        self.advance(&connection, &mut state, events);
    }

    /// Advances a connection.
    fn check(&mut self, connection: &Arc<Connection>, events: &mut Vec<Event>) {
        self.advance(connection, &mut connection.lock(), events);
    }

    fn advance(
        &mut self,
        connection: &Arc<Connection>,
        state: &mut ConnectionState,
        events: &mut Vec<Event>,
    ) {
        let progress = connection.advance(state, &mut self.buffer);
        if let Some(refusal) = state.take_refusal() {
            events.push(Event::Refused(refusal));
        }
        events.append(&mut state.take_events());
        match progress {
            Progress::Waiting => {
                let mut deadline = state.deadline();
                if self.context.hands_over() {
                    if connection.hand_over(state) {
                        return self.forget(connection.id);
                    }
                    // It was not idle, or the socket pair was full: try again
                    // soon.
                    let soon = Instant::now().checked_add(HANDOVER_PAUSE);
                    deadline = deadline.min(soon).or(soon);
                }
                self.check_later(connection.id.index, deadline);
            }
            Progress::Request(exchange) => {
                // The deadline is set when the app has answered.
                let check = exchange.started + CHECK_INTERVAL;
                self.check_later(connection.id.index, Some(check));
                events.push(Event::Request(exchange));
            }
            Progress::Closed => self.forget(connection.id),
        }
    }

    fn check_requested(&mut self, events: &mut Vec<Event>) {
        let mut to_check = std::mem::take(&mut self.to_check);
        std::mem::swap(&mut *self.context.to_check(), &mut to_check);
        for id in to_check.drain(..) {
            if let Some(connection) = self.connections.get(id).cloned() {
                self.check(&connection, events);
            }
        }
        self.to_check = to_check;
    }

    /// Checks the connections whose deadline may be over.
    fn check_due(&mut self, events: &mut Vec<Event>) {
        let now = Instant::now();
        if self.next_deadline().is_none_or(|first| first > now) {
            return;
        }
        self.accept_when_due(now);
        let mut due = std::mem::take(&mut self.due);
        while self.timers.pop(now, &mut due) {
            for index in due.drain(..) {
                if let Some(connection) = self.connections.at(index).cloned() {
                    self.check_deadline(&connection, now, events);
                }
            }
        }
        self.timers.forward(now);
        self.due = due;
    }

    fn check_deadline(
        &mut self,
        connection: &Arc<Connection>,
        now: Instant,
        events: &mut Vec<Event>,
    ) {
        let index = connection.id.index;
        let mut state = connection.lock();
        connection.count_bytes(&mut state);
        match state.deadline() {
            Some(deadline) if deadline <= now => match connection.expire(&mut state) {
                Expiry::Ended => self.advance(connection, &mut state, events),
                Expiry::ForApp => {
                    events.push(Event::HungUp(connection.id.to_bits()));
                    self.check_later(index, state.deadline());
                }
                Expiry::NotYet => self.check_later(index, state.deadline()),
            },
            Some(_) if self.context.hands_over() => self.advance(connection, &mut state, events),
            Some(deadline) => self.check_later(index, Some(deadline)),
            None => self.check_later(index, now.checked_add(CHECK_INTERVAL)),
        }
    }

    fn check_later(&mut self, index: u32, deadline: Option<Instant>) {
        if deadline.is_some() || !self.timers.is_scheduled(index) {
            let deadline = deadline.unwrap_or_else(|| Instant::now() + CHECK_INTERVAL);
            self.timers.schedule(index, deadline);
        }
    }

    /// Writes the number of connections to the scoreboard and to the table that
    /// the workers share.
    fn publish_count(&self) {
        let open = self.connections() as u64;
        self.context.rules.board().set(Gauge::Connections, open);
        if let Some(slot) = &self.context.rules.heartbeat.slot {
            slot.set_connections((!self.context.is_stopping()).then_some(self.connections()));
        }
    }
}

impl AsFd for Reactor {
    /// The epoll, which is readable when there are events.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.context.epoll.0.as_fd()
    }
}

/// Rounded up, so that the last millisecond is not spent in a busy loop.
fn milliseconds(timeout: Duration) -> EpollTimeout {
    let rounded = timeout + Duration::from_nanos(999_999);
    EpollTimeout::try_from(rounded).unwrap_or(EpollTimeout::MAX)
}
