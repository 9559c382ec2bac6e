//! Bytes between the socket and the session.

use super::super::answering::LINGER;
use super::super::receiving::Step;
use super::state::{Http2, WaitsFor};
use super::{Connection, ConnectionState};
use crate::http2::Advance;
use crate::worker::network::relay::LONGEST_UNSENT;
use crate::worker::network::rules::deadline_after;
use std::cell::Cell;
use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

/// How many blocks are received before it is the next connection's turn.
const ROUNDS: u32 = 8;

/// How many bytes of output wait for the reactor: more would not fit into the caches
/// of a processor, and save no system call.
const MOST_UNSENT: usize = 64 * 1024;

thread_local! {
    /// A buffer for the output of a session.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Connection {
    /// Receives, and sends what can be sent. The reactor calls it.
    pub fn advance_http2(self: &Arc<Self>, state: &mut ConnectionState, buffer: &mut [u8]) -> Step {
        for _ in 0..ROUNDS {
            let Some(http2) = &mut state.http2 else {
                return Step::Close;
            };
            if state.io.broken {
                return self.close_when_over(state);
            }
            if http2.ended {
                return self.end_session(state);
            }
            self.drive(state);
            let Some(http2) = &mut state.http2 else {
                return Step::Close;
            };
            if state.io.broken || http2.ended {
                continue;
            }
            let waits = !state.io.output.is_empty() || http2.session.is_held_back();
            if waits {
                self.set_deadline(state);
                return Step::Wait;
            }
            match state.io.receive(&self.socket, buffer) {
                Ok(Some(0)) | Err(_) => self.lose(state),
                Ok(Some(length)) => self.received(state, &buffer[..length]),
                Ok(None) => {
                    self.set_deadline(state);
                    return Step::Wait;
                }
            }
        }
        // Other connections have their turn before the next block.
        self.context.request_check(self.id);
        Step::Wait
    }

    /// Has the output sent: by the reactor, together with that of other streams, or
    /// now if the reactor would be too late.
    pub fn send_soon(self: &Arc<Self>, state: &mut ConnectionState) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        let since = http2.unsent_since;
        let is_late = since.is_some_and(|since| since.elapsed() >= LONGEST_UNSENT);
        if is_late || http2.unsent_bytes >= MOST_UNSENT {
            self.send_now(state);
        } else if since.is_none() {
            http2.unsent_since = Some(Instant::now());
            self.context.request_check(self.id);
            // Without that thread, the reactor sends when it can.
            self.context.late_output.expect(self.id);
        }
    }

    /// Sends what the reactor has not sent. Any thread may call it.
    pub fn send_streams_late(self: &Arc<Self>, state: &mut ConnectionState) {
        let http2 = state.http2.as_ref();
        if http2.is_some_and(|http2| http2.unsent_since.is_some()) {
            self.send_now(state);
        }
    }

    /// Sends the output. What else has happened is left to the reactor.
    pub fn send_now(self: &Arc<Self>, state: &mut ConnectionState) {
        self.drive(state);
        let has_events = state.http2.as_ref().is_some_and(|it| !it.events.is_empty());
        // The reactor may have stopped to read because output was waiting.
        if has_events || state.io.broken || state.io.readable {
            self.context.request_check(self.id);
        }
    }

    /// Lets the session read and write until it has to wait.
    pub fn drive(self: &Arc<Self>, state: &mut ConnectionState) {
        if let Some(http2) = &mut state.http2 {
            http2.unsent_since = None;
            http2.unsent_bytes = 0;
        }
        if !self.send_waiting(state) {
            return;
        }
        loop {
            let Some(http2) = &mut state.http2 else {
                return;
            };
            if http2.ended {
                return;
            }
            http2.session.lend_output(BUFFER.take());
            http2.has_news = false;
            let mut has_more = http2.give_output(self.rules());
            self.read_session(state);
            let Some(http2) = &mut state.http2 else {
                return;
            };
            has_more |= http2.has_news || !http2.session.has_room();
            if !self.send_output(state) || !has_more {
                return;
            }
        }
    }

    /// Lets the session read what has come.
    fn read_session(self: &Arc<Self>, state: &mut ConnectionState) {
        loop {
            let Some(http2) = &mut state.http2 else {
                return;
            };
            match http2.session.advance() {
                Advance::Request(request) => self.begin_stream(state, request),
                Advance::Waiting => break,
                Advance::Ended(result) => {
                    http2.ended = true;
                    if let Err(error) = result {
                        let address = &self.client.address;
                        ::log::debug!("HTTP/2 with ip={address} has failed: {error}");
                    }
                    break;
                }
            }
        }
        self.read_bodies(state);
    }

    /// Sends output that the socket has not taken. True if it is all sent.
    fn send_waiting(&self, state: &mut ConnectionState) -> bool {
        let io = &mut state.io;
        if io.broken || io.output.is_empty() {
            return !io.broken;
        }
        match io.flush(&self.socket) {
            Ok(0) => {}
            Ok(_) => io.deadline = deadline_after(self.rules().send_timeout),
            Err(_) => io.broken = true,
        }
        self.is_all_sent(state)
    }

    /// Sends the session's output. True if the socket has taken it all.
    fn send_output(&self, state: &mut ConnectionState) -> bool {
        let Some(http2) = &mut state.http2 else {
            return false;
        };
        let mut output = http2.session.take_output();
        if !output.is_empty() {
            self.watch_output(state, &output);
            if self.send(state, &mut [IoSlice::new(&output)]).is_err() {
                state.io.broken = true;
            }
            if !state.io.output.is_empty() {
                state.io.deadline = deadline_after(self.rules().send_timeout);
            }
            output.clear();
        }
        BUFFER.set(output);
        self.is_all_sent(state)
    }

    /// True if no output waits for the socket. Otherwise epoll reports when it takes
    /// more.
    fn is_all_sent(&self, state: &mut ConnectionState) -> bool {
        let waits = !state.io.broken && !state.io.output.is_empty();
        if waits && self.watch_writable(state).is_err() {
            state.io.broken = true;
        }
        !waits && !state.io.broken
    }

    /// Sets the deadline of the connection itself: for a head that has begun, or for
    /// the next request.
    fn set_deadline(&self, state: &mut ConnectionState) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        if !state.io.output.is_empty() {
            // It is that of the output.
            http2.waits_for = None;
            return;
        }
        let waits_for = http2.waits_for();
        if http2.waits_for.replace(waits_for) == Some(waits_for) {
            return;
        }
        if waits_for == WaitsFor::Request {
            http2.session.shrink();
        }
        state.io.deadline = match waits_for {
            WaitsFor::App => None,
            WaitsFor::Window => deadline_after(self.rules().send_timeout),
            WaitsFor::Head => deadline_after(self.rules().head_timeout),
            WaitsFor::Request => deadline_after(Some(self.context.idle_timeout())),
            WaitsFor::End => deadline_after(Some(LINGER)),
        };
    }
}

impl Http2 {
    fn waits_for(&self) -> WaitsFor {
        let is_head = self.scanner.is_within_head() || self.is_unused();
        match (self.streams.is_empty(), self.session.is_going_away()) {
            (true, true) => WaitsFor::End,
            _ if is_head => WaitsFor::Head,
            (true, false) => WaitsFor::Request,
            (false, _) if !self.sending.is_empty() && self.scanner.window() <= 0 => {
                WaitsFor::Window
            }
            (false, _) => WaitsFor::App,
        }
    }
}
