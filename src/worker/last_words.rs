//! What clients hear when a worker was asked to stop: from then on that their
//! connections end, and at last that there is no more time.
//!
//! Right before `graceful_timeout` is over and the worker is killed, those who
//! would lose their connection without a word are told to come again: 503. It
//! is said by a thread of its own, as the app may have all others.

use super::hub::Hub;
use super::in_flight::Why;
use super::signals::Signals;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How long before the end it is said: the master's clock is ahead a little,
/// and the machine may be busy.
const MARGIN: Duration = Duration::from_millis(500);

/// Has the clients of `hub` told, `graceful` after the worker was asked to stop.
pub fn prepare(hub: &Arc<Hub>, signals: &Signals, graceful: Duration) {
    let hub = Arc::downgrade(hub);
    let in_flight = Arc::clone(signals.in_flight());
    // Of a short time, not all.
    let patience = graceful.saturating_sub(MARGIN.min(graceful / 4));
    signals.when_asked_to_stop(move || {
        if let Some(hub) = hub.upgrade() {
            hub.ask_to_stop();
        }
        ::log::debug!("Worker (pid: {}) was asked to stop", process::id());
        let (hub, in_flight) = (hub.clone(), Arc::clone(&in_flight));
        let speak = move || {
            thread::sleep(patience);
            let Some(hub) = hub.upgrade() else { return };
            let told = in_flight.give_up(Duration::ZERO, Why::Stopping).len() + hub.dismiss();
            if told > 0 {
                ::log::warn!("graceful_timeout is over: {told} clients are told to come again");
            }
        };
        let spawned = thread::Builder::new()
            .name("last-words".to_owned())
            .spawn(speak);
        if let Err(error) = spawned {
            ::log::error!("Clients cannot be told of the worker's end: {error}");
        }
    });
}
