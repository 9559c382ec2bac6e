//! The one loop over everything that a worker's network does, whatever class
//! of worker it is: an epoll, edge-triggered, over the listeners and all
//! connections. It knows no Python.

mod accepting;
mod places;

use super::connection::{BLOCK, Connection, Expired, Heard, Progress, State};
use super::context::Context;
use super::id::Id;
use super::registry::Registry;
use super::rules::Rules;
use super::timer_wheel::TimerWheel;
use super::waiter::Waiter;
use crate::exchange::Exchange;
use crate::net::Listener;
use crate::worker::request::refusal::Refusal;
use crate::worker::shared::balance::Deferral;
use crate::worker::signals::{Signals, StopHandle};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use places::Places;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many events are taken from epoll at once.
const MOST_EVENTS: usize = 256;

/// What epoll tells of other things than connections: no connection has this
/// generation.
const LISTENERS: u64 = 0xffff_ffff_0000_0000;
const WAKE: u64 = u64::MAX;
const STOP: u64 = u64::MAX - 1;
const CALL: u64 = u64::MAX - 2;
const HANDOVER: u64 = u64::MAX - 3;

/// The longest time between two looks at a connection that the app has.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// What a connection that has had no request yet gets for it when the worker
/// stops.
const FIRST_REQUEST_TIME: Duration = Duration::from_secs(1);

/// The pause between two tries to give a connection to another worker.
const HANDOVER_PAUSE: Duration = Duration::from_millis(100);

/// What the network has brought.
pub enum Event {
    /// A request, whole or as much of it as is received before its app runs.
    Request(Exchange),
    /// More of a body, or of an upgraded connection's bytes, may be read on the
    /// stream of this key.
    Readable(u64),
    /// An app that was told to wait may write again.
    Writable(u64),
    /// The client of a request in flight has ended its side, or is gone, or
    /// was too slow: reading and writing tell.
    HungUp(u64),
    /// A request that the server answered itself.
    Refused(Box<Refusal>),
}

/// All connections of a worker.
pub struct Reactor {
    context: Arc<Context>,
    registry: Arc<Registry>,
    stop: StopHandle,
    accepting: Accepting,
    places: Places,
    timers: TimerWheel,
    buffer: Box<[u8]>,
    epoll_events: Vec<EpollEvent>,
    /// Room for the connections of one look.
    returned: Vec<Id>,
    due: Vec<u32>,
}

/// Whether connections are accepted, and when that changes.
#[derive(Default)]
struct Accepting {
    /// True while the listeners are watched.
    is_on: bool,
    /// True while connections of other workers are taken.
    takes_handed: bool,
    /// When accepting goes on after descriptors ran out, or after others were
    /// let go first.
    pause_until: Option<Instant>,
    /// While there are as many connections as may be: when to look for one that
    /// can be closed.
    full_until: Option<Instant>,
    deferral: Deferral,
    /// Connections of each address, where their number is limited.
    clients: HashMap<IpAddr, u32>,
    /// When the certificates' files were looked at.
    refreshed: Option<Instant>,
}

impl Accepting {
    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.pause_until, self.full_until];
        deadlines.into_iter().flatten().min()
    }
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
        if let Some(slot) = &rules.heartbeat.slot {
            let flags = readable | EpollFlags::EPOLLET | EpollFlags::EPOLLEXCLUSIVE;
            epoll.add(slot, EpollEvent::new(flags, CALL))?;
        }
        let listeners = listeners.iter().map(Listener::try_clone);
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let context = Arc::new(Context::new(rules, epoll, waiter, wake));
        let mut reactor = Reactor {
            registry: Registry::new(Arc::clone(&context), listeners),
            context,
            stop: signals.stop_handle(),
            accepting: Accepting::default(),
            places: Places::default(),
            timers: TimerWheel::new(Instant::now()),
            buffer: vec![0; BLOCK].into_boxed_slice(),
            epoll_events: vec![EpollEvent::empty(); MOST_EVENTS],
            returned: Vec::new(),
            due: Vec::new(),
        };
        reactor.accept_again()?;
        reactor.tell_others();
        Ok(reactor)
    }

    /// What may be used from other threads.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// What may be used from other threads, if they have to find connections.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Open connections.
    pub fn connections(&self) -> usize {
        self.places.open()
    }

    /// When there is something to do even if the network brings nothing.
    pub fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.timers.next_look(), self.accepting.next_deadline()];
        deadlines.into_iter().flatten().min()
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
            if !events.is_empty() || !self.context.fall_asleep() {
                timeout = Duration::ZERO;
            }
        }
        let mut heard = std::mem::take(&mut self.epoll_events);
        let waited = self.context.epoll.wait(&mut heard, milliseconds(timeout));
        self.context.wake_up();
        let count = match waited {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let (mut accept, mut called, mut handed) = (false, false, false);
        for event in &heard[..count] {
            match event.data() {
                WAKE => self.context.woken(),
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
            self.take_handed(self.context.rules.accepts_at_once)?;
        }
        if accept || called && self.accepting.is_on {
            self.accept(called)?;
        }
        self.look_at_returned(events);
        self.look_at_due(events);
        Ok(())
    }

    /// Takes what waits at the listeners, unless that is left to others, and
    /// nothing after that, and ends the connections: each with the request that
    /// it has or that is on its way, or by giving it to another worker. The
    /// worker has stopped when there are no more [`connections`](Reactor::connections).
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
        self.accept_no_more()?;
        // What has come by now is served.
        self.turn(Duration::ZERO, events)?;
        self.context.stop();
        self.tell_others();
        // A connection that ended in that turn made room for another.
        self.accept_no_more()?;
        // At the server's end others may still give connections away, and no
        // worker would take them.
        self.watch_handover(!self.context.hands_over())?;
        let open: Vec<_> = self.places.iter().map(|(_, it)| Arc::clone(it)).collect();
        for connection in open {
            connection.expect_last_request(&mut connection.lock(), FIRST_REQUEST_TIME);
            // It has less time now, or is given away.
            self.look_at(&connection, events);
        }
        Ok(())
    }

    fn hear(&mut self, id: Id, flags: EpollFlags, events: &mut Vec<Event>) {
        let Some(connection) = self.places.get(id) else {
            return;
        };
        let readable = flags.contains(EpollFlags::EPOLLIN);
        let writable = flags.contains(EpollFlags::EPOLLOUT);
        let gone = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        let hung_up = flags.intersects(gone);
        let connection = Arc::clone(connection);
        let mut state = connection.lock();
        let Heard {
            readable,
            writable,
            hung_up,
        } = connection.hear(&mut state, readable, writable, hung_up);
        let key = id.to_bits();
        events.extend(readable.then_some(Event::Readable(key)));
        events.extend(writable.then_some(Event::Writable(key)));
        events.extend(hung_up.then_some(Event::HungUp(key)));
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
        let progress = connection.advance(state, &mut self.buffer);
        if let Some(refusal) = state.take_refusal() {
            events.push(Event::Refused(refusal));
        }
        match progress {
            Progress::Waiting => {
                let mut deadline = state.deadline();
                if self.context.hands_over() {
                    if connection.hand_over(state) {
                        return self.forget(connection.id);
                    }
                    // So many are under way that it must be tried again.
                    let soon = Instant::now().checked_add(HANDOVER_PAUSE);
                    deadline = deadline.min(soon).or(soon);
                }
                self.look_later(connection.id.place, deadline);
            }
            Progress::Request(exchange) => {
                // The app sets a deadline when it has answered.
                let look = exchange.started + LOOK_INTERVAL;
                self.look_later(connection.id.place, Some(look));
                events.push(Event::Request(exchange));
            }
            Progress::Closed => self.forget(connection.id),
        }
    }

    fn look_at_returned(&mut self, events: &mut Vec<Event>) {
        let mut returned = std::mem::take(&mut self.returned);
        std::mem::swap(&mut *self.context.returned(), &mut returned);
        for id in returned.drain(..) {
            if let Some(connection) = self.places.get(id).cloned() {
                self.look_at(&connection, events);
            }
        }
        self.returned = returned;
    }

    /// Looks at the connections whose time has come, or may have.
    fn look_at_due(&mut self, events: &mut Vec<Event>) {
        let now = Instant::now();
        if self.next_deadline().is_none_or(|first| first > now) {
            return;
        }
        self.accept_when_due(now);
        let mut due = std::mem::take(&mut self.due);
        while self.timers.pop(now, &mut due) {
            for place in due.drain(..) {
                if let Some(connection) = self.places.at(place).cloned() {
                    self.look_at_deadline(&connection, now, events);
                }
            }
        }
        self.timers.forward(now);
        self.due = due;
    }

    fn look_at_deadline(
        &mut self,
        connection: &Arc<Connection>,
        now: Instant,
        events: &mut Vec<Event>,
    ) {
        let place = connection.id.place;
        let mut state = connection.lock();
        match state.deadline() {
            Some(deadline) if deadline <= now => match connection.expire(&mut state) {
                Expired::Ended => self.advance(connection, &mut state, events),
                Expired::ForApp => {
                    events.push(Event::HungUp(connection.id.to_bits()));
                    self.look_later(place, state.deadline());
                }
                Expired::Not => self.look_later(place, state.deadline()),
            },
            Some(_) if self.context.hands_over() => self.advance(connection, &mut state, events),
            Some(deadline) => self.look_later(place, Some(deadline)),
            None => self.look_later(place, now.checked_add(LOOK_INTERVAL)),
        }
    }

    fn look_later(&mut self, place: u32, deadline: Option<Instant>) {
        if deadline.is_some() || !self.timers.is_scheduled(place) {
            let deadline = deadline.unwrap_or_else(|| Instant::now() + LOOK_INTERVAL);
            self.timers.schedule(place, deadline);
        }
    }

    /// Lets the other workers know how many connections this one has.
    fn tell_others(&self) {
        if let Some(slot) = &self.context.rules.heartbeat.slot {
            slot.set_connections((!self.context.is_stopping()).then_some(self.connections()));
        }
    }
}

impl AsFd for Reactor {
    /// The epoll, readable when there is something to do.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.context.epoll.0.as_fd()
    }
}

/// Rounded up, so that the last millisecond is not spent polling.
fn milliseconds(timeout: Duration) -> EpollTimeout {
    let rounded = timeout + Duration::from_nanos(999_999);
    EpollTimeout::try_from(rounded).unwrap_or(EpollTimeout::MAX)
}
