//! How long a request's body is (RFC 9112 section 6, RFC 9113 section 8.1.1).

use super::error::{Error, printable};
use super::field;

/// How the end of a request's body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Exactly this many bytes; 0 if the request has no body.
    Length(u64),
    Chunked,
    /// The body ends with its stream (RFC 9113 section 8.1).
    UntilEnd,
}

impl Default for Framing {
    fn default() -> Self {
        Framing::Length(0)
    }
}

/// Collects the values of Content-Length and Transfer-Encoding.
#[derive(Default)]
pub(super) struct FramingFields {
    content_length: Option<u64>,
    codings: Codings,
    /// A coding other than `chunked` and `identity` is used. The app gets the
    /// encoded bytes, and the connection closes after them.
    compressed: bool,
}

/// The transfer codings so far.
#[derive(Default, PartialEq)]
enum Codings {
    #[default]
    None,
    /// `chunked` came once, as the last coding.
    EndChunked,
    /// `chunked` is missing, came twice or is not the last coding.
    Wrong,
    /// Only codings that may come before `chunked`.
    Open,
}

impl FramingFields {
    pub fn content_length(&mut self, value: &[u8]) -> Result<(), Error> {
        let length = parse_length(value).filter(|_| self.content_length.is_none());
        let Some(length) = length else {
            return Err(Error::Field(format!(
                "'Content-Length' {}",
                printable(value)
            )));
        };
        self.content_length = Some(length);
        Ok(())
    }

    /// Every element of the list counts, also an empty one: a proxy may have
    /// read it differently.
    pub fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Error> {
        for name in value.split(|&b| b == b',').map(field::trim) {
            let is = |coding: &[u8]| name.eq_ignore_ascii_case(coding);
            let chunked = is(b"chunked");
            let compressed = [
                &b"gzip"[..],
                b"x-gzip",
                b"deflate",
                b"compress",
                b"x-compress",
            ];
            if compressed.into_iter().any(is) {
                self.compressed = true;
            } else if name.is_empty() {
                return Err(bad_transfer_encoding());
            } else if !chunked && !is(b"identity") {
                return Err(Error::TransferCoding(printable(name)));
            }
            self.codings = match self.codings {
                Codings::None | Codings::Open if chunked => Codings::EndChunked,
                Codings::None | Codings::Open => Codings::Open,
                Codings::EndChunked | Codings::Wrong => Codings::Wrong,
            };
        }
        Ok(())
    }

    /// The framing, and whether the connection must close after the request.
    ///
    /// `Transfer-Encoding` must end in `chunked`, have it once, and come
    /// without a Content-Length and in HTTP/1.1. A proxy could read anything
    /// else differently, which would allow request smuggling.
    pub fn decide(&self, http_1_1: bool) -> Result<(Framing, bool), Error> {
        match self.codings {
            Codings::None => Ok((Framing::Length(self.content_length.unwrap_or(0)), false)),
            Codings::EndChunked if self.content_length.is_none() && http_1_1 => {
                Ok((Framing::Chunked, self.compressed))
            }
            _ => Err(bad_transfer_encoding()),
        }
    }

    /// The framing in HTTP/2, which has no transfer codings. `ends` is true if
    /// the stream ends with the head.
    pub fn decide_for_stream(&self, ends: bool) -> Result<Framing, Error> {
        match self.content_length {
            Some(1..) if ends => Err(Error::UnexpectedEnd),
            _ if ends => Ok(Framing::Length(0)),
            Some(length) => Ok(Framing::Length(length)),
            None => Ok(Framing::UntilEnd),
        }
    }
}

fn bad_transfer_encoding() -> Error {
    Error::Field("'Transfer-Encoding'".into())
}

/// The value of a Content-Length: only digits, and at most 64 bits.
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
