//! The part that all WSGI worker classes share: it calls the app for a request,
//! sends the response, and writes the access log.

use super::quota::Quota;
use crate::exchange::{Exchange, today};
use crate::http::{ResponseRules, Status};
use crate::log::{AccessLog, AccessRecord, Whole};
use crate::worker::boot::Boot;
use crate::worker::request::in_flight::Tracked;
use crate::worker::request::refusal::Refusal;
use crate::worker::signals::Signals;
use crate::wsgi::{Application, Finished, Request};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Answers requests with the app.
pub struct WsgiService {
    boot: &'static Boot,
    application: Arc<Application>,
    signals: &'static Signals,
    quota: Quota,
}

impl WsgiService {
    pub fn new(
        boot: &'static Boot,
        application: Arc<Application>,
        signals: &'static Signals,
    ) -> WsgiService {
        WsgiService {
            boot,
            application,
            signals,
            quota: Quota::of(boot),
        }
    }

    /// Answers one request. A panic is answered with a 500.
    pub fn respond(&self, exchange: Exchange) {
        let head = &exchange.head;
        let line = [head.method(), b" ", head.target()];
        self.boot.heartbeat.begin_request(&line);
        let in_flight = self.signals.in_flight();
        let tracked = in_flight.begin(&exchange);
        let called = catch_unwind(AssertUnwindSafe(|| self.call(&exchange, &tracked)));
        drop(tracked);
        self.boot.heartbeat.end_request();
        self.quota.count(&self.boot.heartbeat);
        let keep_alive = called.unwrap_or_else(|panic| {
            ::log::error!("Error handling request: {}", panic_text(&*panic));
            exchange.refuse(Status::SERVER_ERROR);
            false
        });
        exchange.finish(keep_alive);
    }

    /// Logs a request that the server has answered itself.
    pub fn log_refusal(&self, refusal: &Refusal) {
        if let Some(log) = &self.boot.access_log {
            refusal.log(log);
        }
    }

    fn call(&self, exchange: &Exchange, tracked: &Tracked) -> bool {
        let client = exchange.client();
        let (remote_addr, remote_port) = exchange.remote();
        let extra = exchange.extra();
        let request = Request {
            head: &exchange.head,
            scheme: exchange.scheme(),
            server: exchange.server(),
            remote_addr,
            remote_port,
            trusted: client.trusted,
            extra: &extra,
            id: exchange.id.as_deref(),
            echo: exchange.id_field(),
        };
        let rules = ResponseRules {
            keep_alive: exchange.may_keep_alive(),
            ..ResponseRules::of(&exchange.head)
        };
        let stream = Arc::clone(exchange.stream());
        let log = |finished: &Finished<'_>| {
            if let Some(log) = &self.boot.access_log
                && tracked.log_answer()
            {
                log_access(log, exchange, finished);
            }
        };
        self.application.call(&request, rules, today(), stream, log)
    }
}

fn log_access(log: &AccessLog, exchange: &Exchange, finished: &Finished<'_>) {
    let head = &exchange.head;
    log.line(&AccessRecord {
        remote_addr: exchange.remote().0,
        method: head.method(),
        target: head.target(),
        path: head.path(),
        query: head.query(),
        protocol: head.version().as_str(),
        status: finished.status,
        body_bytes: finished.body_bytes,
        elapsed: exchange.started.elapsed(),
        request_id: exchange.id.as_deref().unwrap_or_default().as_bytes(),
        request_field: &|name| head.field(name).map(Into::into),
        response_field: &|name| (finished.response_field)(name),
        environ: &|name| (finished.environ)(name),
        whole: &|| Whole {
            request_fields: Whole::fields(head.fields()),
            ..(finished.whole)()
        },
    });
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}
