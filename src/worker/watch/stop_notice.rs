//! What clients hear when a worker was asked to stop: from then on that their
//! connections end, and at last that there is no more time.
//!
//! Right before `graceful_timeout` is over and the worker is killed, those who
//! would lose their connection without a word are told to come again: 503. It
//! is said by a thread of its own, as the app may have all others. The log is
//! told what the worker was still at.

use crate::log;
use crate::worker::network::Registry;
use crate::worker::request::in_flight::{Why, report};
use crate::worker::signals::Signals;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long before the end it is said: the master's clock is ahead a little,
/// the machine may be busy, and the app may give the interpreter away late.
const MARGIN: Duration = Duration::from_secs(1);

/// Has the clients told, `graceful` after the worker was asked to stop.
pub fn prepare(registry: &Arc<Registry>, signals: &Signals, graceful: Duration) {
    let registry = Arc::downgrade(registry);
    let in_flight = Arc::clone(signals.in_flight());
    // Of a short time, not all.
    let patience = graceful.saturating_sub(MARGIN.min(graceful / 4));
    signals.when_asked_to_stop(move || {
        if let Some(registry) = registry.upgrade() {
            registry.context.ask_to_stop();
        }
        ::log::debug!("Worker (pid: {}) was asked to stop", process::id());
        let (registry, in_flight) = (registry.clone(), Arc::clone(&in_flight));
        let speak = move || {
            log::go_straight();
            thread::sleep(patience);
            let requests = in_flight.give_up(Duration::ZERO, Why::Stopping);
            let registry = registry.upgrade();
            let told = requests.len() + registry.as_ref().map_or(0, |it| it.answer_unavailable());
            if told > 0 {
                ::log::warn!("graceful_timeout is over: {told} clients are told to come again");
            }
            // Without a registry the worker has served, and something holds up the
            // end of its process. Else it ends by itself if the app lets it.
            if !requests.is_empty() || registry.is_none() {
                report(
                    "has not ended, and graceful_timeout is over; it has",
                    &requests,
                );
            }
        };
        let spawned = thread::Builder::new()
            .name("stop-notice".to_owned())
            .spawn(speak);
        if let Err(error) = spawned {
            ::log::error!("Clients cannot be told of the worker's end: {error}");
        }
    });
}
