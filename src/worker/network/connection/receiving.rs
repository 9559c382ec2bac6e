//! The reactor's functions for receiving: from the client's bytes to a request
//! for the app.

use super::phase::{Phase, PhaseEvent};
use super::request::CurrentRequest;
use super::{Connection, ConnectionState, note_sent};
use crate::exchange::{Exchange, Stream, spare_head};
use crate::http::{
    self, Framing, Head, ProxyHeader, ProxyStart, Status, client_address, proxy_start,
};
use crate::scoreboard::Counter;
use crate::worker::network::rules::deadline_after;
use crate::worker::request::body::Body;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

/// An app that has to wait may write again when at most this many bytes of
/// output are in memory.
pub const LOW_WATER: usize = 64 * 1024;

/// The result of advancing a connection.
#[allow(
    clippy::large_enum_variant,
    reason = "a box would cost each request an allocation"
)]
pub enum Progress {
    /// The connection waits for its client, or for the app.
    Waiting,
    /// The connection has a request for the app.
    Request(Exchange),
    /// The connection has ended.
    Closed,
}

/// The events that the app must be told of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    pub readable: bool,
    pub writable: bool,
    pub hung_up: bool,
}

/// The result of one step of [`Connection::advance`].
#[allow(clippy::large_enum_variant, reason = "as of `Progress`")]
pub enum Step {
    Again,
    Wait,
    Request(Exchange),
    Close,
}

impl Connection {
    /// Does everything that is possible at present: reads, sends, and changes
    /// the phase. The reactor calls it. `buffer` has [`BLOCK`](super::BLOCK)
    /// bytes.
    pub fn advance(self: &Arc<Self>, state: &mut ConnectionState, buffer: &mut [u8]) -> Progress {
        loop {
            let step = match state.phase {
                Phase::Proxy => self.read_proxy_header(state, buffer),
                Phase::Head => self.read_head(state, buffer),
                Phase::Body => self.read_body(state, buffer),
                Phase::Flush => self.flush(state),
                Phase::Linger => self.linger(state, buffer),
                Phase::App | Phase::Upgraded | Phase::Detached => Step::Wait,
                Phase::Http2 => self.advance_http2(state, buffer),
                Phase::Closed => Step::Close,
            };
            match step {
                Step::Again => {}
                Step::Wait => match self.watch(state) {
                    Ok(()) => return Progress::Waiting,
                    Err(_) => return self.close(state),
                },
                Step::Request(exchange) => return Progress::Request(exchange),
                Step::Close => return self.close(state),
            }
        }
    }

    fn close(&self, state: &mut ConnectionState) -> Progress {
        state.phase.enter(PhaseEvent::End, Phase::Closed);
        if state.was_detached {
            // The app may have copies of the socket, so closing it is not enough.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        Progress::Closed
    }

    /// Handles an event from epoll, and sends waiting output.
    pub fn update_readiness(
        &self,
        state: &mut ConnectionState,
        readable: bool,
        writable: bool,
        hung_up: bool,
    ) -> Readiness {
        let ConnectionState { io, request, .. } = state;
        io.readable |= readable || hung_up;
        io.hung_up |= hung_up;
        let with_app = matches!(state.phase, Phase::App | Phase::Upgraded);
        let mut changed = Readiness {
            readable: with_app && readable,
            writable: false,
            hung_up: with_app && hung_up,
        };
        if with_app && writable && !io.broken && !io.output.is_empty() {
            match io.flush(&self.socket) {
                Ok(sent) => note_sent(io, request, self.rules(), sent),
                Err(_) => io.broken = true,
            }
            if io.output.is_empty() {
                io.deadline = None;
            }
            if request.held_back && (io.broken || io.output.in_memory() <= LOW_WATER) {
                request.held_back = false;
                changed.writable = true;
            }
        }
        changed
    }

    /// Takes over a connection that has carried requests in another worker: it
    /// waits for its next request.
    pub fn take_over(&self, state: &mut ConnectionState) {
        state.requests = 1;
        self.expect_request(state, PhaseEvent::TakenOver);
    }

    /// Reads the PROXY header.
    fn read_proxy_header(&self, state: &mut ConnectionState, buffer: &mut [u8]) -> Step {
        let io = &mut state.io;
        match io.receive(&self.socket, buffer) {
            Ok(Some(0)) | Err(_) => return Step::Close,
            Ok(Some(length)) => io.received.extend_from_slice(&buffer[..length]),
            Ok(None) => return Step::Wait,
        }
        let mode = self.rules().untrusted.proxy;
        match proxy_start(&io.received, mode, self.client.may_proxy) {
            Ok(ProxyStart::NeedMore) => return Step::Again,
            Ok(ProxyStart::Absent) => {}
            Ok(ProxyStart::Header(header, length)) => {
                io.received.drain(..length);
                let _ = self.proxy.set(header);
            }
            Err(error) => return self.refuse_request(state, error.status(), &error),
        }
        state.phase.enter(PhaseEvent::ProxyHeaderRead, Phase::Head);
        self.begin_tls(state);
        // Epoll does not report the bytes again that were read with the header.
        state.io.readable = true;
        state.unparsed = !state.io.received.is_empty();
        Step::Again
    }

    fn read_head(self: &Arc<Self>, state: &mut ConnectionState, buffer: &mut [u8]) -> Step {
        let policy = self.policy();
        let mut head = spare_head();
        let parsed = if state.unparsed {
            // These bytes arrived with the request before, or with the PROXY header.
            state.unparsed = false;
            if state.requests == 0
                && let Some(step) = self.begin_http2_if_spoken(state, b"")
            {
                return step;
            }
            let ConnectionState { io, parser, .. } = state;
            parser.advance(&io.received, policy, &mut head)
        } else {
            let new_bytes = match state.io.receive(&self.socket, buffer) {
                Ok(Some(0)) | Err(_) => return Step::Close,
                Ok(Some(length)) => &buffer[..length],
                Ok(None) => return Step::Wait,
            };
            if state.requests == 0
                && let Some(step) = self.begin_http2_if_spoken(state, new_bytes)
            {
                return step;
            }
            let ConnectionState { io, parser, .. } = state;
            if io.received.is_empty() {
                let parsed = parser.advance(new_bytes, policy, &mut head);
                let used = parsed.as_ref().map_or(0, |length| length.unwrap_or(0));
                io.received.extend_from_slice(&new_bytes[used..]);
                parsed.map(|length| length.map(|_| 0))
            } else {
                io.received.extend_from_slice(new_bytes);
                parser.advance(&io.received, policy, &mut head)
            }
        };
        match parsed {
            Ok(Some(length)) => {
                state.io.received.drain(..length);
                self.begin_request(state, head)
            }
            Ok(None) => {
                if !state.is_unused() && !std::mem::replace(&mut state.head_begun, true) {
                    state.io.deadline = deadline_after(self.rules().head_timeout);
                }
                Step::Again
            }
            Err(error) => self.refuse_request(state, error.status(), &error),
        }
    }

    /// Begins the request with this head.
    fn begin_request(self: &Arc<Self>, state: &mut ConnectionState, mut head: Head) -> Step {
        let rules = self.rules();
        state.head_begun = false;
        if let Some(step) = self.upgrade_to_http2(state, &head) {
            return step;
        }
        self.count_received(state);
        state.request = CurrentRequest {
            is_last: !head.keep_alive(),
            ..CurrentRequest::new(head.method(), rules.body_timeout)
        };
        if let Some(path) = &rules.health_path
            && http::is_probe(&head, path)
        {
            return self.answer_probe(state, &head);
        }
        state.request.names = self.context.name(&self.client, &mut head);
        if head.framing() == Framing::Length(0) {
            return self.give_to_app(state, head);
        }
        let body = Body::new(head.framing(), rules.limits(), head.expects_continue());
        state.request.body = Some(Box::new(body));
        state.request.head = Some(Box::new(head));
        state.io.deadline = deadline_after(rules.body_timeout);
        state.phase.enter(PhaseEvent::HeadRead, Phase::Body);
        Step::Again
    }

    /// Counts a request that was received; the handshake of TLS with the first one.
    pub fn count_received(&self, state: &mut ConnectionState) {
        state.requests = state.requests.saturating_add(1);
        if state.requests == 1 && state.io.transport.handshake().is_some() {
            self.rules().board().count(Counter::TlsHandshakes, 1);
            if let Some(certificate) = state.io.transport.client_certificate() {
                let _ = self.certificate.set(certificate);
            }
        }
    }

    fn read_body(self: &Arc<Self>, state: &mut ConnectionState, buffer: &mut [u8]) -> Step {
        if let Err(error) = state.request.feed(&mut state.io.received) {
            return self.refuse_request(state, error.status(), &error);
        }
        let rules = self.rules();
        let request = &mut state.request;
        let body = request
            .body
            .as_mut()
            .expect("the body is set in this phase");
        if body.buffered() > rules.body_in_memory && !body.is_spooled() {
            body.spool(rules.upload_dir.as_deref());
        }
        // Without a file, the app is called earlier.
        let enough =
            body.has_ended() || body.buffered() >= rules.body_before_app || body.file_failed();
        if enough && let Some(head) = request.head.take() {
            return self.give_to_app(state, *head);
        }
        if self.ask_for_body(state).is_err() {
            return Step::Close;
        }
        let io = &mut state.io;
        match io.receive(&self.socket, buffer) {
            Ok(Some(0)) => {
                let error = http::Error::UnexpectedEnd;
                self.refuse_request(state, error.status(), &error)
            }
            Ok(Some(length)) => {
                io.received.extend_from_slice(&buffer[..length]);
                if let Some(end) = io.deadline {
                    let left = end.saturating_duration_since(Instant::now());
                    io.deadline = deadline_after(Some(rules.add_time(left, length)));
                }
                let request = &mut state.request;
                request.time_left = rules.add_time(request.time_left, length);
                Step::Again
            }
            Ok(None) => Step::Wait,
            Err(_) => Step::Close,
        }
    }

    fn give_to_app(self: &Arc<Self>, state: &mut ConnectionState, head: Head) -> Step {
        let Some(admission) = self.context.admissions.admit() else {
            let refusal = self.refusal_for(state, head);
            let why = "There are too many requests";
            ::log::debug!(
                "{why} for one from ip={}{}",
                self.client.address,
                refusal.note()
            );
            return self.send_refusal(state, refusal, Status::SERVICE_UNAVAILABLE, why);
        };
        // An app in the reactor's thread takes the whole thread until it answers.
        let is_unwatched = self.rules().one_at_a_time && state.request.is_last;
        if !is_unwatched && self.watch(state).is_err() {
            return Step::Close;
        }
        state.phase.enter(PhaseEvent::CallApp, Phase::App);
        state.io.deadline = None;
        let names = state.request.names.clone();
        let address = self.forwarded_address(&head);
        let stream: Arc<dyn Stream> = self.clone();
        Step::Request(Exchange::new(stream, head, names, address, admission))
    }

    /// The client's address and port from a trusted field, else from the PROXY
    /// header.
    pub fn forwarded_address(&self, head: &Head) -> Option<(String, Option<u16>)> {
        let rules = self.rules();
        if let Some(field) = rules.address_field
            && self.client.trusted
            && let Some((address, port)) =
                client_address(head, field, |ip| rules.trusted_peers.trusts(ip))
        {
            return Some((address.to_string(), port));
        }
        match self.proxy.get()? {
            ProxyHeader::Addresses { source, .. } => {
                Some((source.ip().to_string(), Some(source.port())))
            }
            ProxyHeader::Local => None,
        }
    }
}
