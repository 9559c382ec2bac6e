//! From a stream to a request for the app.

use super::state::{Http2, StreamEnd, StreamState};
use super::stream::Http2Stream;
use super::{Connection, ConnectionState, Event};
use crate::exchange::{Exchange, Stream, spare_head};
use crate::http::{self, Error, Framing, Head, Priority, Status};
use crate::http2::{Reason, Received, Request, frame_head, page_head};
use crate::worker::network::connection::request::CurrentRequest;
use crate::worker::network::rules::{Rules, deadline_after};
use crate::worker::request::body::Body;
use crate::worker::request::refusal::Refusal;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

impl Connection {
    /// Begins the request of a new stream.
    pub fn begin_stream(self: &Arc<Self>, state: &mut ConnectionState, request: Request) {
        self.count_received(state);
        let rules = self.rules();
        let mut head = spare_head();
        let read = request.read_head(&mut head, self.policy());
        let Request {
            head: parts,
            carrier,
            ends,
        } = request;
        let id = carrier.id();
        let method = parts.method.as_str();
        let current = CurrentRequest::new(method.as_bytes(), rules.body_timeout);
        let mut stream = StreamState::new(self.context.next_key(), carrier, current);
        if let Some(value) = parts.headers.get("priority") {
            stream.priority = Priority::parse(value.as_bytes());
        }
        let Some(http2) = &mut state.http2 else {
            return;
        };
        http2.note_begun(id);
        http2.streams.insert(id, Box::new(stream));
        if let Err(error) = read {
            let line = format!("{method} {} HTTP/2.0", parts.uri);
            let names = self.context.name_unread();
            let refusal = Refusal::of_part(self.client.address.clone(), names, line.as_bytes());
            return self.refuse_stream(state, id, refusal, error.status(), &error);
        }
        if let Some(path) = &rules.health_path
            && http::is_probe(&head, path)
        {
            return self.answer_stream_probe(state, id, &head);
        }
        let names = self.context.name(&self.client, &mut head);
        let Some(stream) = state.stream(id) else {
            return;
        };
        stream.request.names = names;
        if !ends {
            stream.expect_body(&head, rules);
        }
        // What follows the head of a tunnel is another protocol.
        let is_tunnel = head.protocol().is_some();
        if ends || is_tunnel || rules.body_before_app == 0 {
            return self.give_stream_to_app(state, id, head);
        }
        stream.request.head = Some(Box::new(head));
        stream.request.body_deadline = deadline_after(rules.body_timeout);
        self.ask_for_stream_body(state, id);
    }

    /// Reads what has come of the bodies, and looks for streams that were reset.
    pub fn read_bodies(self: &Arc<Self>, state: &mut ConnectionState) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        // What the session has not read yet is left for the next call.
        let is_held_back = http2.session.is_held_back();
        if !std::mem::replace(&mut http2.has_input, is_held_back) && !http2.ended {
            return;
        }
        let rules = self.rules();
        let mut outcomes = Vec::new();
        // What has come may have opened a window.
        http2.has_news |= !http2.sending.is_empty();
        let Http2 {
            streams,
            events,
            has_news,
            ..
        } = &mut **http2;
        let mut received = 0;
        for (id, stream) in &mut *streams {
            let outcome = stream.receive_body().and_then(|(length, failure)| {
                received += length;
                stream.note_body(length, failure, rules, events)
            });
            let is_released = stream.request.head.is_some() && stream.release();
            *has_news |= outcome.is_some() || is_released;
            outcomes.extend(outcome.map(|outcome| (*id, outcome)));
            stream.note_reset(events);
        }
        share_time(streams, received, rules);
        for (id, outcome) in outcomes {
            let Some(stream) = state.stream(id) else {
                continue;
            };
            let Some(head) = stream.request.head.take() else {
                continue;
            };
            stream.request.body_deadline = None;
            match outcome {
                Ok(()) => self.give_stream_to_app(state, id, *head),
                Err(error) => {
                    let refusal = self.stream_refusal(state, id, *head);
                    self.refuse_stream(state, id, refusal, error.status(), &error);
                }
            }
        }
        if let Some(http2) = &mut state.http2 {
            http2.streams.retain(|_, stream| !stream.is_over());
        }
    }

    /// Asks the client for the body, if it waits for that. True if so.
    pub fn ask_for_stream_body(&self, state: &mut ConnectionState, id: u32) -> bool {
        let Some(stream) = state.stream(id) else {
            return false;
        };
        let answered = stream.request.answered;
        let body = stream.request.body.as_mut();
        let is_waiting = body.is_some_and(|body| {
            let waits = std::mem::replace(&mut body.expects_continue, false);
            waits && body.buffered() == 0 && !answered
        });
        if is_waiting {
            // It fails if the stream was reset, which the next read shows.
            let _ = stream.carrier.interim(100, std::iter::empty());
            if let Some(http2) = &mut state.http2 {
                http2.has_news = true;
            }
        }
        is_waiting
    }

    fn give_stream_to_app(self: &Arc<Self>, state: &mut ConnectionState, id: u32, head: Head) {
        let Some(admission) = self.context.admissions.admit() else {
            let why = "There are too many requests";
            let refusal = self.stream_refusal(state, id, head);
            ::log::debug!(
                "{why} for one from ip={}{}",
                self.client.address,
                refusal.note()
            );
            return self.send_stream_refusal(state, id, refusal, Status::SERVICE_UNAVAILABLE, why);
        };
        let address = self.forwarded_address(&head);
        let Some(stream) = state.stream(id) else {
            return;
        };
        stream.with_app = true;
        let names = stream.request.names.clone();
        let of_app: Arc<dyn Stream> = Arc::new(Http2Stream {
            connection: Arc::clone(self),
            id,
            key: stream.key,
        });
        let exchange = Exchange::new(of_app, head, names, address, admission);
        if let Some(http2) = &mut state.http2 {
            http2.events.push(Event::Request(exchange));
        }
    }

    /// Answers a probe (`health_path`) without the app.
    fn answer_stream_probe(&self, state: &mut ConnectionState, id: u32, head: &Head) {
        let (answer, body) = http::probe_answer(self.rules().heartbeat.is_draining());
        let server = &self.rules().exchange.server;
        let is_head = head.method() == b"HEAD";
        let body = if is_head { b"" } else { body };
        let date = crate::exchange::today();
        if let Some(stream) = state.stream(id) {
            stream.head = Some(frame_head(&answer, server, date.as_str()));
            stream.output.keep(body.to_vec(), &self.rules().buffer);
            stream.end = Some(StreamEnd::Plain);
        }
        if let Some(http2) = &mut state.http2 {
            http2.begin_sending(id);
        }
    }

    /// The refusal of a stream's request with this head.
    pub fn stream_refusal(&self, state: &mut ConnectionState, id: u32, head: Head) -> Refusal {
        let address = match self.forwarded_address(&head) {
            Some((address, _)) => address,
            None => self.client.address.clone(),
        };
        let names = state.stream(id).map(|it| it.request.names.clone());
        Refusal::of_head(address, names.unwrap_or_default(), Box::new(head))
    }

    /// Refuses a request that cannot be given to the app.
    pub fn refuse_stream(
        &self,
        state: &mut ConnectionState,
        id: u32,
        refusal: Refusal,
        status: Status,
        error: &dyn Display,
    ) {
        ::log::warn!(
            "Invalid request from ip={}{}: {error}",
            self.client.address,
            refusal.note()
        );
        self.send_stream_refusal(state, id, refusal, status, &error.to_string());
    }

    /// Answers a stream with a response of the server's own.
    fn send_stream_refusal(
        &self,
        state: &mut ConnectionState,
        id: u32,
        mut refusal: Refusal,
        status: Status,
        message: &str,
    ) {
        let rules = self.rules();
        let page = refusal.answer(rules.board(), &rules.exchange, status, message, &[]);
        let Some(http2) = &mut state.http2 else {
            return;
        };
        http2.events.push(Event::Refused(Box::new(refusal)));
        if let Some(stream) = http2.streams.get_mut(&id) {
            stream.request.head = None;
            stream.request.counted = true;
            stream.answer_with(&page, rules);
            http2.begin_sending(id);
        }
    }
}

/// Gives the clients' bodies that are not whole more time, as `received` bytes have
/// come for some of them. A client that sends several bodies on one connection sends
/// them in an order of its own; they may take as long as on connections of their own.
fn share_time(streams: &mut BTreeMap<u32, Box<StreamState>>, received: usize, rules: &Rules) {
    if received == 0 {
        return;
    }
    let is_open = |stream: &&mut Box<StreamState>| {
        let body = stream.request.body.as_ref();
        !stream.upgraded && body.is_some_and(|body| !body.has_ended())
    };
    let open = streams.values_mut().filter(is_open).count();
    if open < 2 {
        return;
    }
    for stream in streams.values_mut().filter(is_open) {
        let request = &mut stream.request;
        let is_running = request.body_deadline.is_some();
        request.stop_clock();
        request.time_left = rules.add_time(request.time_left, received / open);
        if is_running {
            request.body_deadline = deadline_after(Some(request.time_left));
        }
    }
}

impl StreamState {
    /// Sends an error page as the whole response.
    pub fn answer_with(&mut self, page: &http::ErrorPage, rules: &Rules) {
        self.request.answered = true;
        self.head = Some(page_head(page.status.code, page.fields()));
        self.output.keep(page.body().to_vec(), &rules.buffer);
        self.end = Some(StreamEnd::Plain);
    }

    /// The client is to send a body, or the bytes of another protocol.
    fn expect_body(&mut self, head: &Head, rules: &Rules) {
        let mut limits = *rules.limits();
        match (head.protocol(), head.framing()) {
            (Some(_), _) => limits.body = u64::MAX,
            (None, Framing::Length(length)) => self.missing = Some(length),
            (None, _) => {}
        }
        // The session compares the length with the Content-Length.
        let body = Body::new(Framing::UntilEnd, &limits, head.expects_continue());
        self.request.body = Some(Box::new(body));
    }

    /// Notes what `receive_body` has given. Gives whether the app may be called, as soon
    /// as that is known.
    fn note_body(
        &mut self,
        received: usize,
        failure: Option<Error>,
        rules: &Rules,
        events: &mut Vec<Event>,
    ) -> Option<Result<(), Error>> {
        let request = &mut self.request;
        if received > 0 {
            request.stop_clock();
            request.time_left = rules.add_time(request.time_left, received);
        }
        if self.with_app {
            self.invalid = failure;
            events.push(Event::Readable(self.key));
            self.wake();
            return None;
        }
        if let Some(error) = failure {
            return Some(Err(error));
        }
        request.body_deadline = rules
            .body_timeout
            .and_then(|_| deadline_after(Some(request.time_left)));
        let body = request.body.as_mut()?;
        if body.buffered() > rules.body_in_memory && !body.is_spooled() {
            body.spool(rules.upload_dir.as_deref());
        }
        let enough =
            body.has_ended() || body.buffered() >= rules.body_before_app || body.file_failed();
        enough.then_some(Ok(()))
    }

    /// Moves what has come to the body. Gives the number of bytes, and why there will be
    /// no more; nothing if nothing has come.
    fn receive_body(&mut self) -> Option<(usize, Option<Error>)> {
        if !self.with_app && self.request.head.is_none() && !self.awaits_end() {
            // Nobody reads the rest.
            return None;
        }
        let body = self.request.body.as_mut();
        let body = body.filter(|body| !body.has_ended())?;
        let mut received = 0;
        let failure = loop {
            match self.carrier.receive() {
                Received::Data(data) => {
                    received += data.len();
                    self.unreleased += data.len();
                    let missing = &mut self.missing;
                    *missing = missing.map(|it| it.saturating_sub(data.len() as u64));
                    if let Err(error) = body.feed(&mut &data[..]) {
                        break Some(error);
                    }
                }
                Received::End => {
                    body.end();
                    break None;
                }
                Received::Nothing => break None,
                Received::Reset => {
                    self.hung_up = true;
                    break Some(Error::UnexpectedEnd);
                }
            }
        };
        let is_news = received > 0 || body.has_ended() || failure.is_some();
        is_news.then_some((received, failure))
    }

    /// Lets the client send as much again as it has sent. True if that was something.
    fn release(&mut self) -> bool {
        let released = std::mem::take(&mut self.unreleased);
        if released > 0 {
            self.carrier.release(released);
        }
        released > 0
    }

    /// Notes that the client has reset the stream.
    fn note_reset(&mut self, events: &mut Vec<Event>) {
        if self.broken || !self.hung_up && !self.carrier.is_reset() {
            return;
        }
        self.broken = true;
        self.hung_up = true;
        self.request.held_back = false;
        if self.with_app {
            events.push(Event::HungUp(self.key));
            self.wake();
        }
    }

    /// Ends a stream that goes wrong.
    pub fn cut_off(&mut self, reason: Reason) {
        if !self.broken && !self.is_ended {
            self.carrier.reset(reason);
        }
        self.broken = true;
    }
}
