//! Frames (RFC 9113, section 4.1), also such as nobody may send.

use std::fmt;

/// Types of frames (section 6), and of others that the server should know or pass over.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    /// RFC 9218, section 7.1.
    pub const PRIORITY_UPDATE: u8 = 0x10;
    /// Nobody has defined it.
    pub const UNKNOWN: u8 = 0xfa;
}

pub mod flag {
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 0x20;
}

/// Identifiers of settings (section 6.5.2).
pub mod setting {
    pub const HEADER_TABLE_SIZE: u16 = 1;
    pub const ENABLE_PUSH: u16 = 2;
    pub const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub const INITIAL_WINDOW_SIZE: u16 = 4;
    pub const MAX_FRAME_SIZE: u16 = 5;
    pub const MAX_HEADER_LIST_SIZE: u16 = 6;
}

/// Error codes (section 7).
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const FLOW_CONTROL_ERROR: u32 = 3;
    pub const STREAM_CLOSED: u32 = 5;
    pub const FRAME_SIZE_ERROR: u32 = 6;
    pub const REFUSED_STREAM: u32 = 7;
    pub const CANCEL: u32 = 8;
    pub const COMPRESSION_ERROR: u32 = 9;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// The largest frame before any SETTINGS (section 4.2).
pub const MAX_FRAME_SIZE: usize = 16_384;

/// The size of each window before any SETTINGS (section 6.9.2).
pub const INITIAL_WINDOW: usize = 65_535;

/// The largest size of a window (section 6.9.1).
pub const MAX_WINDOW: u32 = i32::MAX as u32;

#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// With these flags, too.
    pub fn with(mut self, flags: u8) -> Self {
        self.flags |= flags;
        self
    }

    /// Without these flags.
    pub fn without(mut self, flags: u8) -> Self {
        self.flags &= !flags;
        self
    }

    /// The last one of its stream.
    pub fn ends(self) -> Self {
        self.with(flag::END_STREAM)
    }

    /// With padding (section 6.1).
    pub fn padded(mut self, length: u8) -> Self {
        self.payload.insert(0, length);
        self.payload
            .resize(self.payload.len() + usize::from(length), 0);
        self.with(flag::PADDED)
    }

    /// A HEADERS frame with the obsolete fields of priority (section 6.2).
    pub fn prioritised(mut self, dependency: u32, weight: u8) -> Self {
        let fields = priority_payload(dependency, false, weight);
        self.payload.splice(0..0, fields);
        self.with(flag::PRIORITY)
    }

    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_of_length(self.payload.len())
    }

    /// The bytes, with another length in their head.
    pub fn bytes_of_length(&self, length: usize) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(length).unwrap().to_be_bytes();
        let mut bytes = vec![high, middle, low, self.kind, self.flags];
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Takes the first frame from what was received, if it is whole.
    pub fn take(received: &mut Vec<u8>) -> Option<Self> {
        let &[high, middle, low, kind, flags, a, b, c, d] = received.first_chunk()?;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        let payload = received.get(9..9 + length)?.to_vec();
        received.drain(..9 + length);
        let stream = u32::from_be_bytes([a, b, c, d]) & MAX_WINDOW;
        Some(Self::new(kind, flags, stream, payload))
    }

    /// The number in four bytes of the payload.
    pub fn number(&self, place: usize) -> u32 {
        let bytes = self
            .payload
            .get(place..place + 4)
            .expect("the payload is long enough");
        u32::from_be_bytes(bytes.try_into().unwrap())
    }

    /// The payload without padding.
    pub fn content(&self) -> &[u8] {
        match self.payload.split_first() {
            Some((&padding, rest)) if self.has(flag::PADDED) => {
                &rest[..rest.len() - usize::from(padding)]
            }
            _ => &self.payload,
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; 10] = [
            "DATA",
            "HEADERS",
            "PRIORITY",
            "RST_STREAM",
            "SETTINGS",
            "PUSH_PROMISE",
            "PING",
            "GOAWAY",
            "WINDOW_UPDATE",
            "CONTINUATION",
        ];
        match NAMES.get(usize::from(self.kind)) {
            Some(name) => to.write_str(name)?,
            None => write!(to, "type {}", self.kind)?,
        }
        write!(to, " of stream {}, flags {:#x}, ", self.stream, self.flags)?;
        match self.payload.len() {
            0..=40 => write!(to, "\"{}\"", self.payload.escape_ascii()),
            length => write!(to, "{length} bytes"),
        }
    }
}

pub fn data(stream: u32, bytes: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::DATA, 0, stream, bytes)
}

/// A HEADERS frame with the whole block.
pub fn headers(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::HEADERS, flag::END_HEADERS, stream, block)
}

/// A CONTINUATION frame that ends the block.
pub fn continuation(stream: u32, block: impl Into<Vec<u8>>) -> Frame {
    Frame::new(kind::CONTINUATION, flag::END_HEADERS, stream, block)
}

pub fn priority(stream: u32, dependency: u32, is_exclusive: bool, weight: u8) -> Frame {
    let payload = priority_payload(dependency, is_exclusive, weight);
    Frame::new(kind::PRIORITY, 0, stream, payload)
}

pub fn reset(stream: u32, code: u32) -> Frame {
    Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

pub fn settings(pairs: &[(u16, u32)]) -> Frame {
    let mut payload = Vec::new();
    for (id, value) in pairs {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    Frame::new(kind::SETTINGS, 0, 0, payload)
}

pub fn ping(content: [u8; 8]) -> Frame {
    Frame::new(kind::PING, 0, 0, content)
}

pub fn goaway(last_stream: u32, code: u32) -> Frame {
    let payload = [last_stream.to_be_bytes(), code.to_be_bytes()].concat();
    Frame::new(kind::GOAWAY, 0, 0, payload)
}

pub fn window_update(stream: u32, increment: u32) -> Frame {
    Frame::new(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

fn priority_payload(dependency: u32, is_exclusive: bool, weight: u8) -> Vec<u8> {
    let dependency = dependency | if is_exclusive { 1 << 31 } else { 0 };
    let mut payload = dependency.to_be_bytes().to_vec();
    payload.push(weight);
    payload
}
