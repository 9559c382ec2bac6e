//! A thread that sends output of HTTP/2 in time. Usually the reactor sends it, that of
//! several streams together. But the app may keep the reactor's thread for long, and an
//! answer that is complete must not wait for that. The thread starts when it is first
//! needed, and does not use the interpreter.

use crate::system::lock;
use crate::worker::network::id::ConnectionId;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

/// How long output waits for the reactor.
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
    /// Notified when the thread has something to do again.
    work: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<ConnectionId>,
    has_thread: bool,
    /// True while the thread has nothing to do.
    is_idle: bool,
}

impl LateOutput {
    /// Sets the function that sends. Only the first call counts.
    pub fn set_sender(&self, sender: impl Fn(ConnectionId) -> Option<()> + Send + Sync + 'static) {
        let _ = self.sender.set(Arc::new(sender));
    }

    /// Sends the output of this connection soon, unless the reactor does.
    pub fn expect(&self, id: ConnectionId) {
        let mut state = lock(&self.shared.state);
        state.waiting.push(id);
        if !state.has_thread
            && let Some(sender) = self.sender.get().cloned()
        {
            let shared = Arc::clone(&self.shared);
            let builder = thread::Builder::new().name("late output".to_owned());
            // Without a thread, the reactor sends when it can.
            state.has_thread = builder.spawn(move || shared.run(&*sender)).is_ok();
        } else if std::mem::take(&mut state.is_idle) {
            self.shared.work.notify_one();
        }
    }
}

impl Shared {
    fn run(&self, sender: &Sender) {
        loop {
            let mut state = lock(&self.state);
            while state.waiting.is_empty() {
                state.is_idle = true;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            drop(state);
            thread::sleep(LONGEST_UNSENT);
            let waiting = std::mem::take(&mut lock(&self.state).waiting);
            for id in waiting {
                if sender(id).is_none() {
                    return;
                }
            }
        }
    }
}
