//! How the body of a response is framed (RFC 9112 sections 6 and 7).

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFraming {
    /// No body is sent: HEAD, 1xx, 204, 304.
    Nothing,
    /// This many bytes are still to be sent.
    Length(u64),
    Chunked,
    UntilClose,
    /// The body ends with its stream (HTTP/2).
    UntilEnd,
}

/// The body of a response whose head was made.
#[derive(Debug)]
pub struct ResponseBody {
    framing: BodyFraming,
    keep_alive: bool,
    sent: u64,
    dropped: bool,
}

/// How a block of the body is sent: `prefix`, then the first `length` bytes of
/// the block, then `suffix`. If `length` is 0, all three are empty.
#[derive(Debug)]
pub struct Frame {
    pub prefix: ChunkPrefix,
    pub length: usize,
    pub suffix: &'static [u8],
}

/// A chunk-size line, or nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChunkPrefix {
    bytes: [u8; 18],
    length: u8,
}

impl ChunkPrefix {
    fn of(size: usize) -> ChunkPrefix {
        let mut prefix = ChunkPrefix::default();
        let digits = (size.max(1).ilog2() / 4 + 1) as usize;
        for (place, byte) in prefix.bytes[..digits].iter_mut().rev().enumerate() {
            *byte = b"0123456789abcdef"[size >> (4 * place) & 0xf];
        }
        prefix.bytes[digits..digits + 2].copy_from_slice(b"\r\n");
        prefix.length = digits as u8 + 2;
        prefix
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl ResponseBody {
    pub(super) fn new(framing: BodyFraming, keep_alive: bool) -> ResponseBody {
        ResponseBody {
            framing,
            keep_alive,
            sent: 0,
            dropped: false,
        }
    }

    /// Frames the next `length` bytes of the body. Bytes beyond the
    /// Content-Length are cut off.
    pub fn frame(&mut self, length: usize) -> Frame {
        let mut frame = Frame {
            prefix: ChunkPrefix::default(),
            length,
            suffix: b"",
        };
        match &mut self.framing {
            BodyFraming::Nothing => {
                self.dropped |= length > 0;
                frame.length = 0;
            }
            BodyFraming::Length(left) => {
                frame.length = length.min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= frame.length as u64;
            }
            BodyFraming::Chunked if length > 0 => {
                frame.prefix = ChunkPrefix::of(length);
                frame.suffix = b"\r\n";
            }
            BodyFraming::Chunked | BodyFraming::UntilClose | BodyFraming::UntilEnd => {}
        }
        self.sent += frame.length as u64;
        frame
    }

    /// The bytes that end the body.
    pub fn end(&self) -> &'static [u8] {
        match self.framing {
            BodyFraming::Chunked => b"0\r\n\r\n",
            _ => b"",
        }
    }

    /// The bytes before and after trailers, which end the body; empty if the
    /// framing does not allow trailers (RFC 9112 section 7.1.2).
    pub fn around_trailers(&self) -> (&'static [u8], &'static [u8]) {
        match self.framing {
            BodyFraming::Chunked => (b"0\r\n", b"\r\n"),
            _ => (b"", b""),
        }
    }

    /// True if another request may follow the body. False if the body is
    /// shorter than its Content-Length.
    pub fn keeps_alive(&self) -> bool {
        self.keep_alive && !self.is_short()
    }

    /// True while the body is shorter than its Content-Length.
    pub fn is_short(&self) -> bool {
        matches!(self.framing, BodyFraming::Length(1..))
    }

    /// True if nothing of the body can follow.
    pub fn is_complete(&self) -> bool {
        matches!(self.framing, BodyFraming::Nothing | BodyFraming::Length(0))
    }

    /// True if the app gave a body that cannot be sent, as the response has
    /// none.
    pub fn was_dropped(&self) -> bool {
        self.dropped
    }

    /// The bytes of the body that were sent, without their framing.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunk_sizes() {
        for size in [1, 9, 15, 16, 255, 256, 65_536, usize::MAX] {
            assert_eq!(
                ChunkPrefix::of(size).as_bytes(),
                format!("{size:x}\r\n").as_bytes()
            );
        }
    }
}
