//! One WebSocket after its handshake: a small state machine around frames
//! (RFC 6455 section 7).

use super::close;
use super::close_code::CloseCode;
use super::deflate::Deflater;
use super::error::Violation;
use super::extension::Compression;
use super::frame::{FrameHead, Opcode};
use super::receiver::{Complete, Receiver};
use std::borrow::Cow;

/// The agreed compression, and the server's limit.
#[derive(Clone, Copy, Debug)]
pub struct EndpointOptions {
    /// The most bytes of a message, after decompression.
    pub max_message_size: usize,
    pub compression: Option<Compression>,
}

/// What the client has sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// A pong, or a ping: the client is there.
    Pong,
    /// No message comes any more. If the client broke the rules, this is the
    /// code that the server has sent.
    Closed(CloseCode, Cow<'a, str>),
}

/// A message of the app.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// A frame to be sent: its head, then its payload.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub head: FrameHead,
    pub payload: Cow<'a, [u8]>,
}

/// The state of the closing handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClosingState {
    Open,
    /// The server's close frame was made; the client's has not come.
    Closing,
    /// Both close frames were made, or the client broke the rules.
    Closed,
}

/// The server's end of a WebSocket.
#[derive(Debug)]
pub struct Endpoint {
    state: ClosingState,
    receiver: Receiver,
    deflater: Option<Deflater>,
    answers: Vec<u8>,
}

/// Shorter messages are not compressed, because they would hardly get smaller.
const WORTH_COMPRESSING: usize = 128;

/// The largest size of unsent pongs, for a client that does not read them.
const MOST_ANSWERS: usize = 64 * 1024;

impl Endpoint {
    pub fn new(options: &EndpointOptions) -> Endpoint {
        let compression = options.compression.as_ref();
        Endpoint {
            state: ClosingState::Open,
            receiver: Receiver::new(options.max_message_size, compression),
            deflater: compression.map(Deflater::new),
            answers: Vec::new(),
        }
    }

    /// Takes the client's bytes from the front of `input`, up to the next
    /// message or close. Nothing when all bytes are taken.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Incoming<'_>> {
        let whole = loop {
            if self.state == ClosingState::Closed {
                *input = &[];
                return None;
            }
            match self.receiver.next(input) {
                Ok(None) => return None,
                Ok(Some(Complete::Ping)) => {
                    if self.state == ClosingState::Open && self.answers.len() < MOST_ANSWERS {
                        put(&mut self.answers, Opcode::Pong, self.receiver.control());
                    }
                }
                // The app has closed, and gets no more messages.
                Ok(Some(Complete::Text | Complete::Binary))
                    if self.state == ClosingState::Closing => {}
                Ok(Some(whole)) => break whole,
                Err(violation) => {
                    return Some(fail(&mut self.state, &mut self.answers, &violation));
                }
            }
        };
        let event = match whole {
            Complete::Text => self.receiver.text().map(Incoming::Text),
            Complete::Binary => Ok(Incoming::Binary(self.receiver.payload())),
            Complete::Close => close::parse(self.receiver.control()).map(|(code, reason)| {
                if self.state == ClosingState::Open {
                    put_close(&mut self.answers, code, "");
                }
                self.state = ClosingState::Closed;
                Incoming::Closed(code, Cow::Borrowed(reason))
            }),
            Complete::Ping | Complete::Pong => Ok(Incoming::Pong),
        };
        Some(event.unwrap_or_else(|violation| fail(&mut self.state, &mut self.answers, &violation)))
    }

    /// Frames that the protocol requires the server to send, in their order.
    pub fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.answers)
    }

    /// True while messages may be sent.
    pub fn is_open(&self) -> bool {
        self.state == ClosingState::Open
    }

    /// True once nothing more is received, or sent except the collected
    /// answers.
    #[allow(dead_code, reason = "tests and the fuzzer ask")]
    pub fn is_closed(&self) -> bool {
        self.state == ClosingState::Closed
    }

    /// The frame of a message.
    pub fn message<'a>(&mut self, payload: Payload<'a>) -> Outgoing<'a> {
        let (opcode, bytes) = match payload {
            Payload::Text(text) => (Opcode::Text, text.as_bytes()),
            Payload::Binary(bytes) => (Opcode::Binary, bytes),
        };
        let (payload, compressed) = match &mut self.deflater {
            Some(deflater) if bytes.len() >= WORTH_COMPRESSING => {
                (Cow::Owned(deflater.compress(bytes)), true)
            }
            _ => (Cow::Borrowed(bytes), false),
        };
        Outgoing {
            head: FrameHead::new(opcode, compressed, payload.len()),
            payload,
        }
    }

    /// A ping frame, to see whether the client is there.
    pub fn ping(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        put(&mut frame, Opcode::Ping, b"");
        frame
    }

    /// The close frame. The client's answer to it is an [`Incoming::Closed`].
    /// Nothing if one was sent already. A reason that is too long is cut.
    pub fn close(&mut self, code: CloseCode, reason: &str) -> Option<Vec<u8>> {
        if self.state != ClosingState::Open {
            return None;
        }
        self.state = ClosingState::Closing;
        let mut frame = Vec::new();
        put_close(&mut frame, code, reason);
        Some(frame)
    }
}

/// The client broke the rules: the connection fails with a close frame (RFC
/// 6455 section 7.1.7).
fn fail(
    state: &mut ClosingState,
    answers: &mut Vec<u8>,
    violation: &Violation,
) -> Incoming<'static> {
    let (code, reason) = (violation.close_code(), violation.to_string());
    if *state == ClosingState::Open {
        put_close(answers, code, &reason);
    }
    *state = ClosingState::Closed;
    Incoming::Closed(code, reason.into())
}

fn put(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.extend_from_slice(FrameHead::new(opcode, false, payload.len()).as_bytes());
    out.extend_from_slice(payload);
}

/// A close frame without a code is answered by one without a code.
fn put_close(out: &mut Vec<u8>, code: CloseCode, reason: &str) {
    let mut payload = Vec::new();
    if code != CloseCode::NONE {
        payload.extend_from_slice(&code.0.to_be_bytes());
        payload.extend_from_slice(close::cut(reason).as_bytes());
    }
    put(out, Opcode::Close, &payload);
}
