//! What the commands get: the worker, and their arguments.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::replies::Replies;
use crate::control::Request;
use crate::system::lock;
use crate::worker::request::in_flight::InFlight;
use crate::worker::shared::Heartbeat;

/// What is looked into.
#[derive(Clone)]
pub struct Subject {
    pub in_flight: Arc<InFlight>,
    pub heartbeat: Heartbeat,
    /// The time between two samples of the stacks; nothing for no samples.
    pub sampling: Option<Duration>,
}

/// Whether the worker ends, or the master is gone.
#[derive(Clone, Default)]
pub struct End(Arc<EndState>);

#[derive(Default)]
struct EndState {
    has_come: AtomicBool,
    /// Locked while a command begins.
    gate: Mutex<()>,
}

impl End {
    /// Calls this function, unless the end has come. [`come`](End::come) waits
    /// meanwhile.
    pub fn unless<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let _gate = lock(&self.0.gate);
        (!self.has_come()).then(act)
    }

    pub fn has_come(&self) -> bool {
        self.0.has_come.load(Ordering::Relaxed)
    }

    /// When this returns, nothing begins any more.
    pub fn come(&self) {
        self.0.has_come.store(true, Ordering::Relaxed);
        drop(lock(&self.0.gate));
    }
}

/// The worker, as its commands see it.
#[derive(Clone)]
pub struct Worker {
    pub subject: Subject,
    pub replies: Replies,
    pub end: End,
    /// True while a profile is taken.
    pub profiling: Arc<AtomicBool>,
    /// True while the growth of the memory is measured.
    pub tracing: Arc<AtomicBool>,
}

/// The argument at this place as a number in these bounds.
///
/// # Errors
/// A sentence that says what is expected.
pub fn number(
    request: &Request,
    place: usize,
    name: &str,
    default: Option<f64>,
    most: f64,
) -> Result<f64, String> {
    let given = match request.arg(place) {
        Some(text) => text.parse().ok(),
        None => default,
    };
    given
        .filter(|number: &f64| *number > 0.0 && *number <= most)
        .ok_or_else(|| {
            let command = &request.command;
            format!("'{command}' needs a number of {name} above 0, at most {most}")
        })
}

/// Sets a flag, for as long as the result lives; nothing if it is set already.
pub fn claim(flag: &Arc<AtomicBool>) -> Option<Claim> {
    (!flag.swap(true, Ordering::Acquire)).then(|| Claim(Arc::clone(flag)))
}

/// A flag that is set until this value is dropped.
pub struct Claim(Arc<AtomicBool>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
