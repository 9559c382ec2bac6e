//! Interim responses, which come before the final response (RFC 9110 section
//! 15.2).

use super::error::ResponseError;
use super::field::{add_line, fields_of, trim};

/// Asks a client to send the body that it holds back (RFC 9110 section 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The response to a request that changes its connection to HTTP/2 (RFC 7540 section
/// 3.2).
pub const SWITCHING_TO_HTTP2: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";

/// An interim response with fields.
#[derive(Clone, Debug, Default)]
pub struct Interim {
    lines: Vec<u8>,
}

impl Interim {
    /// A 103 response (RFC 8297) with these fields.
    ///
    /// # Errors
    /// A name or a value cannot be sent.
    pub fn early_hints<'a>(
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Interim, ResponseError> {
        let mut lines = Vec::new();
        for (name, value) in fields {
            add_line(&mut lines, name, trim(value))?;
        }
        Ok(Interim { lines })
    }

    /// The bytes of HTTP/1.1.
    pub fn text(&self) -> Vec<u8> {
        [b"HTTP/1.1 103 Early Hints\r\n", &self.lines[..], b"\r\n"].concat()
    }

    pub fn code(&self) -> u16 {
        103
    }

    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        fields_of(&self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_of_fields() {
        let link = (&b"Link"[..], &b" </s.css>; rel=preload "[..]);
        let hints = Interim::early_hints([link]).unwrap();
        assert_eq!(
            hints.text(),
            b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"
        );
        let fields: Vec<_> = hints.fields().collect();
        assert_eq!(fields, [(&b"Link"[..], &b"</s.css>; rel=preload"[..])]);
        for bad in [
            (&b"A B"[..], &b"c"[..]),
            (b"A", b"b\r\n\r\nHTTP/1.1 200 OK"),
        ] {
            assert!(Interim::early_hints([bad]).is_err());
        }
    }
}
