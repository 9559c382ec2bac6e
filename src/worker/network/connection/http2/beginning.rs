//! How a connection begins to carry HTTP/2.

use super::super::receiving::Step;
use super::state::Http2;
use super::{Connection, ConnectionState, Phase, PhaseEvent};
use crate::http::{Head, SWITCHING_TO_HTTP2, Status};
use crate::http2::{self, PREFACE, Upgrade};
use crate::worker::network::rules::deadline_after;
use std::io::IoSlice;
use std::sync::Arc;

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
