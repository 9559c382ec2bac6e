//! The reactor's half: from an answer to the next request or the end, and the
//! answers that the server gives itself.

use super::phase::{Event, Phase};
use super::receiving::Step;
use super::{Connection, State, has_sent};
use crate::http::{Head, Status, field_so_far};
use crate::worker::network::rules::deadline_after;
use crate::worker::request::refusal::Refusal;
use std::fmt::Display;
use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

/// How long, and over how many bytes, a connection that is at its end listens
/// on: the client may still be sending, and a reset would take our answer from
/// it (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 64 * 1024;

/// What has become of a connection whose deadline has come.
pub enum Expired {
    /// It goes on.
    Not,
    /// The app, which still has it, is to learn that the client is given up.
    ForApp,
    /// It is to be looked at.
    Ended,
}

impl Connection {
    /// Sends what is left of the answer; then waits for the next request, or
    /// ends.
    pub fn flush(&self, state: &mut State) -> Step {
        let State { io, request, .. } = state;
        match io.flush(&self.socket) {
            Ok(sent) => has_sent(io, request, self.rules(), sent),
            Err(_) => return Step::Close,
        }
        if !io.output.is_empty() {
            return match self.watch_for_room(state) {
                Ok(()) => Step::Wait,
                Err(_) => Step::Close,
            };
        }
        if state.stays {
            self.expect_request(state, Event::Sent);
            return Step::Again;
        }
        if io.shut_down(&self.socket).is_err() || !io.readable && io.received.is_empty() {
            return Step::Close;
        }
        io.deadline = deadline_after(Some(LINGER));
        state.ignored = LINGER_BYTES;
        state.phase.enter(Event::Sent, Phase::Linger);
        Step::Again
    }

    /// Reads on for a client that may still be sending.
    pub fn linger(&self, state: &mut State, buffer: &mut [u8]) -> Step {
        match state.io.receive(&self.socket, buffer) {
            Ok(Some(length @ 1..)) if state.ignored > length => {
                state.ignored -= length;
                Step::Again
            }
            Ok(None) => Step::Wait,
            Ok(Some(_)) | Err(_) => Step::Close,
        }
    }

    /// Ends a connection that had its time: a client that has begun a request
    /// is told so; what the app has is cut off.
    pub fn expire(&self, state: &mut State) -> Expired {
        let State { io, request, .. } = state;
        if io.deadline.is_none_or(|end| end > Instant::now()) {
            // Then it is the app that has waited, for a body. What it has not
            // looked at yet has come in time.
            request.body_deadline = None;
            if io.readable {
                return Expired::Not;
            }
            request.body_is_late = true;
            io.hung_up = true;
            return Expired::ForApp;
        }
        io.deadline = None;
        if state.phase.is_apps() {
            io.broken = true;
            return Expired::ForApp;
        }
        let late = match state.phase {
            Phase::Head if state.begun => "head was not whole in time",
            Phase::Body => "body came too slowly",
            _ => {
                state.phase.enter(Event::End, Phase::Closed);
                return Expired::Ended;
            }
        };
        let why = format!("The request's {late}");
        let _ = self.refuse_request(state, Status::REQUEST_TIMEOUT, &why);
        Expired::Ended
    }

    /// Answers a request that never reaches the app.
    pub fn refuse_request(&self, state: &mut State, status: Status, error: &dyn Display) -> Step {
        let refusal = match state.request.head.take() {
            Some(head) => self.refusal_of(*head),
            None => self.refusal_of_part(&state.io.received),
        };
        ::log::warn!(
            "Invalid request from ip={}{}: {error}",
            self.client.address,
            refusal.note()
        );
        self.answer_itself(state, refusal, status, &error.to_string())
    }

    /// Sends an answer of the server's own, the last one of the connection.
    pub fn answer_itself(
        &self,
        state: &mut State,
        mut refusal: Refusal,
        status: Status,
        message: &str,
    ) -> Step {
        state.stays = false;
        state.phase.enter(Event::Refuse, Phase::Flush);
        let page = refusal.answer(&self.rules().exchange, status, message, &[]);
        state.refusal = Some(Box::new(refusal));
        if self.send(state, &mut [IoSlice::new(&page.bytes)]).is_err() {
            return Step::Close;
        }
        // Whatever else has come is no request.
        state.io.readable = true;
        state.io.deadline = deadline_after(self.rules().send_timeout);
        Step::Again
    }

    /// The refusal of a request that has this head.
    pub fn refusal_of(&self, head: Head) -> Refusal {
        let address = match self.told_address(&head) {
            Some((address, _)) => address,
            None => self.client.address.clone(),
        };
        Refusal::of_head(address, self.request_id(&head), Box::new(head))
    }

    /// Of a request whose head is not whole, or is none: of what was `received`
    /// since its start.
    pub fn refusal_of_part(&self, received: &[u8]) -> Refusal {
        let field = |name: &str| field_so_far(received, name);
        let id = self.context.request_id(&self.client, field);
        Refusal::of_part(self.client.address.clone(), id, received)
    }

    /// Asks the client for the body, if it waits to be asked and has not begun
    /// (RFC 9110 section 10.1.1).
    pub fn ask_for_body(&self, state: &mut State) -> io::Result<()> {
        let request = &mut state.request;
        let Some(body) = &mut request.body else {
            return Ok(());
        };
        let waits = std::mem::replace(&mut body.expects_continue, false);
        if waits && body.buffered() == 0 && !request.answered {
            self.send(state, &mut [IoSlice::new(b"HTTP/1.1 100 Continue\r\n\r\n")])?;
        }
        Ok(())
    }

    /// Sends the parts as far as the socket takes them, and keeps the rest.
    pub fn send(&self, state: &mut State, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let limits = &self.rules().buffer;
        state.io.send(&self.socket, limits, parts)
    }

    /// Has the reactor told when there is room for more output.
    pub fn watch_for_room(&self, state: &mut State) -> io::Result<()> {
        if !std::mem::replace(&mut state.io.watched_for_room, true) {
            self.context.watch_for_room(&self.socket, self.id)?;
        }
        Ok(())
    }
}
