//! What comes from the server.

use std::time::{Duration, Instant};

use super::Http2;
use crate::support::DEADLINE;
use crate::support::http2::frame::{self, Frame, flag, kind, setting};

impl Http2 {
    /// Receives until the condition is true.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so(self) {
            assert!(
                !self.is_closed,
                "the connection was closed before {what}: {:?}",
                self.seen
            );
            self.receive(what, deadline);
        }
    }

    /// The bytes until the end of the connection, whatever they are.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self
            .transport
            .read(&mut self.received, DEADLINE)
            .expect("an end")
            > 0
        {}
        std::mem::take(&mut self.received)
    }

    /// Receives what has come, without waiting.
    #[track_caller]
    pub fn catch_up(&mut self) {
        self.is_closed |= self.transport.read_all(&mut self.received).unwrap();
        while let Some(frame) = Frame::take(&mut self.received) {
            self.take(frame);
        }
    }

    /// Receives one frame, or notices the end.
    #[track_caller]
    pub(super) fn receive(&mut self, what: &str, deadline: Instant) {
        loop {
            if let Some(frame) = Frame::take(&mut self.received) {
                return self.take(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                left > Duration::ZERO,
                "waited in vain for {what}: {:?}",
                self.seen
            );
            match self.transport.read(&mut self.received, left) {
                Ok(0) => {
                    self.is_closed = true;
                    return;
                }
                Ok(_) => {}
                Err(error) => panic!("waited in vain for {what} ({error}): {:?}", self.seen),
            }
        }
    }

    #[track_caller]
    fn take(&mut self, frame: Frame) {
        self.seen.push_back(format!("{frame:?}"));
        if self.seen.len() > 20 {
            self.seen.pop_front();
        }
        assert!(frame.payload.len() <= self.largest, "too large: {frame:?}");
        assert_eq!(
            (frame.kind == kind::CONTINUATION).then_some(frame.stream),
            self.block.as_ref().map(|&(stream, ..)| stream),
            "a block of fields is in pieces: {:?}",
            self.seen
        );
        let may_be_first = [kind::SETTINGS, kind::GOAWAY].contains(&frame.kind);
        assert!(self.has_settings || may_be_first, "section 3.4: {frame:?}");
        match frame.kind {
            kind::DATA => self.take_data(&frame),
            kind::HEADERS | kind::CONTINUATION => self.take_fields(&frame),
            kind::RST_STREAM => {
                let answer = self.answers.entry(frame.stream).or_default();
                answer.reset = Some(frame.number(0));
            }
            kind::SETTINGS if frame.has(flag::ACK) => {
                let ours = self.announced.pop_front().expect("we have sent settings");
                for (id, value) in pairs(&ours) {
                    match id {
                        setting::INITIAL_WINDOW_SIZE => self.theirs.set_initial(value),
                        setting::HEADER_TABLE_SIZE => self.decoder.allow(value as usize),
                        setting::MAX_FRAME_SIZE => self.largest = value as usize,
                        _ => {}
                    }
                }
            }
            kind::SETTINGS => self.take_settings(&frame),
            kind::PING if frame.has(flag::ACK) => self.pongs.push(frame.payload),
            kind::PING if self.is_polite => {
                self.send(Frame::new(kind::PING, flag::ACK, 0, frame.payload));
            }
            kind::GOAWAY => self.goaway = Some((frame.number(0), frame.number(4))),
            kind::WINDOW_UPDATE => self.ours.give(frame.stream, frame.number(0)),
            kind::PUSH_PROMISE => panic!("nobody asked for {frame:?}"),
            _ => {}
        }
    }

    #[track_caller]
    fn take_data(&mut self, frame: &Frame) {
        let size = frame.payload.len();
        self.theirs.take(frame.stream, size);
        let left = self.theirs.left(frame.stream);
        assert!(
            size == 0 || left >= 0,
            "more than the window: {:?}",
            self.seen
        );
        let answer = self.answers.entry(frame.stream).or_default();
        answer.push_data(frame.content(), frame.has(flag::END_STREAM));
        if !self.is_polite {
            return;
        }
        let has_ended = frame.has(flag::END_STREAM);
        for stream in [Some(0), (!has_ended).then_some(frame.stream)]
            .into_iter()
            .flatten()
        {
            if let Some(size) = self.theirs.due(stream) {
                self.send(frame::window_update(stream, size));
            }
        }
    }

    #[track_caller]
    fn take_fields(&mut self, frame: &Frame) {
        let skipped = if frame.kind == kind::HEADERS && frame.has(flag::PRIORITY) {
            5
        } else {
            0
        };
        let ends = frame.kind == kind::HEADERS && frame.has(flag::END_STREAM);
        let (stream, ends, mut block) =
            self.block
                .take()
                .unwrap_or((frame.stream, ends, Vec::new()));
        block.extend(&frame.content()[skipped..]);
        if frame.has(flag::END_HEADERS) {
            let fields = self
                .decoder
                .decode(&block)
                .expect("the fields are well coded");
            self.answers
                .entry(stream)
                .or_default()
                .push_fields(fields, ends);
        } else {
            self.block = Some((stream, ends, block));
        }
    }

    fn take_settings(&mut self, frame: &Frame) {
        for (id, value) in pairs(frame) {
            self.settings.insert(id, value);
            if id == setting::INITIAL_WINDOW_SIZE {
                self.ours.set_initial(value);
            }
        }
        self.has_settings = true;
        if self.is_polite {
            self.send(Frame::new(kind::SETTINGS, flag::ACK, 0, []));
        }
    }
}

/// The settings in a frame.
fn pairs(frame: &Frame) -> impl Iterator<Item = (u16, u32)> {
    let (pairs, _) = frame.payload.as_chunks::<6>();
    let pair = |&[a, b, c, d, e, f]: &[u8; 6]| {
        (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))
    };
    pairs.iter().map(pair)
}
