//! Reads a request's body from the bytes of its connection (RFC 9112 sections 6
//! and 7), or from those of its stream (RFC 9113 section 8.1).

use super::chunk;
use super::error::{Error, printable};
use super::field;
use super::framing::Framing;
use super::policy::Limits;

/// What [`BodyDecoder::next`] has found.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyPiece<'a> {
    /// Bytes of the body, at least one.
    Data(&'a [u8]),
    /// All of the input was used; the caller must receive more.
    NeedMore,
    /// The body is complete. Input that is left belongs to the next request.
    End,
}

/// The state of one body.
#[derive(Debug)]
pub struct BodyDecoder {
    state: BodyState,
    limits: Limits,
    /// The received part of an incomplete line of the chunked coding.
    line: Vec<u8>,
    /// Bytes so far of a body without a Content-Length.
    total: u64,
    /// Bytes of chunk extensions so far.
    extensions: usize,
    trailers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The largest size of all chunk extensions of one body. Nobody needs
/// extensions, and without a limit a client could send them for ever.
const MOST_EXTENSIONS: usize = 16 * 1024;

#[derive(Debug)]
enum BodyState {
    /// The bytes left of a body with a Content-Length.
    Length(u64),
    ChunkSize,
    /// The bytes left of a chunk.
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    UntilEnd,
    Done,
}

impl BodyDecoder {
    pub fn new(framing: Framing, limits: &Limits) -> BodyDecoder {
        BodyDecoder {
            state: match framing {
                Framing::Length(length) => BodyState::Length(length),
                Framing::Chunked => BodyState::ChunkSize,
                Framing::UntilEnd => BodyState::UntilEnd,
            },
            limits: *limits,
            line: Vec::new(),
            total: 0,
            extensions: 0,
            trailers: Vec::new(),
        }
    }

    /// Takes the next piece from the front of `input`. After an error the
    /// connection cannot be used any more.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<BodyPiece<'a>, Error> {
        loop {
            match self.state {
                BodyState::Length(0) => self.state = BodyState::Done,
                BodyState::Done => return Ok(BodyPiece::End),
                BodyState::Length(_) | BodyState::ChunkData(_) | BodyState::UntilEnd
                    if input.is_empty() =>
                {
                    return Ok(BodyPiece::NeedMore);
                }
                BodyState::UntilEnd => {
                    self.count(input.len() as u64)?;
                    return Ok(BodyPiece::Data(std::mem::take(input)));
                }
                BodyState::Length(ref mut left) => return Ok(BodyPiece::Data(take(input, left))),
                BodyState::ChunkData(ref mut left) => {
                    let data = take(input, left);
                    if *left == 0 {
                        self.state = BodyState::ChunkEnd;
                    }
                    return Ok(BodyPiece::Data(data));
                }
                BodyState::ChunkSize => {
                    let Some(size) = self.with_line(input, Self::chunk_size)? else {
                        return Ok(BodyPiece::NeedMore);
                    };
                    self.state = if size == 0 {
                        BodyState::Trailers
                    } else {
                        BodyState::ChunkData(size)
                    };
                }
                BodyState::ChunkEnd => {
                    let expected: &[u8] = if self.line.is_empty() { b"\r\n" } else { b"\n" };
                    let length = expected.len().min(input.len());
                    if input[..length] != expected[..length] {
                        return Err(Error::ChunkEnd);
                    }
                    self.line.extend_from_slice(&input[..length]);
                    *input = &input[length..];
                    if self.line.len() < 2 {
                        return Ok(BodyPiece::NeedMore);
                    }
                    self.line.clear();
                    self.state = BodyState::ChunkSize;
                }
                BodyState::Trailers => {
                    let Some(last) = self.with_line(input, Self::trailer)? else {
                        return Ok(BodyPiece::NeedMore);
                    };
                    if last {
                        self.state = BodyState::Done;
                    }
                }
            }
        }
    }

    /// Takes note that the stream of the body has ended.
    pub fn end(&mut self) {
        self.state = BodyState::Done;
    }

    /// True after the end of the body.
    pub fn is_done(&self) -> bool {
        matches!(self.state, BodyState::Done | BodyState::Length(0))
    }

    /// The fields after a chunked body, once the body has ended. Names are as
    /// the client sent them.
    #[cfg_attr(not(test), allow(dead_code, reason = "checked, and given to no app"))]
    pub fn trailers(&self) -> &[(Vec<u8>, Vec<u8>)] {
        &self.trailers
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<u64, Error> {
        let (size, extensions) = chunk::parse_size(line)?;
        self.extensions += extensions.len();
        if self.extensions > MOST_EXTENSIONS {
            return Err(Error::ChunkExtension("too many of them".into()));
        }
        self.count(size)?;
        Ok(size)
    }

    /// Counts bytes of the body.
    fn count(&mut self, bytes: u64) -> Result<(), Error> {
        self.total = self.total.saturating_add(bytes);
        match self.total > self.limits.body {
            true => Err(Error::BodyTooLarge(self.limits.body)),
            false => Ok(()),
        }
    }

    /// Reads a trailer line. True for the empty line after the last trailer.
    fn trailer(&mut self, line: &[u8]) -> Result<bool, Error> {
        if line.is_empty() {
            return Ok(true);
        }
        if self.trailers.len() >= self.limits.fields {
            return Err(Error::TooManyFields(self.limits.fields));
        }
        let (name, value) = field::split(line)?;
        if FORBIDDEN_TRAILERS
            .iter()
            .any(|f| name.eq_ignore_ascii_case(f))
        {
            return Err(Error::Trailer(printable(name)));
        }
        self.trailers.push((name.to_vec(), value.to_vec()));
        Ok(false)
    }

    /// Calls `use_line` with the next complete line, without its CRLF.
    fn with_line<T>(
        &mut self,
        input: &mut &[u8],
        use_line: impl FnOnce(&mut Self, &[u8]) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let limit = self.limits.field_size;
        let end = memchr::memchr(b'\n', input);
        let (part, rest) = input.split_at(end.map_or(input.len(), |end| end + 1));
        *input = rest;
        if self.line.len() + part.len() > limit {
            return Err(match self.state {
                BodyState::ChunkSize => Error::ChunkSize(format!("longer than {limit} bytes")),
                _ => Error::FieldTooLong(limit),
            });
        }
        if end.is_some() && self.line.is_empty() {
            let line = part.strip_suffix(b"\r\n").ok_or(Error::BareLineFeed)?;
            return use_line(self, line).map(Some);
        }
        self.line.extend_from_slice(part);
        if end.is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        use_line(self, line.strip_suffix(b"\r\n").ok_or(Error::BareLineFeed)?).map(Some)
    }
}

/// Fields that would change how the message is framed, routed or trusted
/// (RFC 9110 section 6.5.1).
const FORBIDDEN_TRAILERS: [&[u8]; 6] = [
    b"authorization",
    b"content-length",
    b"host",
    b"te",
    b"trailer",
    b"transfer-encoding",
];

/// Takes at most `left` bytes from the front of `input`.
fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let length = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    let (data, rest) = input.split_at(length);
    *input = rest;
    *left -= length as u64;
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the pieces. Gives the body, whether it has ended, and the unused
    /// input.
    fn feed(framing: Framing, pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), Error> {
        let limits = Limits {
            fields: 2,
            field_size: 30,
            ..Limits::default()
        };
        let mut decoder = BodyDecoder::new(framing, &limits);
        let (mut body, mut left) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut input = *piece;
            loop {
                match decoder.next(&mut input)? {
                    BodyPiece::Data(data) => {
                        assert!(!data.is_empty());
                        body.extend_from_slice(data);
                    }
                    BodyPiece::NeedMore => break assert!(input.is_empty()),
                    BodyPiece::End => break left.extend_from_slice(input),
                }
            }
        }
        Ok((body, decoder.is_done(), left))
    }

    /// As `feed`, after checking that every split of the bytes gives the same.
    fn decode(framing: Framing, bytes: &[u8]) -> Result<(Vec<u8>, bool, Vec<u8>), Error> {
        let whole = feed(framing, &[bytes]);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(feed(framing, &[a, b]), whole, "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(feed(framing, &single), whole);
        whole
    }

    fn chunked(bytes: &str) -> Result<(Vec<u8>, bool, Vec<u8>), Error> {
        decode(Framing::Chunked, bytes.as_bytes())
    }

    #[test]
    fn by_length() {
        let framing = Framing::Length(3);
        assert_eq!(
            decode(framing, b"abcd"),
            Ok((b"abc".to_vec(), true, b"d".to_vec()))
        );
        assert_eq!(decode(framing, b"ab"), Ok((b"ab".to_vec(), false, vec![])));
        assert_eq!(
            decode(Framing::Length(0), b"d"),
            Ok((vec![], true, b"d".to_vec()))
        );
    }

    #[test]
    fn by_chunks() {
        assert_eq!(
            chunked("3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\nnext"),
            Ok((b"abc0123456789".to_vec(), true, b"next".to_vec()))
        );
        assert_eq!(chunked("0\r\n\r\n"), Ok((vec![], true, vec![])));
        assert_eq!(
            chunked("1\r\na\r\n0\r\nX: y\r\nZ: \r\n\r\n"),
            Ok((b"a".to_vec(), true, vec![]))
        );
        assert_eq!(
            chunked("1\r\na\r\n0\r\n"),
            Ok((b"a".to_vec(), false, vec![]))
        );
    }

    #[test]
    fn until_the_end_of_the_stream() {
        let bytes = b"0\r\n\r\n";
        let all = Ok((bytes.to_vec(), false, vec![]));
        assert_eq!(decode(Framing::UntilEnd, bytes), all);
        let limits = Limits {
            body: 5,
            ..Limits::default()
        };
        let mut decoder = BodyDecoder::new(Framing::UntilEnd, &limits);
        assert_eq!(
            decoder.next(&mut &b"abcde"[..]),
            Ok(BodyPiece::Data(b"abcde"))
        );
        assert_eq!(decoder.next(&mut &b""[..]), Ok(BodyPiece::NeedMore));
        assert_eq!(decoder.next(&mut &b"f"[..]), Err(Error::BodyTooLarge(5)));
        assert!(!decoder.is_done());
        decoder.end();
        assert!(decoder.is_done());
        assert_eq!(decoder.next(&mut &b""[..]), Ok(BodyPiece::End));
    }

    #[test]
    fn trailers_are_kept() {
        let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
        let mut input = &b"1\r\na\r\n0\r\nDigest:  x \r\nEmpty:\r\n\r\n"[..];
        while decoder.next(&mut input).unwrap() != BodyPiece::End {}
        let expected = [("Digest", "x"), ("Empty", "")];
        assert_eq!(
            decoder.trailers(),
            expected.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[test]
    fn limits_of_the_whole() {
        let limits = Limits {
            body: 5,
            ..Limits::default()
        };
        let last = |bytes: &str| {
            let mut decoder = BodyDecoder::new(Framing::Chunked, &limits);
            let mut input = bytes.as_bytes();
            loop {
                match decoder.next(&mut input) {
                    Ok(BodyPiece::Data(_)) => {}
                    Ok(piece) => return Ok(piece == BodyPiece::End),
                    Err(error) => return Err(error),
                }
            }
        };
        assert_eq!(last("2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"), Ok(true));
        let large = Err(Error::BodyTooLarge(5));
        assert_eq!(last("2\r\nab\r\n4\r\n"), large);
        assert_eq!(last("2\r\nab\r\nffffffffffffffff\r\n"), large);
        let extension = format!("1;{}\r\na\r\n", "a".repeat(8000));
        assert_eq!(last(&extension.repeat(2)), Ok(false));
        assert!(matches!(
            last(&extension.repeat(3)),
            Err(Error::ChunkExtension(_))
        ));
    }

    #[test]
    fn bad_chunks() {
        assert!(matches!(chunked("x\r\n"), Err(Error::ChunkSize(_))));
        assert!(matches!(chunked("\r\n"), Err(Error::ChunkSize(_))));
        assert!(matches!(chunked("1;\r\n"), Err(Error::ChunkExtension(_))));
        assert_eq!(chunked("1\na"), Err(Error::BareLineFeed));
        assert_eq!(chunked("1\r\nabc"), Err(Error::ChunkEnd));
        assert_eq!(chunked("1\r\na\n"), Err(Error::ChunkEnd));
        assert_eq!(chunked("1\r\na\rb"), Err(Error::ChunkEnd));
        assert_eq!(chunked("0\r\n\n"), Err(Error::BareLineFeed));
        assert!(matches!(chunked(&"0".repeat(31)), Err(Error::ChunkSize(_))));
        assert_eq!(
            chunked(&format!("0\r\nA: {}\r\n", "a".repeat(30))),
            Err(Error::FieldTooLong(30))
        );
        assert_eq!(
            chunked("0\r\nA:a\r\nB:b\r\nC:c\r\n\r\n"),
            Err(Error::TooManyFields(2))
        );
        assert!(matches!(
            chunked("0\r\nX : y\r\n\r\n"),
            Err(Error::FieldName(_))
        ));
        for name in [
            "Host",
            "content-length",
            "TE",
            "Trailer",
            "Authorization",
            "Transfer-Encoding",
        ] {
            assert!(matches!(
                chunked(&format!("0\r\n{name}: 1\r\n\r\n")),
                Err(Error::Trailer(_))
            ));
        }
    }
}
