//! What the classes of worker that speak WSGI have in common: a request is
//! taken to the app, its answer to the client, both to the log.

use super::Boot;
use super::connection::HIGH_WATER;
use super::exchange::Exchange;
use super::hub::Rules;
use super::in_flight::Held;
use super::output::Room;
use super::policy::Policies;
use super::quota::Quota;
use super::refusal::Refusal;
use super::signals::Signals;
use super::today::today;
use crate::config::ProxyHeaders;
use crate::http::{AddressField, ResponseRules, Status};
use crate::log::{AccessLog, AccessRecord, Whole};
use crate::wsgi::{Application, Finished, Request};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Answers requests with the app.
pub struct Service<'a> {
    boot: &'a Boot<'a>,
    application: &'a Application,
    signals: &'a Signals,
    quota: Quota,
}

impl<'a> Service<'a> {
    pub fn new(
        boot: &'a Boot<'a>,
        application: &'a Application,
        signals: &'a Signals,
    ) -> Service<'a> {
        Service {
            boot,
            application,
            signals,
            quota: Quota::of(boot),
        }
    }

    /// Answers one request, whatever happens in it.
    pub fn respond(&self, exchange: Exchange) {
        let head = &exchange.head;
        let line = [head.method(), b" ", head.target()];
        self.boot.heartbeat.begin_request(&line);
        let in_flight = self.signals.in_flight();
        let held = in_flight.begin(&exchange);
        let called = catch_unwind(AssertUnwindSafe(|| self.call(&exchange, &held)));
        drop(held);
        self.boot.heartbeat.end_request();
        self.quota.count(self.boot.heartbeat);
        let keep_alive = called.unwrap_or_else(|panic| {
            ::log::error!("Error handling request: {}", panic_text(&*panic));
            exchange.refuse(Status::SERVER_ERROR);
            false
        });
        exchange.finish(keep_alive);
    }

    /// Writes a request down that the server has answered itself.
    pub fn note_refusal(&self, refusal: &Refusal) {
        if let Some(log) = self.boot.access_log {
            refusal.log(log);
        }
    }

    fn call(&self, exchange: &Exchange, held: &Held) -> bool {
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
            echo: exchange.echo(),
        };
        let rules = ResponseRules {
            keep_alive: exchange.may_keep_alive(),
            ..ResponseRules::of(&exchange.head)
        };
        let channel = Arc::clone(exchange.connection());
        let log = |finished: &Finished<'_>| {
            if let Some(log) = self.boot.access_log
                && held.log_answer()
            {
                log_access(log, exchange, finished);
            }
        };
        self.application
            .call(&request, rules, today(), channel, log)
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

/// The longest time between two signs of life, and between two looks at the
/// parent.
pub fn pulse(boot: &Boot<'_>) -> Duration {
    match boot.settings.timeout {
        0 => Duration::from_secs(1),
        timeout => Duration::from_millis(u64::from(timeout) * 500).min(Duration::from_secs(1)),
    }
}

/// What the settings let the reactor do.
pub fn rules(boot: &Boot<'_>) -> Rules {
    let settings = boot.settings;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let timeout = seconds(settings.timeout);
    let limit = |patience: Duration| (!patience.is_zero()).then_some(patience);
    // `timeout` bounds them all, as in Gunicorn.
    let within = |patience: u32| match (limit(timeout), limit(seconds(patience))) {
        (Some(timeout), Some(patience)) => Some(timeout.min(patience)),
        (timeout, patience) => timeout.or(patience),
    };
    let policies = Policies::new(settings);
    let in_memory = u64::from(settings.body_buffer_size);
    Rules {
        heartbeat: boot.heartbeat.clone(),
        tls: boot.tls.cloned(),
        trusted: policies.trusted,
        stranger: policies.stranger,
        proxy_peers: settings.proxy_allow_ips.clone(),
        address_field: match settings.proxy_headers {
            ProxyHeaders::Off => None,
            ProxyHeaders::XForwardedFor => Some(AddressField::XForwardedFor),
            ProxyHeaders::Forwarded => Some(AddressField::Forwarded),
        },
        request_id: settings.request_id.clone(),
        echoes_id: settings.request_id_in_response,
        head_patience: within(settings.header_timeout),
        body_patience: limit(timeout).filter(|_| settings.body_min_rate > 0),
        body_rate: settings.body_min_rate,
        send_patience: within(settings.send_timeout),
        most_per_client: settings.max_connections_per_client,
        retry_after: settings.retry_after,
        trusted_peers: settings.forwarded_allow_ips.clone(),
        keep_alive: seconds(settings.keepalive),
        last_keep_alive: seconds(settings.keepalive_grace.min(settings.keepalive))
            .min(seconds(settings.graceful_timeout) / 2),
        upload_dir: settings.tmp_upload_dir.clone(),
        body_in_memory: in_memory,
        body_before_app: match in_memory {
            0 => 0,
            size => size.max(settings.body_spool_size),
        },
        room: Room {
            memory: HIGH_WATER,
            file: settings.response_buffer_size,
            folder: settings.tmp_upload_dir.clone(),
        },
        most_connections: settings.worker_connections.max(1) as usize,
        most_requests: settings.limit_concurrency as usize,
        serves_one: false,
        graceful: seconds(settings.graceful_timeout),
        accepts_at_once: if settings.workers > 1 { 1 } else { 64 },
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic")
}
