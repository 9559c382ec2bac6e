//! What clients are told when a worker was asked to stop: first that their
//! connections will close, and before `graceful_timeout` ends that their
//! requests get no answer.
//!
//! The master kills the worker when `graceful_timeout` is over. Shortly before,
//! clients that would lose their connection without any answer get a 503. A
//! thread of its own sends it, as the app may occupy all others. The error log
//! gets the requests that were still running.

use crate::log;
use crate::worker::network::Registry;
use crate::worker::request::in_flight::GiveUpReason;
use crate::worker::signals::Signals;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long before the end of `graceful_timeout` clients are told: the master's
/// clock is a little ahead, the machine may be busy, and the app may release
/// the GIL late.
const MARGIN: Duration = Duration::from_secs(1);

/// Makes sure that clients are told when the worker was asked to stop, and
/// shortly before `graceful` is over.
pub fn prepare(registry: &Arc<Registry>, signals: &Signals, graceful: Duration) {
    let registry = Arc::downgrade(registry);
    let in_flight = Arc::clone(signals.in_flight());
    // Of a short `graceful`, the margin is only a part.
    let time_before_notice = graceful.saturating_sub(MARGIN.min(graceful / 4));
    signals.set_on_stop(move || {
        if let Some(registry) = registry.upgrade() {
            registry.context.ask_to_stop();
        }
        ::log::debug!("Worker (pid: {}) was asked to stop", process::id());
        let (registry, in_flight) = (registry.clone(), Arc::clone(&in_flight));
        let notify = move || {
            log::go_straight();
            thread::sleep(time_before_notice);
            let requests = in_flight.give_up(Duration::ZERO, GiveUpReason::Stopping);
            let registry = registry.upgrade();
            let clients =
                requests.len() + registry.as_ref().map_or(0, |it| it.answer_unavailable());
            if clients > 0 {
                ::log::warn!("graceful_timeout is over: {clients} clients are told to come again");
            }
            // Without a registry the worker has stopped serving, but something
            // delays the end of its process. In all other cases the worker ends
            // by itself if the app allows it.
            if !requests.is_empty() || registry.is_none() {
                in_flight.log_given_up(
                    "has not ended, and graceful_timeout is over; it has",
                    &requests,
                );
            }
        };
        let spawned = thread::Builder::new()
            .name("stop-notice".to_owned())
            .spawn(notify);
        if let Err(error) = spawned {
            ::log::error!("Clients cannot be told of the worker's end: {error}");
        }
    });
}
