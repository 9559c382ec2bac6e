//! The state that all requests of an ASGI worker share.

use crate::asgi::Call;
use crate::exchange::WatchedRequest;
use crate::http::ResponseHead;
use crate::log::AccessLog;
use crate::system::lock;
use crate::worker::request::in_flight::InFlight;
use crate::worker::shared::Heartbeat;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The state that all requests of a worker share.
pub struct Shared {
    pub access_log: Option<&'static AccessLog>,
    pub heartbeat: Heartbeat,
    pub in_flight: Arc<InFlight>,
    /// The calls that have not ended, by the key of their stream.
    pub calls: Mutex<HashMap<u64, Arc<Call>>>,
    /// The calls of `post_request` that are still to be made.
    pub hook_calls: Mutex<Vec<HookCall>>,
    /// True while the worker handles the events of the network.
    pub busy: AtomicBool,
}

/// A response for `post_request`. The hook is called when no lock is held.
pub struct HookCall {
    pub watched: WatchedRequest<'static>,
    pub head: Option<ResponseHead>,
    pub body_bytes: u64,
    pub keep_alive: bool,
}

impl Shared {
    pub fn calls(&self) -> MutexGuard<'_, HashMap<u64, Arc<Call>>> {
        lock(&self.calls)
    }

    pub fn hook_calls(&self) -> MutexGuard<'_, Vec<HookCall>> {
        lock(&self.hook_calls)
    }

    pub fn forget(&self, key: u64) {
        self.calls().remove(&key);
    }

    /// Writes the buffered lines of the log, unless the worker does so soon.
    pub fn flush_unless_busy(&self, log: &AccessLog) {
        if !self.busy.load(Ordering::Relaxed) {
            log.flush();
        }
    }
}
