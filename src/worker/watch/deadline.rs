//! `request_timeout`: how long the app may take for one request.
//!
//! A thread watches the requests in flight. It needs nothing of the app's
//! thread and nothing of the interpreter, so it acts whatever they do. It looks
//! when the oldest request would be over its time: requests that are in time
//! cost nothing.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::log;
use crate::python;
use crate::worker::request::in_flight::{InFlight, Why, report};
use crate::worker::shared::Heartbeat;
use crate::worker::signals::Stop;

/// Between two looks whether a worker that has given up requests may end.
const ENDING: Duration = Duration::from_millis(50);

/// Gives up requests that are older than `limit` from now on. The first one
/// has the worker replaced: its thread may never come back. As soon as the
/// master ends it, it goes without waiting for those that were given up.
pub fn watch(limit: Duration, in_flight: Arc<InFlight>, heartbeat: Heartbeat, stop: Stop) {
    let watch = move || {
        log::go_straight();
        let mut retiring = false;
        loop {
            let due = in_flight.oldest().map(|oldest| oldest + limit);
            let pause = due.map_or(limit, |due| due.saturating_duration_since(Instant::now()));
            // One that begins meanwhile is due after `limit`, not before.
            thread::sleep(if retiring { pause.min(ENDING) } else { pause });
            let overdue = in_flight.give_up(limit, Why::TooLong);
            if !overdue.is_empty() {
                let seconds = limit.as_secs();
                let what = format!("is replaced: request_timeout ({seconds} s) is over for");
                report(&what, &overdue);
                retiring = true;
                heartbeat.retire();
            }
            if retiring && stop.is_asked_for() && in_flight.is_stuck() {
                stop.end_now();
            }
        }
    };
    if let Err(error) = python::thread("deadline").spawn(watch) {
        ::log::error!("The time of requests cannot be watched: {error}");
    }
}
