//! The part that all WSGI worker classes share: it calls the app for a request,
//! sends the response, and writes the access log.

use super::quota::Quota;
use crate::exchange::{Exchange, Finished};
use crate::http::Status;
use crate::python::ServedRequest;
use crate::worker::boot::Boot;
use crate::worker::request::in_flight::{ServedBy, Tracked};
use crate::worker::request::refusal::Refusal;
use crate::worker::signals::Signals;
use crate::wsgi::Application;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// The status in the access log of a request that was taken back. No client sees it;
/// nginx writes it, too.
const TAKEN_BACK: u16 = 499;

/// Answers requests with the app.
pub struct WsgiService {
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
    served_by: ServedBy,
    quota: Quota,
}

impl WsgiService {
    pub fn new(
        boot: &'static Boot,
        application: Arc<Application>,
        signals: &'static Signals,
        served_by: ServedBy,
    ) -> WsgiService {
        WsgiService {
            boot,
            application,
            signals,
            served_by,
            quota: Quota::of(boot),
        }
    }

    /// Answers one request; `called` is now. A panic is answered with a 500.
    pub fn respond(&self, exchange: Exchange, called: Instant) {
        if exchange.was_taken_back() {
            return self.skip(exchange);
        }
        let head = &exchange.head;
        let line = [head.method(), b" ", head.target()];
        self.boot.heartbeat.begin_request(&line);
        let in_flight = self.signals.in_flight();
        let tracked = in_flight.begin(&exchange, self.served_by, called);
        let answered = catch_unwind(AssertUnwindSafe(|| self.call(&exchange, &tracked)));
        let keep_alive = answered.unwrap_or_else(|panic| {
            ::log::error!("Error handling request: {}", panic_text(&*panic));
            exchange.refuse(Status::SERVER_ERROR);
            false
        });
        drop(tracked);
        self.boot.heartbeat.end_request();
        self.quota.count(&self.boot.heartbeat);
        exchange.finish(keep_alive);
    }

    /// Leaves out a request that its client has taken back before its turn.
    fn skip(&self, exchange: Exchange) {
        exchange.stream().count_response(TAKEN_BACK);
        if let Some(log) = &self.boot.access_log {
            let finished = Finished::own(TAKEN_BACK, 0);
            exchange.access_entry(&finished).write(log);
        }
        exchange.finish(false);
    }

    /// The request of the stream with this key, while the app has it.
    pub fn of_stream(&self, key: u64) -> Option<ServedRequest> {
        self.signals.in_flight().of_stream(key)
    }

    /// Logs a request that the server has answered itself.
    pub fn log_refusal(&self, refusal: &Refusal) {
        if let Some(log) = &self.boot.access_log {
            refusal.log(log);
        }
    }

    fn call(&self, exchange: &Exchange, tracked: &Tracked) -> bool {
        let finished = |finished: &Finished<'_>| {
            tracked.answered(exchange, finished);
            if let Some(log) = &self.boot.access_log
                && tracked.log_answer()
            {
                exchange.access_entry(finished).write(log);
            }
        };
        self.application.call(exchange, finished)
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}
