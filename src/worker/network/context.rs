//! Data that all connections of a worker share. Any thread may use it.

use super::id::ConnectionId;
use super::relay::{LateOutput, Relay};
use super::rules::Rules;
use super::waiter::Waiter;
use crate::exchange::Admissions;
use crate::http::RequestIds;
use crate::system::lock;
use crate::worker::shared::Handover;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use ring::rand::{SecureRandom, SystemRandom};
use socket2::Socket;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The events that epoll reports for every connection.
const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// The data that all connections of a worker share.
pub struct Context {
    pub rules: Rules,
    pub epoll: Epoll,
    pub waiter: Box<dyn Waiter>,
    pub admissions: Admissions,
    /// Copies bytes for apps that have taken their connections.
    pub relay: Relay,
    /// Sends output of HTTP/2 that the reactor does not send in time.
    pub late_output: LateOutput,
    ids: Mutex<RequestIds>,
    /// How many streams of HTTP/2 there were.
    streams: AtomicU64,
    wake: EventFd,
    /// True while the reactor waits for events.
    sleeping: AtomicBool,
    asked_to_stop: AtomicBool,
    stopping: AtomicBool,
    /// Connections that the reactor must check.
    to_check: Mutex<Vec<ConnectionId>>,
}

impl Context {
    pub fn new(rules: Rules, epoll: Epoll, waiter: Box<dyn Waiter>, wake: EventFd) -> Context {
        Context {
            ids: Mutex::new(RequestIds::new(random())),
            admissions: Admissions::new(rules.max_requests),
            streams: AtomicU64::new(0),
            rules,
            epoll,
            waiter,
            wake,
            relay: Relay::default(),
            late_output: LateOutput::default(),
            sleeping: AtomicBool::new(false),
            asked_to_stop: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            to_check: Mutex::default(),
        }
    }

    /// What makes ids.
    pub fn ids(&self) -> MutexGuard<'_, RequestIds> {
        lock(&self.ids)
    }

    /// A number that no other stream of the worker has: connections, which are the
    /// streams of HTTP/1.1, have smaller ones.
    pub fn next_key(&self) -> u64 {
        1 << 63 | self.streams.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets the reactor check a connection again.
    pub fn request_check(&self, id: ConnectionId) {
        self.to_check().push(id);
        if self.sleeping.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The connections that the reactor must check.
    pub fn to_check(&self) -> MutexGuard<'_, Vec<ConnectionId>> {
        lock(&self.to_check)
    }

    /// Ends the reactor's wait.
    pub fn wake(&self) {
        // It fails only after more writes than a server lives to make.
        let _ = self.wake.write(1);
    }

    /// Says that the reactor is about to wait. False if it must not, since
    /// there are connections to check.
    pub fn fall_asleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        self.to_check().is_empty()
    }

    pub fn wake_up(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Says that the worker was asked to stop. The reactor itself stops later,
    /// see [`stop`](Context::stop).
    pub fn ask_to_stop(&self) {
        self.asked_to_stop.store(true, Ordering::Relaxed);
    }

    /// True if connections may stay open after their responses: the worker goes
    /// on, or the connection `can_move` and other workers take it.
    pub fn keeps_connections(&self, can_move: bool) -> bool {
        !self.asked_to_stop.load(Ordering::Relaxed) || can_move && self.has_successors()
    }

    /// True once the worker takes no new connections, and ends those that it
    /// has.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on the worker takes no new connections, and ends those that it
    /// has.
    pub fn stop(&self) {
        self.ask_to_stop();
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// True if idle connections are handed over to other workers.
    pub fn hands_over(&self) -> bool {
        self.is_stopping() && self.has_successors()
    }

    fn has_successors(&self) -> bool {
        self.rules.heartbeat.hands_over() && self.handover().is_some()
    }

    /// The socket pair for idle connections, if there is one.
    pub fn handover(&self) -> Option<&Handover> {
        self.rules.heartbeat.slot.as_ref()?.handover()
    }

    /// How long an idle connection waits for its next request.
    pub fn idle_timeout(&self) -> Duration {
        match self.is_stopping() {
            true => self.rules.keep_alive_at_end,
            false => self.rules.keep_alive,
        }
    }

    /// Lets epoll report what happens to a new socket.
    pub fn watch(&self, socket: &Socket, id: ConnectionId) -> io::Result<()> {
        let event = EpollEvent::new(INTEREST, id.to_bits());
        Ok(self.epoll.add(socket, event)?)
    }

    /// Lets epoll also report when the socket can be written to. `is_new` is true if
    /// epoll does not watch it yet.
    pub fn watch_writable(
        &self,
        socket: &Socket,
        id: ConnectionId,
        is_new: bool,
    ) -> io::Result<()> {
        let mut event = EpollEvent::new(INTEREST | EpollFlags::EPOLLOUT, id.to_bits());
        match is_new {
            true => Ok(self.epoll.add(socket, event)?),
            false => Ok(self.epoll.modify(socket, &mut event)?),
        }
    }
}

/// A random number, so that the ids of workers differ.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // If it fails, request ids may repeat those of other workers. Nothing else
    // depends on it.
    let _ = SystemRandom::new().fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}
