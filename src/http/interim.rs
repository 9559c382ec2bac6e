//! Interim responses, which come before the final response (RFC 9110 section
//! 15.2).

use super::error::ResponseError;
use super::field::{add_line, trim};

/// Asks a client to send the body that it holds back (RFC 9110 section 10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The bytes of a `103 Early Hints` with these fields, names and values, so that
/// a browser can fetch what the page needs while the app still makes the page
/// (RFC 8297).
///
/// # Errors
/// A name or a value that cannot be sent.
pub fn early_hints<'a>(
    fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Vec<u8>, ResponseError> {
    let mut out = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for (name, value) in fields {
        add_line(&mut out, name, trim(value))?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_of_fields() {
        let link = (&b"Link"[..], &b" </s.css>; rel=preload "[..]);
        assert_eq!(
            early_hints([link]).unwrap(),
            b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n"
        );
        assert!(early_hints([link, (b"A B", b"c")]).is_err());
        assert!(early_hints([(&b"A"[..], &b"b\r\n\r\nHTTP/1.1 200 OK"[..])]).is_err());
    }
}
