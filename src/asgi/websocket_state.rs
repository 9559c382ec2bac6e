//! The state of a WebSocket, from its handshake to its end.

use super::link::{Link, ReadOutcome};
use super::response::AppResponse;
use crate::exchange::{Finished, Response};
use crate::http::{ResponseError, ResponseHead, Status};
use crate::websocket::{self, CloseCode, Endpoint, EndpointOptions, Handshake};
use pyo3::exceptions::PyConnectionResetError;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::io::IoSlice;

/// How many messages, and bytes, are decoded ahead for an app that does not
/// receive: enough to see pings and the end. After that the client has to wait.
const MOST_QUEUED: usize = 32;
const MOST_QUEUED_BYTES: usize = 64 * 1024;

/// The state of a WebSocket.
pub struct WebSocketState {
    /// Nothing once the connection has ended.
    pub link: Option<Link>,
    pub phase: Phase,
    handshake: Handshake,
    /// The status that accepts the handshake.
    status: u16,
    max_message_size: usize,
    /// Received bytes. Those before `taken` are decoded.
    raw: Vec<u8>,
    taken: usize,
    pub queue: VecDeque<Queued>,
    pub queued_bytes: usize,
    /// Why no message comes any more, once the WebSocket has ended.
    pub end: Option<(CloseCode, String)>,
    /// A ping was sent, and nothing has come since.
    pub silent: bool,
    pub bytes_sent: u64,
}

/// What a WebSocket is doing.
#[allow(clippy::large_enum_variant, reason = "a connection has one, for good")]
pub enum Phase {
    /// The app has not answered the handshake. `told` is true once it has
    /// received `websocket.connect`.
    Connecting {
        told: bool,
    },
    /// The app answers with an HTTP response instead.
    Denied(AppResponse),
    Open(Box<Endpoint>),
    Closed,
}

/// A message that waits for the app.
pub enum Queued {
    Text(String),
    Binary(Vec<u8>),
}

impl WebSocketState {
    pub fn new(link: Link, handshake: Handshake, max_message_size: usize) -> WebSocketState {
        let status = match link.exchange().head.protocol() {
            // RFC 8441 section 5.
            Some(_) => Status::OK.code,
            None => Status::SWITCHING_PROTOCOLS.code,
        };
        WebSocketState {
            link: Some(link),
            phase: Phase::Connecting { told: false },
            handshake,
            status,
            max_message_size,
            raw: Vec::new(),
            taken: 0,
            queue: VecDeque::new(),
            queued_bytes: 0,
            end: None,
            silent: false,
            bytes_sent: 0,
        }
    }

    /// The head that accepts the handshake, without fields of the app and of
    /// [`upgrade`](WebSocketState::upgrade).
    pub fn head(&self) -> Result<ResponseHead, ResponseError> {
        match self.status == Status::OK.code {
            true => ResponseHead::with_code(self.status),
            false => ResponseHead::switching_to("websocket"),
        }
    }

    /// Accepts the handshake with this head, to which the server's own fields
    /// are added.
    pub fn upgrade(&mut self, mut head: ResponseHead) -> Result<(), ResponseError> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        for (name, value) in self.handshake.answer() {
            head.add(name.as_bytes(), value.as_bytes())?;
        }
        let mut response = Response::new(link.exchange());
        response.set_head(head);
        link.upgrade();
        self.phase = Phase::Open(Box::new(Endpoint::new(&EndpointOptions {
            max_message_size: self.max_message_size,
            compression: self.handshake.compression,
        })));
        self.handshake = Handshake::default();
        let sent = response.send(&**link.exchange().stream(), &[], false);
        if link.written(sent).is_err() {
            self.end(CloseCode::ABNORMAL, "");
        }
        Ok(())
    }

    pub fn write(&mut self, parts: &[&[u8]]) {
        let Some(link) = &mut self.link else {
            return;
        };
        let mut slices = [IoSlice::new(b""); 2];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        let stream = link.exchange().stream();
        let written = stream.write(&mut slices[..parts.len()]);
        if link.written(written).is_err() {
            self.end(CloseCode::ABNORMAL, "");
        }
    }

    pub fn close(&mut self, code: CloseCode, reason: &str) {
        if let Phase::Open(socket) = &mut self.phase
            && let Some(frame) = socket.close(code, reason)
        {
            self.write(&[&frame]);
            // The client's close frame may be there already.
            self.fill_queue();
        }
    }

    /// No message comes any more, and nothing can be sent.
    pub fn end(&mut self, code: CloseCode, reason: &str) {
        if self.end.is_none() {
            self.end = Some((code, reason.to_owned()));
        }
        self.phase = Phase::Closed;
        if let Some(link) = self.link.take() {
            link.finish(&Finished::own(self.status, self.bytes_sent));
        }
    }

    /// Calls `take` with the next input, until it gives something. Gives
    /// nothing while there is no input.
    pub fn next<T>(
        &mut self,
        mut take: impl FnMut(websocket::Incoming<'_>) -> Option<T>,
    ) -> Option<T> {
        loop {
            let WebSocketState {
                link: Some(_),
                phase: Phase::Open(socket),
                raw,
                taken,
                ..
            } = self
            else {
                return None;
            };
            let mut input = &raw[*taken..];
            let mut closed = None;
            let event = socket.next(&mut input);
            let nothing = event.is_none();
            let found = event.and_then(|event| match event {
                websocket::Incoming::Closed(code, reason) => {
                    closed = Some((code, reason.into_owned()));
                    None
                }
                event => take(event),
            });
            *taken = raw.len() - input.len();
            let answers = socket.take_answers();
            if !answers.is_empty() {
                self.write(&[&answers]);
            }
            if let Some((code, reason)) = closed {
                self.end(code, &reason);
            }
            if found.is_some() {
                return found;
            }
            if nothing && !self.receive() {
                return None;
            }
        }
    }

    /// Receives more bytes to decode; false if there are none now.
    fn receive(&mut self) -> bool {
        self.raw.clear();
        self.taken = 0;
        let Some(link) = &mut self.link else {
            return false;
        };
        match link.read_upgraded(&mut self.raw) {
            Ok(ReadOutcome::Some) => {
                self.silent = false;
                true
            }
            Ok(ReadOutcome::Waiting) => {
                // An idle connection keeps no buffer.
                self.raw = Vec::new();
                false
            }
            Ok(ReadOutcome::Ended) | Err(_) => {
                self.end(CloseCode::ABNORMAL, "");
                false
            }
        }
    }

    pub fn fill_queue(&mut self) {
        while self.queue.len() < MOST_QUEUED && self.queued_bytes < MOST_QUEUED_BYTES {
            let message = self.next(|event| match event {
                websocket::Incoming::Text(text) => Some(Queued::Text(text.to_owned())),
                websocket::Incoming::Binary(bytes) => Some(Queued::Binary(bytes.to_owned())),
                _ => None,
            });
            let Some(message) = message else { return };
            self.queued_bytes += message.len();
            self.queue.push_back(message);
        }
    }

    /// To send to a client that is gone is an OSError (version 2.4).
    pub fn check_connected(&self) -> PyResult<()> {
        match &self.end {
            Some((code, _)) => Err(PyConnectionResetError::new_err(format!(
                "the WebSocket has ended with code {}",
                code.0
            ))),
            None => Ok(()),
        }
    }
}

impl Queued {
    pub fn len(&self) -> usize {
        match self {
            Queued::Text(text) => text.len(),
            Queued::Binary(bytes) => bytes.len(),
        }
    }
}
