//! What the commands get: the worker, and their arguments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::replies::Replies;
use crate::control::Request;
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

/// The worker, as its commands see it.
#[derive(Clone)]
pub struct Worker {
    pub subject: Subject,
    pub replies: Replies,
    /// True once the worker ends, or the master is gone.
    pub ended: Arc<AtomicBool>,
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
