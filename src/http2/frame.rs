//! The frames of HTTP/2 in bytes that come in pieces (RFC 9113 section 4).

/// The first bytes of every client (RFC 9113 section 3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The bytes before the payload of a frame.
pub const HEAD_LENGTH: usize = 9;

/// The longest payload that every receiver takes (RFC 9113 section 4.2).
pub const SAFE_LENGTH: usize = 16_384;

/// The types of frames (RFC 9113 section 6, RFC 9218 section 7.1).
pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
    pub const PRIORITY_UPDATE: u8 = 0x10;
}

/// The flags of frames (RFC 9113 section 6). `ACK` is one of SETTINGS.
pub mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
}

/// What stands before the payload of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Bytes of the payload.
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
    /// The number of the stream; 0 for the connection.
    pub stream: u32,
}

impl FrameHead {
    pub fn parse(bytes: &[u8; HEAD_LENGTH]) -> FrameHead {
        let [a, b, c, kind, flags, stream @ ..] = *bytes;
        FrameHead {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: number(&stream) & STREAM_BITS,
        }
    }

    /// Appends its bytes to `out`. The length must be below 2^24.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.length as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The bits of a stream's number: the highest one has no meaning.
pub const STREAM_BITS: u32 = u32::MAX >> 1;

/// The number in the first four bytes; 0 if there are fewer.
pub fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |it| u32::from_be_bytes(*it))
}

/// Finds frames, and the first bytes of their payloads.
#[derive(Debug)]
pub struct FrameReader {
    /// Bytes that come before the next frame.
    skip: usize,
    /// The start of a frame: its head, and what is wanted of its payload.
    begun: Vec<u8>,
    wanted: fn(&FrameHead) -> usize,
}

impl FrameReader {
    /// `before` bytes come before the first frame. `wanted` says how many bytes of its
    /// payload a frame is given with.
    pub fn new(before: usize, wanted: fn(&FrameHead) -> usize) -> FrameReader {
        FrameReader {
            skip: before,
            begun: Vec::new(),
            wanted,
        }
    }

    /// Gives `found` each frame, with the bytes that are wanted of its payload, as soon
    /// as these have come.
    ///
    /// # Errors
    /// That of `found`. What follows in `bytes` is not looked at.
    pub fn read<E>(
        &mut self,
        mut bytes: &[u8],
        mut found: impl FnMut(FrameHead, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            take(&mut bytes, self.skip, |skipped| self.skip -= skipped.len());
            let needed = match self.head() {
                Some(head) => HEAD_LENGTH + self.wanted_of(&head),
                None => HEAD_LENGTH,
            };
            take(&mut bytes, needed - self.begun.len(), |more| {
                self.begun.extend_from_slice(more);
            });
            let Some(head) = self.head() else { continue };
            let wanted = self.wanted_of(&head);
            if self.begun.len() == HEAD_LENGTH + wanted {
                self.skip = head.length - wanted;
                let result = found(head, &self.begun[HEAD_LENGTH..]);
                self.begun.clear();
                result?;
            }
        }
        Ok(())
    }

    /// True while the payload of the last frame that was found is not whole.
    pub fn is_within_payload(&self) -> bool {
        self.skip > 0
    }

    fn head(&self) -> Option<FrameHead> {
        self.begun.first_chunk().map(FrameHead::parse)
    }

    fn wanted_of(&self, head: &FrameHead) -> usize {
        (self.wanted)(head).min(head.length)
    }
}

/// Takes at most `most` bytes from the front.
fn take(bytes: &mut &[u8], most: usize, with: impl FnOnce(&[u8])) {
    let (taken, rest) = bytes.split_at(most.min(bytes.len()));
    with(taken);
    *bytes = rest;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with nothing wanted, with a part wanted, and with more wanted than
    /// there is.
    fn bytes() -> Vec<u8> {
        let mut bytes = b"before".to_vec();
        for (length, kind) in [(0, 0), (5, 0), (3, 1), (0, 1), (1, 1), (300, 1)] {
            let head = FrameHead {
                length,
                kind,
                flags: flag::PADDED,
                stream: 7 + kind as u32,
            };
            head.write(&mut bytes);
            bytes.extend((1..=length).map(|n| n as u8));
        }
        bytes
    }

    fn read(pieces: &[&[u8]]) -> Vec<(FrameHead, Vec<u8>)> {
        let wanted = |head: &FrameHead| match head.kind {
            1 => 2,
            _ => 0,
        };
        let mut reader = FrameReader::new(6, wanted);
        let mut frames = Vec::new();
        for piece in pieces {
            let read = reader.read(piece, |head, payload| {
                frames.push((head, payload.to_vec()));
                Ok::<_, ()>(())
            });
            assert_eq!(read, Ok(()));
        }
        assert!(!reader.is_within_payload());
        frames
    }

    #[test]
    fn frames_are_found_in_any_pieces() {
        let bytes = bytes();
        let whole = read(&[&bytes]);
        let seen: Vec<_> = whole
            .iter()
            .map(|(head, payload)| (head.length, head.stream, &payload[..]))
            .collect();
        let expected: [(usize, u32, &[u8]); 6] = [
            (0, 7, &[]),
            (5, 7, &[]),
            (3, 8, &[1, 2]),
            (0, 8, &[]),
            (1, 8, &[1]),
            (300, 8, &[1, 2]),
        ];
        assert_eq!(seen, expected);
        for cut in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(read(&single), whole);
    }

    #[test]
    fn heads_are_written_as_they_are_read() {
        let head = FrameHead {
            length: 0x01_02_03,
            kind: kind::PRIORITY_UPDATE,
            flags: flag::END_HEADERS | flag::PADDED,
            stream: 0x7fff_fffe,
        };
        let mut bytes = Vec::new();
        head.write(&mut bytes);
        assert_eq!(bytes, [1, 2, 3, 0x10, 0xc, 0x7f, 0xff, 0xff, 0xfe]);
        // The highest bit of the stream has no meaning.
        bytes[5] |= 0x80;
        assert_eq!(FrameHead::parse(bytes.first_chunk().unwrap()), head);
        assert!(head.has(flag::PADDED) && !head.has(flag::END_STREAM));
    }
}
