//! Early hints: a 103 before the answer, so that a browser can fetch what the
//! page will need while the app still makes it (RFC 8297).

use super::field::{is_token, is_value, trim};
use super::response::ResponseError;

/// The bytes of a `103 Early Hints` with these fields, names and values.
///
/// # Errors
/// A name or value that cannot be sent; nothing of it must be.
pub fn early_hints<'a>(
    fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
) -> Result<Vec<u8>, ResponseError> {
    let mut out = b"HTTP/1.1 103 Early Hints\r\n".to_vec();
    for (name, value) in fields {
        if !is_token(name) {
            return Err(ResponseError::name(name));
        }
        if !is_value(value) {
            return Err(ResponseError::value(name));
        }
        for part in [name, b": ", trim(value), b"\r\n"] {
            out.extend_from_slice(part);
        }
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
