//! What the frames of both sides say beside the session: floods, priorities, and
//! streams that the session has refused by itself.

use super::state::{Http2, WaitsFor};
use super::{Connection, ConnectionState, Event};
use crate::http2::{Abuse, Reason, Sent};
use crate::worker::request::refusal::Refusal;
use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

/// How many streams are kept in mind after they have begun.
const MOST_BEGUN: usize = 256;

/// What the session has sent for a stream that never became a request.
struct Refused {
    stream: u32,
    status: u16,
}

impl Connection {
    /// Gives bytes of the client to the session.
    pub fn received(self: &Arc<Self>, state: &mut ConnectionState, bytes: &[u8]) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        let Some(upgrade) = &mut http2.upgrade else {
            return self.scan(state, bytes);
        };
        match upgrade.push(bytes) {
            Ok(Some(bytes)) => {
                http2.upgrade = None;
                self.scan(state, &bytes);
            }
            Ok(None) => {}
            Err(error) => {
                let address = &self.client.address;
                ::log::warn!("An HTTP/2 connection from ip={address} is ended: {error}");
                self.lose(state);
            }
        }
    }

    fn scan(&self, state: &mut ConnectionState, bytes: &[u8]) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        if let Err(abuse) = http2.scanner.received(bytes, Instant::now()) {
            return self.end_abuse(http2, &abuse);
        }
        for (id, priority) in http2.scanner.take_priority_updates() {
            if let Some(stream) = http2.streams.get_mut(&id) {
                stream.priority = priority;
            }
        }
        http2.session.receive(bytes);
        http2.has_input = true;
    }

    /// Looks at the output of the session before it is sent.
    pub fn watch_output(&self, state: &mut ConnectionState, output: &[u8]) {
        let Some(http2) = &mut state.http2 else {
            return;
        };
        let now = Instant::now();
        let (mut refused, mut abuse) = (Vec::new(), None);
        let mut error = None;
        let Http2 {
            sent,
            scanner,
            begun,
            waits_for,
            ..
        } = &mut **http2;
        sent.scan(output, |frame| match frame {
            Sent::Data { length, .. } => {
                scanner.sent(length);
                // The client's time for its window begins again.
                waits_for.take_if(|it| *it == WaitsFor::Window);
            }
            Sent::Head { stream } if !has_begun(begun, stream) => {
                // The session refuses heads that are too large, and no others.
                refused.push(Refused {
                    stream,
                    status: 431,
                });
            }
            Sent::Reset { stream, .. } if frame.blames_client() => {
                if !has_begun(begun, stream) {
                    refused.push(Refused {
                        stream,
                        status: 400,
                    });
                }
                abuse = scanner.had_to_reset(stream, now).err().or(abuse);
            }
            Sent::GoAway { code: 1.., .. } => error = Some(frame),
            Sent::Head { .. } | Sent::Reset { .. } | Sent::GoAway { .. } => {}
        });
        if let Some(abuse) = abuse {
            self.end_abuse(http2, &abuse);
        }
        if let Some(Sent::GoAway { code, .. }) = error {
            self.log_end(http2, &Reason::from(code));
        }
        for Refused { stream, status } in refused {
            self.note_refused(http2, stream, status);
        }
    }

    /// Ends the connection of a client that wears the server out.
    fn end_abuse(&self, http2: &mut Http2, abuse: &Abuse) {
        self.log_end(http2, abuse);
        http2.session.abort(abuse.reason());
        http2.has_news = true;
    }

    /// Logs why the connection ends, once.
    fn log_end(&self, http2: &mut Http2, why: &dyn Display) {
        if !std::mem::replace(&mut http2.end_logged, true) {
            let address = &self.client.address;
            ::log::warn!("An HTTP/2 connection from ip={address} is ended: {why}");
        }
    }

    /// Logs a stream that the session has refused.
    fn note_refused(&self, http2: &mut Http2, stream: u32, status: u16) {
        http2.note_begun(stream);
        let names = self.context.name_unread();
        let mut refusal = Refusal::of_part(self.client.address.clone(), names, b"");
        refusal.note_status(self.rules().board(), status);
        let what = match status {
            431 => "The fields are too long (http2_max_header_list_size)",
            _ => "The message is malformed",
        };
        ::log::warn!(
            "Invalid request from ip={}{}: {what}",
            self.client.address,
            refusal.note()
        );
        http2.events.push(Event::Refused(Box::new(refusal)));
    }
}

/// True if a stream has become a request, or is older than those that are kept in
/// mind: the session refuses streams at once.
fn has_begun(begun: &VecDeque<u32>, id: u32) -> bool {
    let is_old = || begun.len() == MOST_BEGUN && begun.iter().all(|newer| *newer > id);
    begun.contains(&id) || is_old()
}

impl Http2 {
    /// Keeps in mind that a stream has begun.
    pub fn note_begun(&mut self, id: u32) {
        if self.begun.len() == MOST_BEGUN {
            self.begun.pop_front();
        }
        self.begun.push_back(id);
    }
}
