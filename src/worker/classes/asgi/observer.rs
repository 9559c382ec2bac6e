//! Tells the access log, the hooks and the worker how a request ended.

use super::shared::{HookCall, Shared};
use crate::asgi;
use crate::exchange::{Exchange, Finished, WatchedRequest};
use crate::worker::request::in_flight::{ServedBy, Tracked};
use std::sync::Arc;
use std::time::Instant;

pub struct Observer {
    shared: Arc<Shared>,
    /// Nothing after an upgrade to another protocol.
    tracked: Option<Tracked>,
    /// The request as `pre_request` was called with it, if there are hooks.
    watched: Option<WatchedRequest<'static>>,
}

impl Observer {
    /// Observes a request for which the app is called now. `called` is the present time.
    pub fn new(
        exchange: &Exchange,
        shared: Arc<Shared>,
        watched: Option<WatchedRequest<'static>>,
        called: Instant,
    ) -> Box<Observer> {
        let tracked = Some(shared.in_flight.begin(exchange, ServedBy::Other, called));
        Box::new(Observer {
            shared,
            tracked,
            watched,
        })
    }
}

impl asgi::Observer for Observer {
    fn upgraded(&mut self) {
        self.tracked = None;
    }

    fn finished(&mut self, exchange: &Exchange, finished: &Finished<'_>) {
        self.shared.forget(exchange.stream().key());
        self.shared.heartbeat.end_request();
        if let Some(watched) = self.watched.take() {
            self.shared.hook_calls().push(HookCall {
                watched,
                head: finished.head.cloned(),
                body_bytes: finished.body_bytes,
                keep_alive: finished.keep_alive,
            });
        }
        if let Some(tracked) = &self.tracked {
            tracked.answered(exchange, finished);
        }
        if let Some(log) = self.shared.access_log
            && self.tracked.as_ref().is_none_or(Tracked::log_answer)
        {
            exchange.access_entry(finished).write(log);
            self.shared.flush_unless_busy(log);
        }
    }
}
