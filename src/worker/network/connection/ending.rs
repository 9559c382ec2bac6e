//! The ways to a connection's end that do not come from its client: the worker
//! ends, the app takes too long, another needs its place.

use super::phase::{Event, Phase};
use super::{Connection, State};
use crate::http::Status;
use crate::worker::network::rules::deadline_after;
use crate::worker::request::refusal::Refusal;
use std::io::IoSlice;
use std::time::Duration;

impl Connection {
    /// Gives an idle connection less time, since the worker stops. One that
    /// has not had a request yet gets `first` for it. A client that was told
    /// that the connection stays may be sending its next request now, and is
    /// not cut off (RFC 9112 section 9.6).
    pub fn expect_last_request(&self, state: &mut State, first: Duration) {
        if state.phase == Phase::Head && !state.begun {
            let time = match state.requests {
                0 => first,
                _ => self.context.idle_timeout(),
            };
            let end = deadline_after(Some(time));
            state.io.deadline = state.io.deadline.min(end).or(end);
        }
    }

    /// Gives the connection to another worker if it is idle. Gives true if it
    /// is gone; then the client is the other's.
    pub fn hand_over(&self, state: &mut State) -> bool {
        let is_idle = state.is_idle() && self.can_move() && !state.io.hung_up;
        let Some(handover) = self.context.handover().filter(|_| is_idle) else {
            return false;
        };
        let server = self.client.server.as_ref().map(|server| server.address);
        if handover
            .give(&self.socket, server, state.requests > 0)
            .is_err()
        {
            return false;
        }
        // The socket is open elsewhere, so that closing it here does not end
        // the watch.
        let _ = self.context.epoll.delete(&self.socket);
        state.phase.enter(Event::End, Phase::Closed);
        true
    }

    /// Closes a connection on which nothing has come yet. Gives true if it is
    /// at its end.
    pub fn close_unused(&self) -> bool {
        let mut state = self.lock();
        // What the reactor has not looked at yet counts, too.
        let unused = state.is_fresh() && !self.has_come();
        if unused {
            state.phase.enter(Event::End, Phase::Closed);
        }
        unused
    }

    /// See [`Stream::refuse`](crate::exchange::Stream::refuse).
    pub fn refuse(&self, response: &[u8]) -> bool {
        let mut state = self.lock();
        let mine = state.phase == Phase::App && !state.request.answered && !state.io.broken;
        if mine {
            state.request.answered = true;
            let _ = self.send(&mut state, &mut [IoSlice::new(response)]);
        }
        state.io.broken = true;
        mine
    }

    /// Tells a client that its request is not going to be answered, as the
    /// worker ends, and gives true if there was one. Any thread may call it;
    /// nobody looks at the connection any more.
    pub fn answer_unavailable(&self) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        let waits = match state.phase {
            Phase::App => !state.request.answered,
            Phase::Body => true,
            // One may be there that nobody has looked at.
            Phase::Head => state.begun || state.unparsed || self.has_come(),
            _ => false,
        };
        if !waits || state.io.broken {
            return false;
        }
        let is_apps = state.phase == Phase::App;
        let mut refusal = match state.request.head.take() {
            _ if is_apps => {
                Refusal::of_queued(self.client.address.clone(), state.request.id.clone())
            }
            Some(head) => self.refusal_of(*head),
            None => self.refusal_of_part(&state.io.received),
        };
        let status = Status::SERVICE_UNAVAILABLE;
        let page = refusal.answer(&self.rules().exchange, status, "The server stops", &[]);
        let written = self.send(state, &mut [IoSlice::new(&page.bytes)]);
        refusal.log_now();
        state.io.broken = true;
        if !is_apps {
            state.stays = false;
            state.phase.enter(Event::Refuse, Phase::Flush);
            self.context.give_back(self.id);
        }
        written.is_ok()
    }
}
