//! The reactor's half: from what the client sends to a request for the app.

use super::phase::{Event, Phase};
use super::request::CurrentRequest;
use super::{Connection, State, has_sent};
use crate::exchange::{Exchange, Stream, spare_head};
use crate::http::{
    self, Framing, Head, ProxyHeader, ProxyStart, Status, client_address, proxy_start,
};
use crate::worker::network::rules::deadline_after;
use crate::worker::request::body::Body;
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of output in memory below which an app that was held back may go on.
pub const LOW_WATER: usize = 64 * 1024;

/// What has become of a connection that was looked at.
pub enum Progress {
    /// It waits for its client.
    Waiting,
    /// It has a request.
    Request(Exchange),
    /// It is at its end.
    Closed,
}

/// What the app is to be told of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heard {
    pub readable: bool,
    pub writable: bool,
    pub hung_up: bool,
}

/// What follows from one step of [`Connection::advance`].
pub enum Step {
    Again,
    Wait,
    Request(Exchange),
    Close,
}

impl Connection {
    /// Goes as far as it can with what the client has sent and takes. The
    /// reactor calls it; `buffer` is room for a [`BLOCK`](super::BLOCK).
    pub fn advance(self: &Arc<Self>, state: &mut State, buffer: &mut [u8]) -> Progress {
        loop {
            let step = match state.phase {
                Phase::Proxy => self.read_proxy_header(state, buffer),
                Phase::Head => self.read_head(state, buffer),
                Phase::Body => self.read_body(state, buffer),
                Phase::Flush => self.flush(state),
                Phase::Linger => self.linger(state, buffer),
                Phase::App | Phase::Upgraded | Phase::Detached => Step::Wait,
                Phase::Closed => Step::Close,
            };
            match step {
                Step::Again => {}
                Step::Wait => return Progress::Waiting,
                Step::Request(exchange) => return Progress::Request(exchange),
                Step::Close => {
                    state.phase.enter(Event::End, Phase::Closed);
                    if state.was_detached {
                        // The app may have copies of the socket.
                        let _ = self.socket.shutdown(Shutdown::Both);
                    }
                    return Progress::Closed;
                }
            }
        }
    }

    /// Takes note of what epoll says, and sends what waits to be sent.
    pub fn hear(&self, state: &mut State, readable: bool, writable: bool, hung_up: bool) -> Heard {
        let State { io, request, .. } = state;
        io.readable |= readable || hung_up;
        io.hung_up |= hung_up;
        let in_use = matches!(state.phase, Phase::App | Phase::Upgraded);
        let mut heard = Heard {
            readable: in_use && readable,
            writable: false,
            hung_up: in_use && hung_up,
        };
        if in_use && writable && !io.broken && !io.output.is_empty() {
            match io.flush(&self.socket) {
                Ok(sent) => has_sent(io, request, self.rules(), sent),
                Err(_) => io.broken = true,
            }
            if io.output.is_empty() {
                io.deadline = None;
            }
            if request.held_back && (io.broken || io.output.in_memory() <= LOW_WATER) {
                request.held_back = false;
                heard.writable = true;
            }
        }
        heard
    }

    /// Goes on with a connection that another worker has handed over: one that
    /// is used waits for its next request.
    pub fn take_over(&self, state: &mut State) {
        state.requests = 1;
        self.expect_request(state, Event::TakenOver);
    }

    /// Reads what comes before the client's own first byte.
    fn read_proxy_header(&self, state: &mut State, buffer: &mut [u8]) -> Step {
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
        state.phase.enter(Event::ProxyHeaderRead, Phase::Head);
        self.begin_tls(state);
        // What was read with the header is not told of again.
        state.io.readable = true;
        state.unparsed = !state.io.received.is_empty();
        Step::Again
    }

    fn read_head(self: &Arc<Self>, state: &mut State, buffer: &mut [u8]) -> Step {
        let State { io, parser, .. } = state;
        let policy = match self.client.trusted {
            true => &self.rules().trusted,
            false => &self.rules().untrusted,
        };
        let mut head = spare_head();
        let parsed = if state.unparsed {
            // It came with the request before.
            state.unparsed = false;
            parser.advance(&io.received, policy, &mut head)
        } else {
            let fresh = match io.receive(&self.socket, buffer) {
                Ok(Some(0)) | Err(_) => return Step::Close,
                Ok(Some(length)) => &buffer[..length],
                Ok(None) => return Step::Wait,
            };
            if io.received.is_empty() {
                let parsed = parser.advance(fresh, policy, &mut head);
                let used = parsed.as_ref().map_or(0, |length| length.unwrap_or(0));
                io.received.extend_from_slice(&fresh[used..]);
                parsed.map(|length| length.map(|_| 0))
            } else {
                io.received.extend_from_slice(fresh);
                parser.advance(&io.received, policy, &mut head)
            }
        };
        match parsed {
            Ok(Some(length)) => {
                io.received.drain(..length);
                self.begin_request(state, head)
            }
            Ok(None) => {
                if !state.is_fresh() && !std::mem::replace(&mut state.begun, true) {
                    state.io.deadline = deadline_after(self.rules().head_timeout);
                }
                Step::Again
            }
            Err(error) => self.refuse_request(state, error.status(), &error),
        }
    }

    /// Begins the request that has this head.
    fn begin_request(self: &Arc<Self>, state: &mut State, head: Head) -> Step {
        let rules = self.rules();
        state.begun = false;
        state.requests = state.requests.saturating_add(1);
        state.request = CurrentRequest::new(rules.body_timeout);
        if state.requests == 1
            && let Some(certificate) = state.io.transport.client_certificate()
        {
            let _ = self.certificate.set(certificate);
        }
        if head.framing() == Framing::Length(0) {
            return self.give_to_app(state, head);
        }
        let body = Body::new(head.framing(), rules.limits(), head.expects_continue());
        state.request.body = Some(Box::new(body));
        state.request.head = Some(Box::new(head));
        state.io.deadline = deadline_after(rules.body_timeout);
        state.phase.enter(Event::HeadRead, Phase::Body);
        Step::Again
    }

    fn read_body(self: &Arc<Self>, state: &mut State, buffer: &mut [u8]) -> Step {
        if let Err(error) = state.request.feed(&mut state.io.received) {
            return self.refuse_request(state, error.status(), &error);
        }
        let rules = self.rules();
        let request = &mut state.request;
        let body = request.body.as_mut().expect("there is one in this phase");
        if body.buffered() > rules.body_in_memory && !body.is_spooled() {
            body.spool(rules.upload_dir.as_deref());
        }
        // Where there is no room for it, the app is called sooner.
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

    fn give_to_app(self: &Arc<Self>, state: &mut State, head: Head) -> Step {
        let Some(admission) = self.context.admissions.admit() else {
            let refusal = self.refusal_of(head);
            let why = "There are too many requests";
            ::log::debug!(
                "{why} for one from ip={}{}",
                self.client.address,
                refusal.note()
            );
            return self.answer_itself(state, refusal, Status::SERVICE_UNAVAILABLE, why);
        };
        state.phase.enter(Event::CallApp, Phase::App);
        state.io.deadline = None;
        let id = self.request_id(&head);
        let told = self.told_address(&head);
        state.request.id.clone_from(&id);
        let stream: Arc<dyn Stream> = self.clone();
        Step::Request(Exchange::new(stream, head, id, told, admission))
    }

    /// What the request is called that has this head, if requests have names.
    pub fn request_id(&self, head: &Head) -> Option<Arc<str>> {
        let client = &self.client;
        self.context.request_id(client, |name| head.field(name))
    }

    /// What a trusted field says of the client, else what a PROXY header says.
    pub fn told_address(&self, head: &Head) -> Option<(String, Option<u16>)> {
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
