//! A connection that carries HTTP/2: many requests at a time, each in a stream.
//!
//! The session makes and reads the frames ([`crate::http2`]). [`driving`] moves
//! bytes between it and the socket, [`requests`] makes requests of streams,
//! [`stream`] is the app's end of one, [`sending`] chooses whose data goes out
//! next, and [`ending`] ends streams and connections.

mod driving;
mod ending;
mod requests;
mod sending;
mod stream;
mod watching;

use super::Event;
use super::receiving::Step;
use super::request::CurrentRequest;
use super::{Connection, ConnectionState, Phase, PhaseEvent};
use crate::http::{Error, Head, Priority, SWITCHING_TO_HTTP2, Status};
use crate::http2::{self, Carrier, PREFACE, Reason, Scanner, SentScanner, Session, Upgrade};
use crate::worker::network::output::Output;
use crate::worker::network::rules::{Rules, deadline_after};
use ::http::{HeaderMap, Response};
use driving::WaitsFor;
use nix::sys::eventfd::EventFd;
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

/// The state of a connection that carries HTTP/2. The connection's lock guards it.
pub struct Http2 {
    session: Session,
    scanner: Scanner,
    /// The streams, by their numbers.
    streams: BTreeMap<u32, Box<StreamState>>,
    /// The streams that have something to send.
    sending: Vec<u32>,
    /// What the worker class must be told.
    events: Vec<Event>,
    /// Since when output waits for the reactor to send it.
    unsent_since: Option<Instant>,
    /// True if bytes have come since the streams were last looked at.
    has_input: bool,
    /// True if something has happened that the session must put out.
    has_news: bool,
    /// What the deadline of the connection is for; nothing while it is for output.
    waits_for: Option<WaitsFor>,
    /// True once the session has ended: nothing is read or sent any more.
    ended: bool,
    /// The last streams that have begun.
    begun: VecDeque<u32>,
    sent: SentScanner,
    /// True once the log says why the connection is ended.
    end_logged: bool,
    /// Set while the connection changes from HTTP/1.1.
    upgrade: Option<Upgrade>,
}

/// One stream: a request, its response, and what of it waits for the client.
pub struct StreamState {
    /// The stream's number in the worker.
    key: u64,
    carrier: Carrier,
    request: CurrentRequest,
    priority: Priority,
    /// True while the app has the request.
    with_app: bool,
    /// True once nothing can be read or sent any more.
    broken: bool,
    /// True once the client has reset the stream, or is gone.
    hung_up: bool,
    /// True once the stream carries another protocol.
    upgraded: bool,
    /// Why the body cannot be used, if it turned out to be invalid.
    invalid: Option<Error>,
    /// True once the server has answered in place of the app.
    given_up: bool,
    /// How many bytes of the body are still to come by its Content-Length.
    missing: Option<u64>,
    /// Bytes of the body that were received, and that the client may not send again
    /// yet.
    unreleased: usize,
    /// The head that is still to be sent.
    head: Option<Response<()>>,
    /// The part of the response that is still to be sent.
    output: Output,
    /// How the response ends, once the app has said so.
    end: Option<StreamEnd>,
    /// True once the end was sent.
    is_ended: bool,
    /// True while the stream is in the list of those that send.
    is_sending: bool,
    /// How often the stream has had its turn among those that share it.
    turns: u32,
    /// When the client's time to take the response ends.
    send_deadline: Option<Instant>,
    /// What wakes a thread that waits for the client.
    waker: Option<Arc<EventFd>>,
}

pub enum StreamEnd {
    Plain,
    Trailers(HeaderMap),
}

impl Http2 {
    fn new(rules: &Rules) -> Http2 {
        Http2 {
            session: Session::new(&rules.http2.session),
            scanner: Scanner::new(rules.http2.floods, Instant::now()),
            streams: BTreeMap::new(),
            sending: Vec::new(),
            events: Vec::new(),
            unsent_since: None,
            has_input: false,
            has_news: false,
            waits_for: None,
            ended: false,
            begun: VecDeque::new(),
            sent: SentScanner::default(),
            end_logged: false,
            upgrade: None,
        }
    }

    /// What has happened since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// True if no stream was ever begun.
    pub fn is_unused(&self) -> bool {
        self.begun.is_empty()
    }

    /// Tells the client that the connection ends after the streams that it has. Without
    /// streams it ends now: the client is told which request was the last, and may send
    /// later ones again.
    pub fn go_away(&mut self) {
        match self.streams.is_empty() {
            true => self.session.abort(Reason::NO_ERROR),
            false => self.session.go_away(),
        }
        self.waits_for = None;
    }

    /// When the next stream's time is over.
    pub fn deadline(&self) -> Option<Instant> {
        let streams = self.streams.values();
        streams.filter_map(|stream| stream.deadline()).min()
    }
}

impl StreamState {
    fn new(key: u64, carrier: Carrier, request: CurrentRequest) -> StreamState {
        StreamState {
            key,
            carrier,
            request,
            priority: Priority::default(),
            with_app: false,
            broken: false,
            hung_up: false,
            upgraded: false,
            invalid: None,
            given_up: false,
            missing: None,
            unreleased: 0,
            head: None,
            output: Output::default(),
            end: None,
            is_ended: false,
            is_sending: false,
            turns: 0,
            send_deadline: None,
            waker: None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let times = [self.request.body_deadline, self.send_deadline];
        times.into_iter().flatten().min()
    }

    /// True while a part of the response waits to be sent.
    fn has_output(&self) -> bool {
        let has_more = self.head.is_some() || !self.output.is_empty();
        !self.broken && (has_more || self.end.is_some() && !self.is_ended)
    }

    /// True once neither the app nor the client needs the stream.
    fn is_over(&self) -> bool {
        let is_received = self.request.head.is_none();
        !self.with_app && is_received && !self.has_output() && !self.awaits_end()
    }

    /// True if nothing but the end of the body is missing. A client may send it in a
    /// frame of its own, and not expect that the stream is closed before.
    fn awaits_end(&self) -> bool {
        let body = self.request.body.as_ref();
        let is_open = body.is_some_and(|body| !body.has_ended());
        is_open && self.missing == Some(0) && !self.broken
    }

    /// Wakes the thread that waits for the client, if there is one.
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            // It fails only when billions of writes were not read.
            let _ = waker.write(1);
        }
    }
}

impl Connection {
    /// Begins HTTP/2 if the client speaks it: if the TLS handshake has chosen it, or
    /// if a trusted client without TLS begins with its preface. `bytes` are the first
    /// of the connection, after those that it keeps.
    pub fn begin_http2_if_spoken(
        self: &Arc<Self>,
        state: &mut ConnectionState,
        bytes: &[u8],
    ) -> Option<Step> {
        let rules = &self.rules().http2;
        let spoken = match self.rules().tls {
            Some(_) => state.io.transport.speaks_http2(),
            None if rules.prior_knowledge && self.client.trusted => {
                let received = [&state.io.received, bytes].concat();
                if PREFACE.starts_with(&received) && received.len() < PREFACE.len() {
                    state.io.received = received;
                    return Some(Step::Again);
                }
                received.starts_with(PREFACE)
            }
            None => false,
        };
        if spoken {
            let received = std::mem::take(&mut state.io.received);
            self.begin_http2(state);
            self.received(state, &[&received, bytes].concat());
            return Some(Step::Again);
        }
        if self.rules().tls.is_some() && !rules.http1 {
            state.io.received.extend_from_slice(bytes);
            let why = "Only HTTP/2 is spoken here (http_protocols)";
            return Some(self.refuse_request(state, Status::VERSION_NOT_SUPPORTED, &why));
        }
        None
    }

    /// Begins HTTP/2 if the client asks for it in this request (RFC 7540 section 3.2).
    /// The request becomes the first stream.
    pub fn upgrade_to_http2(
        self: &Arc<Self>,
        state: &mut ConnectionState,
        head: &Head,
    ) -> Option<Step> {
        let rules = self.rules();
        if !rules.http2.upgrade || !self.client.trusted || rules.tls.is_some() {
            return None;
        }
        let upgrade = match Upgrade::new(http2::asked(head)?, head) {
            Ok(upgrade) => upgrade,
            Err(error) => return Some(self.refuse_request(state, Status::BAD_REQUEST, &error)),
        };
        if self
            .send(state, &mut [IoSlice::new(SWITCHING_TO_HTTP2)])
            .is_err()
        {
            return Some(Step::Close);
        }
        let received = std::mem::take(&mut state.io.received);
        self.begin_http2(state);
        if let Some(http2) = &mut state.http2 {
            http2.upgrade = Some(upgrade);
        }
        self.received(state, &received);
        Some(Step::Again)
    }

    /// The client speaks HTTP/2: from now on the connection carries streams.
    fn begin_http2(&self, state: &mut ConnectionState) {
        state.http2 = Some(Box::new(Http2::new(self.rules())));
        state.phase.enter(PhaseEvent::BeginHttp2, Phase::Http2);
        state.io.deadline = deadline_after(self.rules().head_timeout);
    }
}
