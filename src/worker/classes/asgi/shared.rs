//! What the requests of an ASGI worker share.

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

/// What the requests of a worker share.
pub struct Shared {
    pub access_log: Option<&'static AccessLog>,
    pub heartbeat: Heartbeat,
    pub in_flight: Arc<InFlight>,
    /// The calls that wait for something of their connection.
    pub calls: Mutex<HashMap<u64, Arc<Call>>>,
    /// The responses that hooks are to be shown.
    pub hook_calls: Mutex<Vec<HookCall>>,
    /// True while the worker deals with what the network has brought.
    pub busy: AtomicBool,
}

/// A response that hooks are to be shown, when no lock is held.
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

    /// Writes the log's lines, unless that is done soon anyway.
    pub fn flush_unless_busy(&self, log: &AccessLog) {
        if !self.busy.load(Ordering::Relaxed) {
            log.flush();
        }
    }
}
