//! What the connections of a worker have in common, and may use from any
//! thread.

use super::id::Id;
use super::relay::Relay;
use super::rules::Rules;
use super::waiter::Waiter;
use crate::exchange::{Admissions, Client};
use crate::http::{RequestIds, is_request_id};
use crate::worker::shared::Handover;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};
use nix::sys::eventfd::EventFd;
use ring::rand::{SecureRandom, SystemRandom};
use socket2::Socket;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What every connection is watched for.
pub const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// See above.
pub struct Context {
    pub rules: Rules,
    pub epoll: Epoll,
    pub waiter: Box<dyn Waiter>,
    pub admissions: Admissions,
    /// What carries bytes for apps that have taken their connections.
    pub relay: Relay,
    ids: Mutex<RequestIds>,
    wake: EventFd,
    /// True while the reactor waits for events.
    sleeping: AtomicBool,
    asked_to_stop: AtomicBool,
    stopping: AtomicBool,
    /// Connections for the reactor to look at.
    returned: Mutex<Vec<Id>>,
}

impl Context {
    pub fn new(rules: Rules, epoll: Epoll, waiter: Box<dyn Waiter>, wake: EventFd) -> Context {
        Context {
            ids: Mutex::new(RequestIds::new(random())),
            admissions: Admissions::new(rules.max_requests),
            rules,
            epoll,
            waiter,
            wake,
            relay: Relay::default(),
            sleeping: AtomicBool::new(false),
            asked_to_stop: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            returned: Mutex::default(),
        }
    }

    /// What a request is called, if requests have names: what a trusted client
    /// says in the `field` of that name, else a new name.
    pub fn request_id<'a>(
        &self,
        client: &Client,
        field: impl FnOnce(&str) -> Option<&'a [u8]>,
    ) -> Option<Arc<str>> {
        let name = self.rules.exchange.request_id.as_ref()?;
        let told = match client.trusted {
            true => field(name).filter(|id| is_request_id(id)),
            false => None,
        };
        let told = told.and_then(|id| str::from_utf8(id).ok());
        Some(told.map_or_else(|| self.next_id().into(), Arc::from))
    }

    /// A new request id.
    pub fn next_id(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.next_id()
    }

    /// Has the reactor look at a connection again.
    pub fn give_back(&self, id: Id) {
        self.returned().push(id);
        if self.sleeping.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    /// The connections that were given back.
    pub fn returned(&self) -> MutexGuard<'_, Vec<Id>> {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the reactor's wait.
    pub fn wake(&self) {
        // It fails only when billions of calls were not noticed.
        let _ = self.wake.write(1);
    }

    /// Takes note of all calls of `wake` so far.
    pub fn woken(&self) {
        let _ = self.wake.read();
    }

    /// Says that the reactor is about to wait; false if it is not to.
    pub fn fall_asleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        self.returned().is_empty()
    }

    pub fn wake_up(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    /// Says that the worker is to end: the reactor learns of it in its own time.
    pub fn ask_to_stop(&self) {
        self.asked_to_stop.store(true, Ordering::Relaxed);
    }

    /// True if connections may stay open after their answers: the worker goes
    /// on, or other workers take over those that `can_move`.
    pub fn keeps_connections(&self, can_move: bool) -> bool {
        !self.asked_to_stop.load(Ordering::Relaxed) || can_move && self.has_successors()
    }

    /// True after the worker has stopped to take new connections; it ends those
    /// that it has.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// From now on the worker takes no new connections, and ends those it has.
    pub fn stop(&self) {
        self.ask_to_stop();
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// True while connections go to other workers as soon as they are idle.
    pub fn hands_over(&self) -> bool {
        self.is_stopping() && self.has_successors()
    }

    fn has_successors(&self) -> bool {
        self.rules.heartbeat.hands_over() && self.handover().is_some()
    }

    /// How idle connections go from one worker to another.
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

    /// Has epoll tell also when the socket can be written to again.
    pub fn watch_for_room(&self, socket: &Socket, id: Id) -> io::Result<()> {
        let mut event = EpollEvent::new(INTEREST | EpollFlags::EPOLLOUT, id.to_bits());
        Ok(self.epoll.modify(socket, &mut event)?)
    }
}

/// A number that no other worker has.
fn random() -> u128 {
    let mut bytes = [0; 16];
    // Without it ids would repeat those of other workers, and no more.
    let _ = SystemRandom::new().fill(&mut bytes);
    u128::from_ne_bytes(bytes)
}
