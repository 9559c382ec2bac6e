//! Blocks of a body that come quickly one after another leave together.
//!
//! A block is sent at once, unless the one before has come only just before it. Such a
//! block waits for the next one. It never waits for long: the thread of
//! [`LateOutput`](crate::worker::network::relay::LateOutput) sends it meanwhile,
//! whatever the app does (PEP 3333, "Buffering and Streaming").

use super::phase::Phase;
use super::{Connection, ConnectionState, note_sent};
use std::io::{self, IoSlice};
use std::sync::Arc;

impl Connection {
    /// Sends a block, or has it wait for the next one.
    pub fn send_or_hold(
        &self,
        state: &mut ConnectionState,
        parts: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        let may_wait = state.request.pace.note_block();
        if may_wait && self.expects_late(state) && state.io.output.hold(parts) {
            return Ok(());
        }
        self.send(state, parts)
    }

    /// Has the thread look at the connection soon. False if there is no thread.
    fn expects_late(&self, state: &mut ConnectionState) -> bool {
        state.is_expected = state.is_expected || self.context.late_output.expect(self.id);
        state.is_expected
    }

    /// Sends what has waited for long enough. The thread calls it.
    pub fn send_late(self: &Arc<Self>) {
        let mut state = self.lock();
        let state = &mut *state;
        state.is_expected = false;
        match state.phase {
            Phase::Http2 => self.send_streams_late(state),
            phase if phase.is_with_app() && state.io.output.is_held() => {
                state.request.pace.note_late();
                self.send_held(state);
            }
            _ => {}
        }
    }

    /// The app's part of the connection ends early: sends what waits, as nothing can be
    /// written any more.
    pub fn give_up(&self, state: &mut ConnectionState) {
        if state.io.output.is_held() {
            self.send_held(state);
        }
        state.io.broken = true;
    }

    fn send_held(&self, state: &mut ConnectionState) {
        let ConnectionState { io, request, .. } = state;
        if io.broken {
            return;
        }
        let sent = io.flush(&self.socket);
        let sent = sent.map(|sent| note_sent(io, request, self.rules(), sent));
        // The app gets the error with its next block.
        state.io.broken |= sent.and_then(|()| self.watch_blocked(state)).is_err();
    }
}
