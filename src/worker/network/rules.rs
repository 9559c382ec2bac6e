//! The settings for clients: what a worker accepts from them, and how long it
//! waits for them.

use super::output::BufferLimits;
use crate::config::{Settings, TrustedPeers};
use crate::exchange::ExchangeRules;
use crate::http::{AddressField, Limits, Policy, SecureSchemeFields};
use crate::http2::{FloodLimits, SessionOptions};
use crate::net::Tls;
use crate::scoreboard::Board;
use crate::worker::shared::Heartbeat;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of output that a connection keeps in memory before the app has to
/// wait.
pub const HIGH_WATER: usize = 256 * 1024;

/// What is accepted of HTTP/2.
#[derive(Debug)]
pub struct Http2Rules {
    pub session: SessionOptions,
    pub floods: FloodLimits,
    /// Without TLS, trusted peers may begin with HTTP/2 (`http2_cleartext`).
    pub prior_knowledge: bool,
    /// Without TLS, trusted peers may ask for HTTP/2 in a request of HTTP/1.1
    /// (`http2_cleartext`).
    pub upgrade: bool,
    /// True if clients of TLS may speak HTTP/1.1 (`http_protocols`).
    pub http1: bool,
}

#[derive(Debug)]
pub struct Rules {
    /// The memory that the worker shares with the master.
    pub heartbeat: Heartbeat,
    /// Certificates, if the listeners use TLS.
    pub tls: Option<Arc<Tls>>,
    pub exchange: ExchangeRules,
    /// What is accepted from clients that are not trusted.
    pub untrusted: Policy,
    /// What is accepted from trusted proxies (`forwarded_allow_ips`).
    pub trusted: Policy,
    pub trusted_peers: TrustedPeers,
    /// Peers that may send a PROXY header (`proxy_allow_ips`).
    pub proxy_peers: TrustedPeers,
    /// The field in which trusted peers send the client's address
    /// (`proxy_headers`).
    pub address_field: Option<AddressField>,
    /// How long a head may take, from its first byte, or for the first one from
    /// the start of the connection (`header_timeout`).
    pub head_timeout: Option<Duration>,
    /// How long a body may take in total that is slower than `body_min_rate`.
    pub body_timeout: Option<Duration>,
    /// At this rate in bytes per second a body uses none of the client's time.
    pub body_min_rate: u32,
    /// How long a client may read nothing of its response (`send_timeout`).
    pub send_timeout: Option<Duration>,
    /// The most connections of one address; 0 for no limit
    /// (`max_connections_per_client`).
    pub max_per_client: u32,
    /// How long a connection waits for its next request; zero for one request
    /// per connection (Gunicorn's `keepalive`).
    pub keep_alive: Duration,
    /// The same when the worker stops (`keepalive_grace`).
    pub keep_alive_at_end: Duration,
    /// Bytes of a body that are kept in memory (`body_buffer_size`).
    pub body_in_memory: u64,
    /// The folder for the files of longer bodies (Gunicorn's `tmp_upload_dir`).
    pub upload_dir: Option<PathBuf>,
    /// Bytes of a body that are received before the app is called
    /// (`body_spool_size`). The app receives the rest itself.
    pub body_before_app: u64,
    /// How much of a response is kept for a client that reads slower than the
    /// app writes.
    pub buffer: BufferLimits,
    /// Connections at a time (Gunicorn's `worker_connections`).
    pub max_connections: usize,
    /// Requests at a time; 0 for no limit (`limit_concurrency`).
    pub max_requests: usize,
    pub http2: Http2Rules,
    /// The path of probes, which are answered without the app (`health_path`).
    pub health_path: Option<String>,
    /// True if the app handles one request at a time, and other requests wait.
    pub one_at_a_time: bool,
    /// How many connections are accepted from one listener at a time.
    pub accepts_at_once: usize,
}

impl Rules {
    pub fn new(settings: &Settings, heartbeat: &Heartbeat, tls: Option<&Arc<Tls>>) -> Rules {
        let Settings {
            workers,
            security,
            mechanics,
            ..
        } = settings;
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let timeout = seconds(workers.timeout);
        let limit = |time: Duration| (!time.is_zero()).then_some(time);
        // No time limit is longer than `timeout`, as in Gunicorn.
        let within = |time: u32| match (limit(timeout), limit(seconds(time))) {
            (Some(timeout), Some(time)) => Some(timeout.min(time)),
            (timeout, time) => timeout.or(time),
        };
        let untrusted = policy(settings);
        let trusted = Policy {
            underscore_fields: mechanics.forwarder_headers.list().to_vec(),
            secure_scheme_fields: SecureSchemeFields(mechanics.secure_scheme_headers.clone()),
            ..untrusted.clone()
        };
        let body_in_memory = u64::from(security.body_buffer_size);
        Rules {
            heartbeat: heartbeat.clone(),
            exchange: ExchangeRules {
                server: mechanics.server_header.clone(),
                request_id: mechanics.request_id.clone(),
                id_in_response: mechanics.request_id_in_response,
                trace: settings.tracing.trace_context,
                trace_in_response: settings.tracing.trace_in_response,
                stamps_start: settings.tracing.request_start_header,
                retry_after: mechanics.retry_after,
                encrypted: tls.is_some(),
                asks_for_certificates: tls.is_some_and(|tls| tls.asks_clients()),
            },
            tls: tls.cloned(),
            untrusted,
            trusted,
            trusted_peers: mechanics.forwarded_allow_ips.clone(),
            proxy_peers: mechanics.proxy_allow_ips.clone(),
            address_field: mechanics.proxy_headers,
            head_timeout: within(security.header_timeout),
            body_timeout: limit(timeout).filter(|_| security.body_min_rate > 0),
            body_min_rate: security.body_min_rate,
            send_timeout: within(security.send_timeout),
            max_per_client: security.max_connections_per_client,
            keep_alive: seconds(workers.keepalive),
            keep_alive_at_end: seconds(workers.keepalive_grace.min(workers.keepalive))
                .min(seconds(workers.graceful_timeout) / 2),
            upload_dir: mechanics.tmp_upload_dir.clone(),
            body_in_memory,
            body_before_app: match body_in_memory {
                0 => 0,
                size => size.max(security.body_spool_size),
            },
            buffer: BufferLimits {
                memory: HIGH_WATER,
                file: security.response_buffer_size,
                folder: mechanics.tmp_upload_dir.clone(),
            },
            max_connections: workers.worker_connections.max(1) as usize,
            max_requests: workers.limit_concurrency as usize,
            http2: Http2Rules::new(settings),
            health_path: settings.status.health_path.clone(),
            one_at_a_time: false,
            accepts_at_once: if workers.workers > 1 { 1 } else { 64 },
        }
    }

    /// Where the worker counts.
    pub fn board(&self) -> &Board {
        self.heartbeat.board()
    }

    pub fn limits(&self) -> &Limits {
        &self.untrusted.limits
    }

    /// The remaining time of a client that had `left` and then sent `received`
    /// bytes of a body.
    pub fn add_time(&self, left: Duration, received: usize) -> Duration {
        let received = u32::try_from(received).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1).saturating_mul(received) / self.body_min_rate.max(1);
        let more = left.saturating_add(earned);
        more.min(self.body_timeout.unwrap_or(Duration::MAX))
    }
}

/// The end of `timeout` from now on; nothing if there is none.
pub fn deadline_after(timeout: Option<Duration>) -> Option<Instant> {
    timeout.and_then(|timeout| Instant::now().checked_add(timeout))
}

impl Http2Rules {
    fn new(settings: &Settings) -> Http2Rules {
        let settings = &settings.http2;
        Http2Rules {
            session: SessionOptions {
                max_streams: settings.http2_max_concurrent_streams,
                window: settings.http2_initial_window_size,
                frame_size: settings.http2_max_frame_size,
                field_bytes: settings.http2_max_header_list_size,
                websockets: false,
                max_resets: settings.http2_max_resets,
            },
            floods: FloodLimits {
                resets: settings.http2_max_resets,
                control_frames: settings.http2_max_control_frames,
                field_bytes: settings.http2_max_header_list_size,
            },
            prior_knowledge: settings.http2_cleartext.allows_prior_knowledge(),
            upgrade: settings.http2_cleartext.allows_upgrade(),
            http1: settings.http_protocols.has_http1(),
        }
    }
}

/// What is accepted from clients that are not trusted.
fn policy(settings: &Settings) -> Policy {
    let (security, mechanics) = (&settings.security, &settings.mechanics);
    Policy {
        limits: Limits::new(
            security.limit_request_line,
            security.limit_request_fields,
            security.limit_request_field_size,
            security.limit_request_body,
        ),
        proxy: mechanics.proxy_protocol,
        underscores: mechanics.header_map,
        underscore_fields: Vec::new(),
        secure_scheme_fields: SecureSchemeFields::default(),
        obsolete_folding: mechanics.permit_obsolete_folding,
        strip_name_spaces: mechanics.strip_header_spaces,
        unconventional_methods: mechanics.permit_unconventional_http_method,
        unconventional_versions: mechanics.permit_unconventional_http_version,
        casefold_methods: mechanics.casefold_http_method,
    }
}
