//! `request_timeout`: how long the app may take for one request.
//!
//! A thread watches the requests in flight. It needs neither the app's thread
//! nor the interpreter, so it can act even when the app hangs. It checks when
//! the oldest request would be over its limit, so requests within the limit
//! cost nothing.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::log;
use crate::python;
use crate::worker::request::in_flight::{GiveUpReason, InFlight};
use crate::worker::shared::Heartbeat;
use crate::worker::signals::StopHandle;

/// The pause between two checks whether a worker that has given up requests may
/// end.
const END_CHECK_PAUSE: Duration = Duration::from_millis(50);

/// Starts the thread that gives up requests older than `limit`. After the first
/// one the worker is replaced, as its thread may never return. As soon as the
/// master asks the worker to stop, it ends without waiting for the requests
/// that were given up.
pub fn watch(limit: Duration, in_flight: Arc<InFlight>, heartbeat: Heartbeat, stop: StopHandle) {
    let watch = move || {
        log::go_straight();
        let mut retiring = false;
        loop {
            let due = in_flight.oldest().map(|oldest| oldest + limit);
            let pause = due.map_or(limit, |due| due.saturating_duration_since(Instant::now()));
            // A request that begins during the pause is due after `limit`, not
            // before.
            thread::sleep(if retiring {
                pause.min(END_CHECK_PAUSE)
            } else {
                pause
            });
            let overdue = in_flight.give_up(limit, GiveUpReason::TooLong);
            if !overdue.is_empty() {
                let seconds = limit.as_secs();
                let what = format!("is replaced: request_timeout ({seconds} s) is over for");
                in_flight.log_given_up(&what, &overdue);
                retiring = true;
                heartbeat.retire();
            }
            if retiring && stop.is_requested() && in_flight.is_stuck() {
                stop.end_now();
            }
        }
    };
    if let Err(error) = python::thread("deadline").spawn(watch) {
        ::log::error!("The time of requests cannot be watched: {error}");
    }
}
