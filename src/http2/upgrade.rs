//! The change from HTTP/1.1 to HTTP/2 on a connection without TLS (RFC 7540 section
//! 3.2).
//!
//! The session knows only connections that begin with HTTP/2. So it gets the request of
//! HTTP/1.1 as the frames that it would have been.

use super::frame::{FrameHead, HEAD_LENGTH, PREFACE, SAFE_LENGTH, flag, kind};
use crate::http::{Framing, Head, Version};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// Why a connection cannot change to HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    #[error("Invalid header: 'HTTP2-Settings'")]
    Settings,
    #[error("The client's first bytes of HTTP/2 are not its preface")]
    Preface,
    #[error("The client's first frame of HTTP/2 is not SETTINGS")]
    FirstFrame,
}

/// The value of `HTTP2-Settings`, if a request asks for HTTP/2 and has no body.
pub fn asked(head: &Head) -> Option<&[u8]> {
    let mut settings = values(head, b"http2-settings");
    let first = settings.next()?;
    let asks = head.version() == Version::Http11
        && head.framing() == Framing::Length(0)
        && lists(head, b"upgrade", b"h2c")
        && lists(head, b"connection", b"upgrade")
        && lists(head, b"connection", b"http2-settings")
        && settings.next().is_none();
    asks.then_some(first)
}

/// One change to HTTP/2. The 101 response is the owner's.
#[derive(Debug)]
pub struct Upgrade {
    /// Nothing once the session has its first bytes.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// The payload of a SETTINGS frame, from the request.
    settings: Vec<u8>,
    /// The request as frames.
    request: Vec<u8>,
    /// What the client has sent after its request.
    received: Vec<u8>,
}

impl Upgrade {
    /// `settings` is the value of `HTTP2-Settings`.
    ///
    /// # Errors
    /// It is not valid. The answer is 400.
    pub fn new(settings: &[u8], head: &Head) -> Result<Upgrade, UpgradeError> {
        let settings = BASE64_URL_SAFE_NO_PAD.decode(settings);
        let settings = settings.map_err(|_| UpgradeError::Settings)?;
        if !settings.len().is_multiple_of(SETTING) || settings.len() > SAFE_LENGTH / 2 {
            return Err(UpgradeError::Settings);
        }
        Ok(Upgrade {
            waiting: Some(Waiting {
                settings,
                request: frames_of(head),
                received: Vec::new(),
            }),
        })
    }

    /// Takes the next bytes of the client. Gives what the session is to receive,
    /// nothing before the client's preface and its first frame are there.
    ///
    /// # Errors
    /// The client does not speak HTTP/2. The connection is to be closed.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Vec<u8>>, UpgradeError> {
        let Some(waiting) = &mut self.waiting else {
            return Ok(Some(bytes.to_vec()));
        };
        waiting.received.extend_from_slice(bytes);
        let first = waiting.first_bytes()?;
        if first.is_some() {
            self.waiting = None;
        }
        Ok(first)
    }
}

impl Waiting {
    fn first_bytes(&self) -> Result<Option<Vec<u8>>, UpgradeError> {
        let begun = self.received.len().min(PREFACE.len());
        if self.received[..begun] != PREFACE[..begun] {
            return Err(UpgradeError::Preface);
        }
        let frame = &self.received[begun..];
        let Some(head) = frame.first_chunk().map(FrameHead::parse) else {
            return Ok(None);
        };
        let is_settings = head.kind == kind::SETTINGS
            && !head.has(flag::ACK)
            && head.stream == 0
            && head.length.is_multiple_of(SETTING)
            && head.length <= SAFE_LENGTH / 2;
        if !is_settings {
            return Err(UpgradeError::FirstFrame);
        }
        let Some((payload, rest)) = frame[HEAD_LENGTH..].split_at_checked(head.length) else {
            return Ok(None);
        };
        let mut bytes = PREFACE.to_vec();
        // One frame, as the client expects one acknowledgement. Later settings
        // replace earlier ones.
        FrameHead {
            length: self.settings.len() + payload.len(),
            ..head
        }
        .write(&mut bytes);
        for part in [&self.settings, payload, &self.request, rest] {
            bytes.extend_from_slice(part);
        }
        Ok(Some(bytes))
    }
}

/// The bytes of one setting in a SETTINGS frame (RFC 9113 section 6.5.1).
const SETTING: usize = 6;

/// The request as frames of stream 1, which ends with them.
fn frames_of(head: &Head) -> Vec<u8> {
    let block = block_of(head);
    let mut frames = Vec::with_capacity(block.len() + HEAD_LENGTH);
    let mut parts = block.chunks(SAFE_LENGTH).peekable();
    let mut kind = kind::HEADERS;
    let mut flags = flag::END_STREAM;
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            flags |= flag::END_HEADERS;
        }
        FrameHead {
            length: part.len(),
            kind,
            flags,
            stream: 1,
        }
        .write(&mut frames);
        frames.extend_from_slice(part);
        kind = kind::CONTINUATION;
        flags = 0;
    }
    frames
}

/// The fields of a request in HPACK, in its simplest form (RFC 7541 section 6.2.2).
fn block_of(head: &Head) -> Vec<u8> {
    let mut block = Vec::new();
    let mut add = |name: &[u8], value: &[u8]| {
        block.push(0);
        add_string(&mut block, &name.to_ascii_lowercase());
        add_string(&mut block, value);
    };
    add(b":method", head.method());
    // There is no TLS: a trusted proxy may state another scheme in a field.
    add(b":scheme", b"http");
    if let Some(host) = head.field("host").filter(|host| !host.is_empty()) {
        add(b":authority", host);
    }
    add(b":path", &path_of(head));
    for (name, value) in head.fields() {
        if !is_for_connection(head, name, value) {
            add(name, value);
        }
    }
    block
}

/// The target in the only form that HTTP/2 has.
fn path_of(head: &Head) -> Vec<u8> {
    let (path, query) = (head.path(), head.query());
    let path = if path.is_empty() { b"/" } else { path };
    match query.is_empty() {
        true => path.to_vec(),
        false => [path, query].join(&b'?'),
    }
}

/// True for a field that HTTP/2 has not, or has in another form (RFC 9113 section
/// 8.2.2).
fn is_for_connection(head: &Head, name: &[u8], value: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] = [
        b"host",
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    ];
    match name.eq_ignore_ascii_case(b"te") {
        true => !value.eq_ignore_ascii_case(b"trailers"),
        false => {
            NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
                || lists(head, b"connection", name)
        }
    }
}

/// A string of HPACK without Huffman coding (RFC 7541 section 5.2).
fn add_string(block: &mut Vec<u8>, bytes: &[u8]) {
    const PREFIX: usize = 0x7f;
    match bytes.len().checked_sub(PREFIX) {
        None => block.push(bytes.len() as u8),
        Some(mut rest) => {
            block.push(PREFIX as u8);
            while rest >= 0x80 {
                block.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            block.push(rest as u8);
        }
    }
    block.extend_from_slice(bytes);
}

/// The values of all fields of this name.
fn values<'a>(head: &'a Head, name: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let same = move |field: &(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name);
    head.fields().filter(same).map(|(_, value)| value)
}

/// True if this word is in the list that fields of this name are.
fn lists(head: &Head, name: &[u8], word: &[u8]) -> bool {
    values(head, name)
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|element| element.trim_ascii().eq_ignore_ascii_case(word))
}

#[cfg(test)]
#[path = "tests/upgrade.rs"]
mod tests;
