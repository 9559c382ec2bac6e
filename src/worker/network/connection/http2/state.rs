//! The state of a connection that carries HTTP/2, and of its streams.

use super::super::event::Event;
use super::super::request::CurrentRequest;
use crate::http::{Error, Priority};
use crate::http2::{Carrier, Reason, Scanner, SentScanner, Session, Upgrade};
use crate::worker::network::output::Output;
use crate::worker::network::rules::Rules;
use http::{HeaderMap, Response};
use nix::sys::eventfd::EventFd;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// The state of a connection that carries HTTP/2. The connection's lock guards it.
pub struct Http2 {
    pub(super) session: Session,
    pub(super) scanner: Scanner,
    /// The streams, by their numbers.
    pub(super) streams: BTreeMap<u32, Box<StreamState>>,
    /// The streams that have something to send.
    pub(super) sending: Vec<u32>,
    /// What the worker class must be told.
    pub(super) events: Vec<Event>,
    /// Since when output waits for the reactor to send it, and how much.
    pub(super) unsent_since: Option<Instant>,
    pub(super) unsent_bytes: usize,
    /// True if bytes have come since the streams were last looked at.
    pub(super) has_input: bool,
    /// True if something has happened that the session must put out.
    pub(super) has_news: bool,
    /// What the deadline of the connection is for; nothing while it is for output.
    pub(super) waits_for: Option<WaitsFor>,
    /// True once the session has ended: nothing is read or sent any more.
    pub(super) ended: bool,
    /// The last streams that have begun.
    pub(super) begun: VecDeque<u32>,
    pub(super) sent: SentScanner,
    /// True once the log says why the connection is ended.
    pub(super) end_logged: bool,
    /// Set while the connection changes from HTTP/1.1.
    pub(super) upgrade: Option<Upgrade>,
}

/// One stream: a request, its response, and what of it waits for the client.
pub struct StreamState {
    /// The stream's number in the worker.
    pub(super) key: u64,
    pub(super) carrier: Carrier,
    pub(super) request: CurrentRequest,
    pub(super) priority: Priority,
    /// True while the app has the request.
    pub(super) with_app: bool,
    /// True once nothing can be read or sent any more.
    pub(super) broken: bool,
    /// True once the client has reset the stream, or is gone.
    pub(super) hung_up: bool,
    /// True once the stream carries another protocol.
    pub(super) upgraded: bool,
    /// Why the body cannot be used, if it turned out to be invalid.
    pub(super) invalid: Option<Error>,
    /// True once the server has answered in place of the app.
    pub(super) given_up: bool,
    /// How many bytes of the body are still to come by its Content-Length.
    pub(super) missing: Option<u64>,
    /// Bytes of the body that were received, and that the client may not send again
    /// yet.
    pub(super) unreleased: usize,
    /// The head that is still to be sent.
    pub(super) head: Option<Response<()>>,
    /// The part of the response that is still to be sent.
    pub(super) output: Output,
    /// How the response ends, once the app has said so.
    pub(super) end: Option<StreamEnd>,
    /// True once the end was sent.
    pub(super) is_ended: bool,
    /// True while the stream is in the list of those that send.
    pub(super) is_sending: bool,
    /// How often the stream has had its turn among those that share it.
    pub(super) turns: u32,
    /// When the client's time to take the response ends.
    pub(super) send_deadline: Option<Instant>,
    /// What wakes a thread that waits for the client.
    pub(super) waker: Option<Arc<EventFd>>,
}

pub enum StreamEnd {
    Plain,
    /// In a box, as few responses have some.
    Trailers(Box<HeaderMap>),
}

impl Http2 {
    pub(super) fn new(rules: &Rules) -> Http2 {
        Http2 {
            session: Session::new(&rules.http2.session),
            scanner: Scanner::new(rules.http2.floods, Instant::now()),
            streams: BTreeMap::new(),
            sending: Vec::new(),
            events: Vec::new(),
            unsent_since: None,
            unsent_bytes: 0,
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

    /// Tells the client that the connection ends after the streams that it has, or after
    /// the first one if there was none. A connection that is idle ends now: the client is
    /// told which request was the last, and may send later ones again.
    pub fn go_away(&mut self) {
        match self.streams.is_empty() && !self.is_unused() {
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
    pub(super) fn new(key: u64, carrier: Carrier, request: CurrentRequest) -> StreamState {
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

    pub(super) fn deadline(&self) -> Option<Instant> {
        let times = [self.request.body_deadline, self.send_deadline];
        times.into_iter().flatten().min()
    }

    /// True while a part of the response waits to be sent.
    pub(super) fn has_output(&self) -> bool {
        let has_more = self.head.is_some() || !self.output.is_empty();
        !self.broken && (has_more || self.end.is_some() && !self.is_ended)
    }

    /// True once neither the app nor the client needs the stream.
    pub(super) fn is_over(&self) -> bool {
        let is_received = self.request.head.is_none();
        !self.with_app && is_received && !self.has_output() && !self.awaits_end()
    }

    /// True if nothing but the end of the body is missing. A client may send it in a
    /// frame of its own, and not expect that the stream is closed before.
    pub(super) fn awaits_end(&self) -> bool {
        let body = self.request.body.as_ref();
        let is_open = body.is_some_and(|body| !body.has_ended());
        is_open && self.missing == Some(0) && !self.broken
    }

    /// Wakes the thread that waits for the client, if there is one.
    pub(super) fn wake(&self) {
        if let Some(waker) = &self.waker {
            // It fails only when billions of writes were not read.
            let _ = waker.write(1);
        }
    }
}

/// What a connection waits for whose output was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Its streams have deadlines of their own.
    App,
    /// The client's window for all streams together.
    Window,
    /// The first request, or the rest of a head.
    Head,
    Request,
    /// The client was told that the connection ends.
    End,
}
