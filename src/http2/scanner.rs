//! Looks at the frames that a client sends, before the session reads them, for what
//! the session does not limit: floods of frames that cost the server more than the
//! client. It also knows when a head is not whole, and takes out the frames
//! that the session does not know.

use super::abuse::{Abuse, FloodLimits};
use super::frame::{FrameHead, FrameReader, PREFACE, STREAM_BITS, flag, kind, number};
use crate::http::Priority;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// The time in which frames are counted.
const WINDOW: Duration = Duration::from_secs(10);

/// How many bytes of answers pay for one WINDOW_UPDATE or PING frame. Most clients
/// send one for many bytes.
const PRICE: u64 = 1024;

/// The most bytes of answers that can pay at a time: a client that has received much
/// shall not send for nothing later.
const MOST_PAID: u64 = 65_536 * PRICE;

/// The window of a connection at its begin (RFC 9113 section 6.9.2).
const FIRST_WINDOW: i64 = 65_535;

/// How many PRIORITY_UPDATE frames are kept until they are taken.
const MOST_UPDATES: usize = 16;

/// The longest value of a PRIORITY_UPDATE frame that is read.
const LONGEST_VALUE: usize = 64;

/// The scanner of one connection.
#[derive(Debug)]
pub struct Scanner {
    reader: FrameReader,
    seen: Seen,
}

impl Scanner {
    pub fn new(limits: FloodLimits, now: Instant) -> Scanner {
        Scanner {
            reader: FrameReader::new(PREFACE.len(), wanted),
            seen: Seen {
                limits,
                since: now,
                reset: HashSet::new(),
                control_frames: 0,
                begun: false,
                window: FIRST_WINDOW,
                paid: 0,
                in_head: false,
                head_goes_on: false,
                continuations: 0,
                updates: Vec::new(),
            },
        }
    }

    /// Takes the next bytes of the client, from the first one of its preface on.
    ///
    /// # Errors
    /// The client floods the server: the connection is to be closed.
    pub fn received(&mut self, bytes: &[u8], now: Instant) -> Result<(), Abuse> {
        let seen = &mut self.seen;
        seen.renew(now);
        self.reader
            .read(bytes, |head, payload| seen.frame(head, payload))
    }

    /// How many bytes of DATA the client takes at present, on all streams together (RFC
    /// 9113 section 6.9).
    pub fn window(&self) -> i64 {
        self.seen.window
    }

    /// Takes note that the server has sent so many bytes in a DATA frame.
    pub fn sent(&mut self, bytes: usize) {
        self.seen.window -= bytes as i64;
        // Even the smallest frame uses two windows, which the client may open again.
        let price = (bytes as u64).max(2 * PRICE);
        self.seen.paid = self.seen.paid.saturating_add(price).min(MOST_PAID);
    }

    /// Takes note that the server had to reset this stream for a mistake of the client.
    /// That is as cheap for the client, and as dear for the server, as if the client
    /// had reset it (CVE-2025-8671).
    ///
    /// # Errors
    /// As [`received`](Scanner::received).
    pub fn had_to_reset(&mut self, stream: u32, now: Instant) -> Result<(), Abuse> {
        self.seen.renew(now);
        self.seen.count_reset(stream)
    }

    /// True while a head has begun and not ended.
    pub fn is_within_head(&self) -> bool {
        self.seen.in_head && (self.seen.head_goes_on || self.reader.is_within_payload())
    }

    /// The streams whose priority the client has changed since the last call, and the
    /// last priority of each (RFC 9218 section 7.1). A stream may have ended, or not
    /// have begun.
    pub fn take_priority_updates(&mut self) -> Vec<(u32, Priority)> {
        std::mem::take(&mut self.seen.updates)
    }
}

/// What the frames so far have told.
#[derive(Debug)]
struct Seen {
    limits: FloodLimits,
    /// When the counting began.
    since: Instant,
    /// The streams that were reset since then; none are kept if there is no limit.
    reset: HashSet<u32>,
    control_frames: u32,
    /// True once a frame has come.
    begun: bool,
    /// How many bytes of DATA the client takes at present.
    window: i64,
    /// Bytes of answers that pay for WINDOW_UPDATE and PING frames.
    paid: u64,
    /// True if the last frame belongs to a head.
    in_head: bool,
    /// True if that head goes on in another frame.
    head_goes_on: bool,
    /// The CONTINUATION frames of that head.
    continuations: u32,
    updates: Vec<(u32, Priority)>,
}

impl Seen {
    fn renew(&mut self, now: Instant) {
        if now.saturating_duration_since(self.since) >= WINDOW {
            self.since = now;
            self.reset.clear();
            self.control_frames = 0;
        }
    }

    fn frame(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Abuse> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        if is_first && (head.kind != kind::SETTINGS || head.has(flag::ACK)) {
            return Err(Abuse::NoSettings);
        }
        let has_length = match head.kind {
            kind::RST_STREAM | kind::WINDOW_UPDATE => head.length == 4,
            kind::PING => head.length == 8,
            kind::SETTINGS if head.has(flag::ACK) => head.length == 0,
            kind::SETTINGS => head.length.is_multiple_of(6),
            _ => true,
        };
        if !has_length {
            return Err(Abuse::FrameLength);
        }
        if is_first {
            return Ok(());
        }
        self.in_head = matches!(head.kind, kind::HEADERS | kind::CONTINUATION);
        self.head_goes_on = self.in_head && !head.has(flag::END_HEADERS);
        let has_use = match head.kind {
            kind::RST_STREAM => return self.count_reset(head.stream),
            kind::DATA => is_useful(&head, payload),
            kind::HEADERS => {
                self.continuations = 0;
                true
            }
            kind::CONTINUATION => {
                self.continuations += 1;
                self.continuations <= self.limits.continuations()
            }
            kind::WINDOW_UPDATE => {
                if head.stream == 0 {
                    self.window += i64::from(number(payload) & STREAM_BITS);
                }
                self.is_paid()
            }
            // Clients measure the connection with PING while data comes.
            kind::PING => self.is_paid(),
            kind::PRIORITY_UPDATE => {
                self.note_priority(&head, payload);
                false
            }
            // The session ends the connection for the first of them.
            kind::GOAWAY | kind::PUSH_PROMISE => true,
            _ => false,
        };
        match has_use {
            true => Ok(()),
            false => self.count_control_frame(),
        }
    }

    /// Uses a part of what was sent, if there is enough.
    fn is_paid(&mut self) -> bool {
        let rest = self.paid.checked_sub(PRICE);
        self.paid = rest.unwrap_or(self.paid);
        rest.is_some()
    }

    fn note_priority(&mut self, head: &FrameHead, payload: &[u8]) {
        let stream = number(payload) & STREAM_BITS;
        if head.stream != 0 || stream == 0 || head.length > payload.len() {
            return;
        }
        let priority = Priority::parse(&payload[4..]);
        self.updates.retain(|(known, _)| *known != stream);
        if self.updates.len() == MOST_UPDATES {
            self.updates.remove(0);
        }
        self.updates.push((stream, priority));
    }

    /// Counts each stream that is reset once. Some clients reset a stream again for each
    /// frame that was already on its way to them. Those are frames without use.
    fn count_reset(&mut self, stream: u32) -> Result<(), Abuse> {
        let limit = self.limits.resets;
        if limit == 0 {
            return Ok(());
        }
        if !self.reset.insert(stream) {
            return self.count_control_frame();
        }
        match self.reset.len() <= limit as usize {
            true => Ok(()),
            false => Err(Abuse::Resets(limit)),
        }
    }

    fn count_control_frame(&mut self) -> Result<(), Abuse> {
        let limit = self.limits.control_frames;
        self.control_frames = self.control_frames.saturating_add(1);
        match limit == 0 || self.control_frames <= limit {
            true => Ok(()),
            false => Err(Abuse::ControlFrames(limit)),
        }
    }
}

/// What the scanner reads of a frame's payload.
fn wanted(head: &FrameHead) -> usize {
    match head.kind {
        // The length of the padding.
        kind::DATA if head.has(flag::PADDED) => 1,
        kind::PRIORITY_UPDATE => 4 + LONGEST_VALUE,
        kind::WINDOW_UPDATE => 4,
        _ => 0,
    }
}

/// True for a DATA frame that has content, or is the last one of its stream.
fn is_useful(head: &FrameHead, payload: &[u8]) -> bool {
    let padding = match payload {
        [padding] => 1 + usize::from(*padding),
        _ => 0,
    };
    head.length > padding || head.has(flag::END_STREAM)
}

#[cfg(test)]
#[path = "tests/scanner.rs"]
mod tests;
