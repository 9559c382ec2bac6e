//! From a client's bytes to messages (RFC 6455 sections 5.4 to 5.6).

use super::deflate::Inflater;
use super::error::Violation;
use super::extension::Compression;
use super::frame::{LONGEST_HEAD, Opcode, Received};
use std::str;

/// A complete message or control frame. The receiver keeps its bytes until the
/// next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Complete {
    Text,
    Binary,
    Ping,
    Pong,
    Close,
}

/// Makes messages from frames. It holds at most one message.
#[derive(Debug)]
pub(super) struct Receiver {
    inflater: Option<Inflater>,
    /// The largest size of a message in bytes.
    limit: usize,
    /// The received part of an incomplete head.
    head: Vec<u8>,
    frame: Option<Received>,
    message: Option<Message>,
    /// The received part of the message.
    payload: Vec<u8>,
    /// The received part of a control frame, which may come within a message.
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    is_text: bool,
    compressed: bool,
    /// This many bytes of the payload are known to be UTF-8.
    checked: usize,
}

/// A message's buffer of this size is kept for the next one.
const KEPT: usize = 4096;

impl Receiver {
    pub fn new(limit: usize, compression: Option<&Compression>) -> Receiver {
        Receiver {
            inflater: compression.map(Inflater::new),
            limit,
            head: Vec::new(),
            frame: None,
            message: None,
            payload: Vec::new(),
            control: Vec::new(),
        }
    }

    /// Takes bytes from the front of `input` until a message or control frame
    /// is complete; nothing when all bytes are taken. After an error nothing
    /// more can be read.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Complete>, Violation> {
        self.clear_finished();
        loop {
            if self.frame.is_none() && !self.begin_frame(input)? {
                return Ok(None);
            }
            let Some(frame) = &mut self.frame else {
                return Ok(None);
            };
            let length = usize::try_from(frame.length).unwrap_or(usize::MAX);
            let (piece, rest) = input.split_at(length.min(input.len()));
            *input = rest;
            frame.length -= piece.len() as u64;
            let (opcode, ended) = (frame.opcode, frame.length == 0);
            let is_final = frame.is_final;
            if opcode.is_control() {
                let start = self.control.len();
                self.control.extend_from_slice(piece);
                frame.mask.apply(&mut self.control[start..]);
            } else {
                self.take(piece, is_final && ended)?;
            }
            if !ended {
                return Ok(None);
            }
            self.frame = None;
            match opcode {
                Opcode::Ping => return Ok(Some(Complete::Ping)),
                Opcode::Pong => return Ok(Some(Complete::Pong)),
                Opcode::Close => return Ok(Some(Complete::Close)),
                _ if is_final => {
                    let is_text = self.message.take().is_some_and(|message| message.is_text);
                    return Ok(Some(if is_text {
                        Complete::Text
                    } else {
                        Complete::Binary
                    }));
                }
                _ => {}
            }
        }
    }

    /// The payload of the last message.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The last message as text.
    pub fn text(&self) -> Result<&str, Violation> {
        str::from_utf8(&self.payload).map_err(|_| Violation::Text)
    }

    /// The payload of the last control frame.
    pub fn control(&self) -> &[u8] {
        &self.control
    }

    /// Clears the buffers after the caller has used their content.
    fn clear_finished(&mut self) {
        if self.frame.is_none() {
            self.control.clear();
        }
        if self.message.is_none() {
            if self.payload.capacity() > KEPT {
                self.payload = Vec::new();
            }
            self.payload.clear();
        }
    }

    /// Reads a frame's head; false if more bytes are needed.
    fn begin_frame(&mut self, input: &mut &[u8]) -> Result<bool, Violation> {
        let compression = self.inflater.is_some();
        let begun = self.head.len();
        let parsed = if begun == 0 {
            Received::parse(input, compression)?
        } else {
            let more = (LONGEST_HEAD - begun).min(input.len());
            self.head.extend_from_slice(&input[..more]);
            Received::parse(&self.head, compression)?
        };
        let Some((frame, size)) = parsed else {
            if begun == 0 {
                self.head.extend_from_slice(input);
            }
            *input = &[];
            return Ok(false);
        };
        *input = &input[size - begun..];
        self.head.clear();
        self.check(&frame)?;
        self.frame = Some(frame);
        Ok(true)
    }

    /// Checks that a frame may come now, and begins its message.
    fn check(&mut self, frame: &Received) -> Result<(), Violation> {
        match (frame.opcode, &self.message) {
            (Opcode::Continuation, None) => {
                return Err(Violation::Protocol("a continuation of nothing"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(Violation::Protocol("a message within a message"));
            }
            (Opcode::Text | Opcode::Binary, None) => {
                self.message = Some(Message {
                    is_text: frame.opcode == Opcode::Text,
                    compressed: frame.compressed,
                    checked: 0,
                });
            }
            _ => {}
        }
        let is_plain = self.message.is_some_and(|message| !message.compressed);
        let total = (self.payload.len() as u64).saturating_add(frame.length);
        if !frame.opcode.is_control() && is_plain && total > self.limit as u64 {
            return Err(Violation::TooBig(self.limit));
        }
        Ok(())
    }

    /// Adds a piece of a frame to the message. `is_last` is true for the
    /// message's last piece.
    fn take(&mut self, piece: &[u8], is_last: bool) -> Result<(), Violation> {
        let (Some(frame), Some(message)) = (&mut self.frame, &mut self.message) else {
            return Ok(());
        };
        match &mut self.inflater {
            Some(inflater) if message.compressed => {
                let mut piece = piece.to_vec();
                frame.mask.apply(&mut piece);
                inflater.piece(&piece, &mut self.payload, self.limit)?;
                if is_last {
                    inflater.end(&mut self.payload, self.limit)?;
                }
            }
            _ => {
                let start = self.payload.len();
                self.payload.extend_from_slice(piece);
                frame.mask.apply(&mut self.payload[start..]);
            }
        }
        // Invalid text is found at once, before the whole message has come.
        if message.is_text && !is_last {
            message.checked += match str::from_utf8(&self.payload[message.checked..]) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => return Err(Violation::Text),
            };
        }
        Ok(())
    }
}
