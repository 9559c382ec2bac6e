//! How a connection ends for reasons other than its client: the worker stops,
//! the app takes too long, or another client needs the place.

use super::phase::{Phase, PhaseEvent};
use super::{Connection, ConnectionState};
use crate::http::{ErrorPage, Status};
use crate::worker::network::rules::deadline_after;
use crate::worker::request::refusal::Refusal;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

impl Connection {
    /// Shortens the deadline of an idle connection, since the worker stops. A
    /// connection that has had no request yet gets `first` for it. A client
    /// that was told that the connection stays open may be sending its next
    /// request now, so the connection is not closed at once (RFC 9112 section
    /// 9.6).
    pub fn expect_last_request(&self, state: &mut ConnectionState, first: Duration) {
        if let Some(http2) = &mut state.http2 {
            http2.go_away();
        }
        if state.phase == Phase::Head && !state.head_begun {
            let time = match state.requests {
                0 => first,
                _ => self.context.idle_timeout(),
            };
            let end = deadline_after(Some(time));
            state.io.deadline = state.io.deadline.min(end).or(end);
        }
    }

    /// Gives the connection to another worker if it is idle. If true, the
    /// connection has ended here.
    pub fn hand_over(&self, state: &mut ConnectionState) -> bool {
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
        // The socket stays open in the other worker, so closing it here would
        // not remove it from this epoll.
        let _ = self.context.epoll.delete(&self.socket);
        state.phase.enter(PhaseEvent::End, Phase::Closed);
        true
    }

    /// Closes a connection if nothing was received on it. True if it was
    /// closed.
    pub fn close_unused(&self) -> bool {
        let mut state = self.lock();
        // Bytes that have arrived and were not read yet count, too.
        let unused = state.is_unused() && !self.has_input();
        if unused {
            state.phase.enter(PhaseEvent::End, Phase::Closed);
        }
        unused
    }

    /// See [`Stream::refuse`](crate::exchange::Stream::refuse).
    pub fn refuse(&self, page: &ErrorPage) -> bool {
        let mut state = self.lock();
        let can_answer = state.phase == Phase::App && !state.request.answered && !state.io.broken;
        if can_answer {
            state.request.answered = true;
            self.count_request(&mut state, page.status.code);
            let _ = self.send(&mut state, &mut [IoSlice::new(&page.text())]);
        }
        self.give_up(&mut state);
        can_answer
    }

    /// Answers a waiting request with a 503, as the worker ends. True if there
    /// was one, and the response was sent. Any thread may call it, as the
    /// reactor may not run any more.
    pub fn answer_unavailable(self: &Arc<Self>) -> bool {
        let mut state = self.lock();
        let state = &mut *state;
        if state.phase == Phase::Http2 {
            return self.answer_streams_unavailable(state);
        }
        let is_waiting = match state.phase {
            Phase::App => !state.request.answered,
            Phase::Body => true,
            // A request may have arrived that was not read yet.
            Phase::Head => state.head_begun || state.unparsed || self.has_input(),
            _ => false,
        };
        if !is_waiting || state.io.broken {
            return false;
        }
        let is_with_app = state.phase == Phase::App;
        let mut refusal = match state.request.head.take() {
            _ if is_with_app => {
                Refusal::of_queued(self.client.address.clone(), state.request.names.clone())
            }
            Some(head) => self.refusal_for(state, *head),
            None => self.refusal_for_part(&state.io.received),
        };
        let status = Status::SERVICE_UNAVAILABLE;
        let rules = self.rules();
        let why = "The server stops";
        let page = refusal.answer(rules.board(), &rules.exchange, status, why, &[]);
        let written = self.send(state, &mut [IoSlice::new(&page.text())]);
        refusal.log_now();
        state.io.broken = true;
        if !is_with_app {
            state.stays_open = false;
            state.phase.enter(PhaseEvent::Refuse, Phase::Flush);
            self.context.request_check(self.id);
        }
        written.is_ok()
    }
}
