//! Looks at the frames that the server sends. The session resets streams by itself,
//! and tells nobody.

use super::frame::{FrameHead, FrameReader, STREAM_BITS, kind, number};
use std::convert::Infallible;

/// A frame that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Fields of a stream: of an interim response, of a response, or trailers.
    Head { stream: u32 },
    /// A part of a body, of `length` bytes.
    Data { stream: u32, length: usize },
    /// The end of a stream by this error code (RFC 9113 section 7).
    Reset { stream: u32, code: u32 },
    /// The end of the connection after this stream.
    GoAway { last_stream: u32, code: u32 },
}

impl Sent {
    /// True if the server resets a stream for a mistake of the client.
    pub fn blames_client(&self) -> bool {
        matches!(self, Sent::Reset { code, .. } if FAULTS.contains(code))
    }
}

/// PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR and
/// ENHANCE_YOUR_CALM. With REFUSED_STREAM a server also says that it has no time.
const FAULTS: [u32; 5] = [1, 3, 5, 6, 11];

/// The scanner of what one connection sends.
#[derive(Debug)]
pub struct SentScanner {
    reader: FrameReader,
}

impl Default for SentScanner {
    fn default() -> SentScanner {
        let wanted = |head: &FrameHead| match head.kind {
            kind::RST_STREAM => 4,
            kind::GOAWAY => 8,
            _ => 0,
        };
        SentScanner {
            // A server has no preface.
            reader: FrameReader::new(0, wanted),
        }
    }
}

impl SentScanner {
    /// Gives `note` the frames in the next bytes for the client.
    pub fn scan(&mut self, bytes: &[u8], mut note: impl FnMut(Sent)) {
        let Ok(()) = self.reader.read(bytes, |head, payload| {
            let FrameHead { stream, length, .. } = head;
            match head.kind {
                kind::HEADERS => note(Sent::Head { stream }),
                kind::DATA => note(Sent::Data { stream, length }),
                kind::RST_STREAM => note(Sent::Reset {
                    stream,
                    code: number(payload),
                }),
                kind::GOAWAY => note(Sent::GoAway {
                    last_stream: number(payload) & STREAM_BITS,
                    code: number(payload.get(4..).unwrap_or_default()),
                }),
                _ => {}
            }
            Ok::<_, Infallible>(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let head = FrameHead {
            length: payload.len(),
            kind,
            flags: 0,
            stream,
        };
        let mut bytes = Vec::new();
        head.write(&mut bytes);
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn frames_of_interest_are_noted_in_any_pieces() {
        let bytes = [
            frame(kind::SETTINGS, 0, &[0, 3, 0, 0, 0, 100]),
            frame(kind::HEADERS, 1, b"fields"),
            frame(kind::DATA, 1, b"body"),
            frame(kind::RST_STREAM, 3, &[0, 0, 0, 1]),
            frame(kind::WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
            frame(kind::RST_STREAM, 5, &[0, 0, 0, 8]),
            frame(kind::GOAWAY, 0, &[0x80, 0, 0, 5, 0, 0, 0, 11, b'x']),
        ]
        .concat();
        let expected = [
            Sent::Head { stream: 1 },
            Sent::Data {
                stream: 1,
                length: 4,
            },
            Sent::Reset { stream: 3, code: 1 },
            Sent::Reset { stream: 5, code: 8 },
            Sent::GoAway {
                last_stream: 5,
                code: 11,
            },
        ];
        for size in 1..=bytes.len() {
            let mut scanner = SentScanner::default();
            let mut noted = Vec::new();
            for piece in bytes.chunks(size) {
                scanner.scan(piece, |sent| noted.push(sent));
            }
            assert_eq!(noted, expected, "pieces of {size} bytes");
        }
        let blamed = expected.iter().filter(|sent| sent.blames_client());
        assert_eq!(blamed.collect::<Vec<_>>(), [&expected[2]]);
    }
}
