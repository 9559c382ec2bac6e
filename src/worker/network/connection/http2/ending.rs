//! How streams end, and the connection with them.

use super::super::answering::LINGER;
use super::super::receiving::Step;
use super::state::{StreamState, WaitsFor};
use super::{Connection, ConnectionState, Event, Phase, PhaseEvent};
use crate::http::Status;
use crate::http2::Reason;
use crate::worker::network::connection::Expiry;
use crate::worker::network::rules::deadline_after;
use crate::worker::request::refusal::Refusal;
use std::sync::Arc;
use std::time::Instant;

impl Connection {
    /// Removes a stream that neither the app nor the client needs.
    pub fn stream_is_over(&self, state: &mut ConnectionState, id: u32) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        let Some(stream) = http2.streams.get_mut(&id) else {
            return;
        };
        if stream.awaits_end() {
            stream.request.body_deadline = deadline_after(Some(LINGER));
        }
        if !stream.is_over() {
            return;
        }
        let body = stream.request.body.as_ref();
        let is_unread = body.is_some_and(|body| !body.has_ended());
        http2.streams.remove(&id);
        // The client must be told to send no more of the body, or the connection may
        // end now, or begin to wait for the next request.
        if is_unread || http2.streams.is_empty() {
            self.context.request_check(self.id);
        }
    }

    /// The client is gone.
    pub fn lose(&self, state: &mut ConnectionState) {
        state.io.broken = true;
        state.io.hung_up = true;
        let Some(http2) = &mut state.http2 else {
            return;
        };
        http2.session.end_input();
        http2.ended = true;
        http2.cut_off_streams();
    }

    /// Ends a connection whose session has ended, once its output was sent.
    pub fn end_session(&self, state: &mut ConnectionState) -> Step {
        let Some(http2) = &mut state.http2 else {
            return Step::Close;
        };
        http2.cut_off_streams();
        if http2.streams.is_empty() {
            state.stays_open = false;
            state.phase.enter(PhaseEvent::Finish, Phase::Flush);
            // Bytes that still come are ignored.
            state.io.readable = true;
            state.io.deadline = deadline_after(self.rules().send_timeout);
            return Step::Again;
        }
        // Apps still have requests. The client gets the last frames meanwhile.
        match state.io.flush(&self.socket) {
            Ok(_) if state.io.output.is_empty() => {
                let _ = state.io.shut_down(&self.socket);
                state.io.broken = true;
            }
            Ok(_) => {}
            Err(_) => state.io.broken = true,
        }
        Step::Wait
    }

    /// Ends a connection whose client is gone, once no app has a request of it.
    pub fn close_when_over(&self, state: &mut ConnectionState) -> Step {
        let Some(http2) = &mut state.http2 else {
            return Step::Close;
        };
        http2.ended = true;
        http2.cut_off_streams();
        state.io.deadline = None;
        match http2.streams.is_empty() {
            true => Step::Close,
            false => Step::Wait,
        }
    }

    /// The time of the connection, or of some of its streams, is over.
    pub fn expire_http2(self: &Arc<Self>, state: &mut ConnectionState) -> Expiry {
        let now = Instant::now();
        if state.io.deadline.take_if(|end| *end <= now).is_some() {
            return self.expire_transport(state);
        }
        let Some(http2) = &mut state.http2 else {
            return Expiry::Ended;
        };
        let mut late = Vec::new();
        for (id, stream) in &mut http2.streams {
            if stream.send_deadline.take_if(|end| *end <= now).is_some() {
                stream.cut_off(Reason::CANCEL);
                stream.hang_up(&mut http2.events);
                http2.has_news = true;
            }
            if stream
                .request
                .body_deadline
                .take_if(|end| *end <= now)
                .is_none()
            {
                continue;
            }
            if stream.with_app {
                stream.request.body_is_late = true;
                stream.hung_up = true;
                http2.events.push(Event::HungUp(stream.key));
                stream.wake();
            } else {
                stream.missing = None;
                late.push(*id);
            }
        }
        for id in late {
            let head = state.stream(id).and_then(|it| it.request.head.take());
            if let Some(head) = head {
                let refusal = self.stream_refusal(state, id, *head);
                let why = "The request's body came too slowly";
                self.refuse_stream(state, id, refusal, Status::REQUEST_TIMEOUT, &why);
            }
        }
        if let Some(http2) = &mut state.http2 {
            http2.streams.retain(|_, stream| !stream.is_over());
        }
        // What this has caused is put out.
        Expiry::Ended
    }

    /// The client takes no output, has not sent a head in time, or has been idle.
    fn expire_transport(&self, state: &mut ConnectionState) -> Expiry {
        let has_output = !state.io.output.is_empty();
        let Some(http2) = &mut state.http2 else {
            return Expiry::Ended;
        };
        match http2.waits_for {
            _ if has_output => self.lose(state),
            Some(WaitsFor::Window) => self.lose(state),
            Some(WaitsFor::Head) if http2.scanner.is_within_head() => {
                http2.session.abort(Reason::ENHANCE_YOUR_CALM);
            }
            Some(WaitsFor::Head | WaitsFor::Request | WaitsFor::End) => {
                http2.session.abort(Reason::NO_ERROR);
            }
            // It was that of output which another thread has sent.
            Some(WaitsFor::App) | None => {}
        }
        Expiry::Ended
    }

    /// Answers all requests of the connection that have no response with a 503, as
    /// the worker ends. True if there were any.
    pub fn answer_streams_unavailable(self: &Arc<Self>, state: &mut ConnectionState) -> bool {
        let rules = self.rules();
        let Some(http2) = &mut state.http2 else {
            return false;
        };
        let mut refused = Vec::new();
        for (id, stream) in &mut http2.streams {
            if stream.request.answered || stream.broken {
                continue;
            }
            let names = stream.request.names.clone();
            let address = self.client.address.clone();
            let mut refusal = match stream.request.head.take() {
                Some(head) => Refusal::of_head(address, names, head),
                None => Refusal::of_queued(address, names),
            };
            let status = Status::SERVICE_UNAVAILABLE;
            let why = "The server stops";
            let page = refusal.answer(rules.board(), &rules.exchange, status, why, &[]);
            stream.request.counted = true;
            stream.answer_with(&page, rules);
            stream.given_up = true;
            refused.push((*id, refusal));
        }
        for (id, refusal) in &refused {
            http2.begin_sending(*id);
            refusal.log_now();
        }
        http2.session.go_away();
        self.drive(state);
        !refused.is_empty()
    }
}

impl super::Http2 {
    /// Ends all streams; the apps that have requests are told.
    fn cut_off_streams(&mut self) {
        for stream in self.streams.values_mut() {
            stream.broken = true;
            stream.hang_up(&mut self.events);
            stream.request.head = None;
        }
        self.streams.retain(|_, stream| stream.with_app);
        self.sending.clear();
    }
}

impl StreamState {
    /// Tells the app that the client is gone.
    fn hang_up(&mut self, events: &mut Vec<Event>) {
        self.request.held_back = false;
        if self.with_app && !std::mem::replace(&mut self.hung_up, true) {
            events.push(Event::HungUp(self.key));
            self.wake();
        }
    }
}
