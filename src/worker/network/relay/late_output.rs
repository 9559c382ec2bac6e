//! A thread that sends output in time which waits for more. That of HTTP/2 waits for the
//! reactor, which sends that of several streams together; a block of HTTP/1.1 waits for
//! the app's next one. But the app may take long, and may keep the reactor's thread
//! meanwhile. The thread starts when it is first needed, and does not use the
//! interpreter.

use crate::system::lock;
use crate::worker::network::id::ConnectionId;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// How long output waits.
pub const LONGEST_UNSENT: Duration = Duration::from_millis(1);

/// Sends the output of a connection if it still waits. Gives nothing once the worker
/// has no network any more; then the thread ends.
type Sender = dyn Fn(ConnectionId) -> Option<()> + Send + Sync;

/// The thread, and the connections that it looks after.
#[derive(Default)]
pub struct LateOutput {
    sender: OnceLock<Arc<Sender>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// What the thread waits for. Nothing until it runs.
    timer: OnceLock<TimerFd>,
}

#[derive(Default)]
struct State {
    waiting: Vec<ConnectionId>,
    /// True while the timer runs.
    is_set: bool,
}

impl LateOutput {
    /// Sets the function that sends. Only the first call counts.
    pub fn set_sender(&self, sender: impl Fn(ConnectionId) -> Option<()> + Send + Sync + 'static) {
        let _ = self.sender.set(Arc::new(sender));
    }

    /// Sends the output of this connection soon, unless that is done before. False if
    /// that cannot be.
    pub fn expect(&self, id: ConnectionId) -> bool {
        let mut state = lock(&self.shared.state);
        if !state.is_set {
            // The thread sleeps until then, so it is woken once for all that wait.
            state.is_set = self.set_timer().is_ok();
        }
        if state.is_set {
            state.waiting.push(id);
        }
        state.is_set
    }

    fn set_timer(&self) -> io::Result<()> {
        let timer = match self.shared.timer.get() {
            Some(timer) => timer,
            None => self.start()?,
        };
        let end = Expiration::OneShot(TimeSpec::from_duration(LONGEST_UNSENT));
        Ok(timer.set(end, TimerSetTimeFlags::empty())?)
    }

    /// Starts the thread. The caller has the lock.
    fn start(&self) -> io::Result<&TimerFd> {
        let sender = self.sender.get().ok_or(io::ErrorKind::NotConnected)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        let (shared, sender) = (Arc::clone(&self.shared), Arc::clone(sender));
        let builder = thread::Builder::new().name("late output".to_owned());
        builder.spawn(move || shared.run(&*sender))?;
        Ok(self.shared.timer.get_or_init(|| timer))
    }
}

impl Shared {
    fn run(&self, sender: &Sender) {
        let timer = self.timer.wait();
        loop {
            // Only a signal ends the wait early.
            let _ = timer.wait();
            let waiting = {
                let mut state = lock(&self.state);
                state.is_set = false;
                std::mem::take(&mut state.waiting)
            };
            for id in waiting {
                if sender(id).is_none() {
                    return;
                }
            }
        }
    }
}
