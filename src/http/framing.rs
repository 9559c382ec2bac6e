//! How long a request's body is (RFC 9112 section 6).

use super::error::{Error, printable};
use super::field;

/// How the end of a request body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Exactly this many bytes; 0 where the request says nothing of a body.
    Length(u64),
    Chunked,
}

impl Default for Framing {
    fn default() -> Self {
        Framing::Length(0)
    }
}

/// Gathers Content-Length and Transfer-Encoding as the fields go by.
#[derive(Default)]
pub(super) struct FramingFields {
    content_length: Option<u64>,
    codings: Codings,
    /// A coding other than `chunked` and `identity`: the app gets the bytes as
    /// they are, and nothing may follow them.
    compressed: bool,
}

/// The transfer codings so far.
#[derive(Default, PartialEq)]
enum Codings {
    #[default]
    None,
    /// `chunked` came last, and only once.
    EndChunked,
    /// `chunked` is missing, doubled or not the last.
    Wrong,
    /// Codings that `chunked` may follow.
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

    /// Every element of the list counts, an empty one too: a proxy might have
    /// read something else there.
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
    /// `Transfer-Encoding` must end in `chunked`, hold it once, come alone
    /// (no Content-Length) and in HTTP/1.1: anything else could be read
    /// differently by a proxy in front, which is request smuggling.
    pub fn decide(self, http_1_1: bool) -> Result<(Framing, bool), Error> {
        match self.codings {
            Codings::None => Ok((Framing::Length(self.content_length.unwrap_or(0)), false)),
            Codings::EndChunked if self.content_length.is_none() && http_1_1 => {
                Ok((Framing::Chunked, self.compressed))
            }
            _ => Err(bad_transfer_encoding()),
        }
    }
}

fn bad_transfer_encoding() -> Error {
    Error::Field("'Transfer-Encoding'".into())
}

/// A Content-Length value: digits only, within 64 bits.
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
