//! The reactor's functions for sending: from a response to the next request or
//! the end, and the server's own responses.

use super::io::Watched;
use super::phase::{Phase, PhaseEvent};
use super::receiving::Step;
use super::{Connection, ConnectionState, note_sent};
use crate::exchange::Stream;
use crate::http::{self, Framing, Head, ResponseRules, Status};
use crate::system::has_forked;
use crate::worker::network::rules::deadline_after;
use crate::worker::request::refusal::Refusal;
use std::fmt::Display;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the server goes on reading at the end of a connection or of a refused
/// stream. The client may still be sending; a reset of the connection would discard the
/// response before the client has read it (RFC 9112 section 9.6).
pub const LINGER: Duration = Duration::from_secs(2);

/// How many bytes it reads in that time.
const LINGER_BYTES: usize = 512 * 1024;

/// The result of a deadline.
pub enum Expiry {
    /// The connection goes on.
    NotYet,
    /// The app still has the request, and must be told that the client's time
    /// is over.
    ForApp,
    /// The connection must be advanced.
    Ended,
}

impl Connection {
    /// Sends the rest of the response; then waits for the next request, or
    /// ends.
    pub fn flush(&self, state: &mut ConnectionState) -> Step {
        let ConnectionState { io, request, .. } = state;
        match io.flush(&self.socket) {
            Ok(sent) => note_sent(io, request, self.rules(), sent),
            Err(_) => return Step::Close,
        }
        if !io.output.is_empty() {
            return match self.watch_writable(state) {
                Ok(()) => Step::Wait,
                Err(_) => Step::Close,
            };
        }
        if state.stays_open {
            self.expect_request(state, PhaseEvent::Sent);
            return Step::Again;
        }
        let is_read = !io.readable && io.received.is_empty();
        if is_read && request.is_last && !has_forked() {
            // Closing the socket says that nothing more comes. If there were
            // unread bytes, closing would reset the connection; a child that the
            // app has forked has a copy of the socket, which keeps it open.
            io.end(&self.socket);
            return Step::Close;
        }
        if io.shut_down(&self.socket).is_err() || is_read {
            return Step::Close;
        }
        io.deadline = deadline_after(Some(LINGER));
        state.bytes_to_ignore = LINGER_BYTES;
        state.phase.enter(PhaseEvent::Sent, Phase::Linger);
        Step::Again
    }

    /// Reads and ignores bytes of a client that may still be sending.
    pub fn linger(&self, state: &mut ConnectionState, buffer: &mut [u8]) -> Step {
        match state.io.receive(&self.socket, buffer) {
            Ok(Some(length @ 1..)) if state.bytes_to_ignore > length => {
                state.bytes_to_ignore -= length;
                Step::Again
            }
            Ok(None) => Step::Wait,
            Ok(Some(_)) | Err(_) => Step::Close,
        }
    }

    /// Ends a connection whose deadline is over. A client that has sent a part
    /// of a request gets a 408. A connection that the app has is cut off.
    pub fn expire(self: &Arc<Self>, state: &mut ConnectionState) -> Expiry {
        if state.phase == Phase::Http2 {
            return self.expire_http2(state);
        }
        let ConnectionState { io, request, .. } = state;
        if io.deadline.is_none_or(|end| end > Instant::now()) {
            // Then it is the deadline of an app that waits for a body. Bytes
            // that have arrived and were not read yet are in time.
            request.body_deadline = None;
            if io.readable {
                return Expiry::NotYet;
            }
            request.body_is_late = true;
            io.hung_up = true;
            return Expiry::ForApp;
        }
        io.deadline = None;
        if state.phase.is_with_app() {
            io.broken = true;
            return Expiry::ForApp;
        }
        let problem = match state.phase {
            Phase::Head if state.head_begun => "head was not whole in time",
            Phase::Body => "body came too slowly",
            _ => {
                state.phase.enter(PhaseEvent::End, Phase::Closed);
                return Expiry::Ended;
            }
        };
        let why = format!("The request's {problem}");
        let _ = self.refuse_request(state, Status::REQUEST_TIMEOUT, &why);
        Expiry::Ended
    }

    /// Answers a probe (`health_path`) without the app. A body that comes with it
    /// is not read, so the connection then ends.
    pub fn answer_probe(&self, state: &mut ConnectionState, head: &Head) -> Step {
        let has_body = head.framing() != Framing::Length(0);
        let rules = ResponseRules {
            keep_alive: head.keep_alive() && self.may_stay() && !has_body,
            ..ResponseRules::of(head)
        };
        let is_draining = self.rules().heartbeat.is_draining();
        let mut answer = Vec::new();
        let server = &self.rules().exchange.server;
        http::answer_probe(
            rules,
            is_draining,
            server,
            self.date().as_str(),
            &mut answer,
        );
        state.stays_open = rules.keep_alive;
        if self.send(state, &mut [IoSlice::new(&answer)]).is_err() {
            return Step::Close;
        }
        state.io.readable |= has_body;
        if state.io.output.is_empty() && state.stays_open && !self.context.is_stopping() {
            self.expect_request(state, PhaseEvent::AnswerProbe);
            if state.io.readable || state.unparsed {
                // Other connections have their turn before the next request.
                self.context.request_check(self.id);
            }
            return Step::Wait;
        }
        state.phase.enter(PhaseEvent::AnswerProbe, Phase::Flush);
        state.io.deadline = deadline_after(self.rules().send_timeout);
        Step::Again
    }

    /// Refuses a request that cannot be given to the app.
    pub fn refuse_request(
        &self,
        state: &mut ConnectionState,
        status: Status,
        error: &dyn Display,
    ) -> Step {
        let refusal = match state.request.head.take() {
            Some(head) => self.refusal_for(state, *head),
            None => self.refusal_for_part(&state.io.received),
        };
        ::log::warn!(
            "Invalid request from ip={}{}: {error}",
            self.client.address,
            refusal.note()
        );
        self.send_refusal(state, refusal, status, &error.to_string())
    }

    /// Sends a response of the server's own. The connection ends after it.
    pub fn send_refusal(
        &self,
        state: &mut ConnectionState,
        mut refusal: Refusal,
        status: Status,
        message: &str,
    ) -> Step {
        state.stays_open = false;
        state.phase.enter(PhaseEvent::Refuse, Phase::Flush);
        let rules = self.rules();
        let page = refusal.answer(rules.board(), &rules.exchange, status, message, &[]);
        state.refusal = Some(Box::new(refusal));
        if self.send(state, &mut [IoSlice::new(&page.text())]).is_err() {
            return Step::Close;
        }
        // Bytes that have arrived after this request are ignored.
        state.io.readable = true;
        state.io.deadline = deadline_after(self.rules().send_timeout);
        Step::Again
    }

    /// The refusal of a request with this head.
    pub fn refusal_for(&self, state: &ConnectionState, head: Head) -> Refusal {
        let address = match self.forwarded_address(&head) {
            Some((address, _)) => address,
            None => self.client.address.clone(),
        };
        Refusal::of_head(address, state.request.names.clone(), Box::new(head))
    }

    /// The refusal of a request whose head is incomplete or invalid. `received`
    /// are its bytes so far.
    pub fn refusal_for_part(&self, received: &[u8]) -> Refusal {
        let names = self.context.name_part(&self.client, received);
        Refusal::of_part(self.client.address.clone(), names, received)
    }

    /// Sends a 100 response, if the client waits for it and has not sent any of
    /// the body (RFC 9110 section 10.1.1).
    pub fn ask_for_body(&self, state: &mut ConnectionState) -> io::Result<()> {
        let request = &mut state.request;
        let Some(body) = &mut request.body else {
            return Ok(());
        };
        let is_waiting = std::mem::replace(&mut body.expects_continue, false);
        if is_waiting && body.buffered() == 0 && !request.answered {
            self.send(state, &mut [IoSlice::new(http::CONTINUE)])?;
        }
        Ok(())
    }

    /// Sends as much as the socket takes, and keeps the rest.
    pub fn send(&self, state: &mut ConnectionState, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let limits = &self.rules().buffer;
        state.io.send(&self.socket, limits, parts)
    }

    /// Lets epoll report what happens to the socket. A connection whose only request
    /// comes at once and is answered at once does without.
    pub fn watch(&self, state: &mut ConnectionState) -> io::Result<()> {
        if state.io.watched == Watched::Nothing {
            let watched = self.context.watch(&self.socket, self.id);
            watched.inspect_err(|error| ::log::error!("A connection cannot be used: {error}"))?;
            state.io.watched = Watched::Input;
        }
        Ok(())
    }

    /// Lets epoll also report when the socket can be written to.
    pub fn watch_writable(&self, state: &mut ConnectionState) -> io::Result<()> {
        let is_new = match state.io.watched {
            Watched::Nothing => true,
            Watched::Input => false,
            Watched::InputAndRoom | Watched::Elsewhere => return Ok(()),
        };
        self.context.watch_writable(&self.socket, self.id, is_new)?;
        state.io.watched = Watched::InputAndRoom;
        Ok(())
    }
}
