//! The grammar of one header field line (RFC 9110 section 5, RFC 9112 section 5).

use super::error::{Error, ResponseError, printable};

/// The name at the start of a field line.
pub(super) struct Name {
    pub length: usize,
    /// True if there is an underscore in it.
    pub underscore: bool,
}

/// Finds the name of a field line. It ends before the colon, or, if `strip` is
/// true, before white space and the colon.
pub(super) fn name(line: &[u8], strip: bool) -> Result<Name, Error> {
    let mut length = 0;
    let mut seen = 0;
    for &b in line {
        let class = CLASS[usize::from(b)];
        if class & TOKEN == 0 {
            break;
        }
        seen |= class;
        length += 1;
    }
    if length == 0 || line.get(length) != Some(&b':') {
        let blanks = blanks_before_colon(&line[length..]);
        if length == 0 || !strip || line.get(length + blanks) != Some(&b':') {
            return Err(no_name(line));
        }
    }
    Ok(Name {
        length,
        underscore: seen & UNDERSCORE != 0,
    })
}

/// The number of blanks before the colon.
pub(super) fn blanks_before_colon(rest: &[u8]) -> usize {
    rest.iter()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count()
}

/// Splits a line (without CRLF) into its name and its value. White space around
/// the value is removed.
pub(super) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Error::ObsoleteFolding);
    }
    let length = name(line, false)?.length;
    let (name, value) = (&line[..length], trim(&line[length + 1..]));
    if !is_value(value) {
        return Err(Error::Field(printable(name)));
    }
    Ok((name, value))
}

#[cold]
fn no_name(line: &[u8]) -> Error {
    match memchr::memchr(b':', line) {
        Some(colon) => Error::FieldName(printable(&line[..colon])),
        None => Error::Field(printable(line)),
    }
}

/// Appends a field's line to `out`.
///
/// # Errors
/// The name or the value cannot be sent.
pub fn add_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
    check(name, value)?;
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// The fields in lines that [`add_line`] has made.
pub fn fields_of(lines: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = lines.split(|&b| b == b'\n');
    lines.filter_map(|line| {
        let line = line.strip_suffix(b"\r")?;
        let colon = line.iter().position(|&b| b == b':')?;
        Some((&line[..colon], &line[colon + 2..]))
    })
}

/// # Errors
/// The name or the value cannot be sent.
pub(super) fn check(name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
    match (is_token(name), is_value(value)) {
        (false, _) => Err(ResponseError::name(name)),
        (true, false) => Err(ResponseError::value(name)),
        (true, true) => Ok(()),
    }
}

/// True for a field that concerns only a connection of HTTP/1.1. Messages of
/// HTTP/2 must not have it (RFC 9113 section 8.2.2).
pub fn is_connection_field(name: &[u8]) -> bool {
    [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ]
    .iter()
    .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

/// True for a token (RFC 9110 section 5.6.2), such as a field name or a method.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| CLASS[usize::from(b)] & TOKEN != 0)
}

/// True for a field value: no control characters but HTAB (RFC 9110 section 5.5).
pub fn is_value(bytes: &[u8]) -> bool {
    // No early exit, so that the compiler can check many bytes at once.
    !bytes.iter().fold(false, |bad, &b| {
        bad | ((b < 0x20) & (b != b'\t')) | (b == 0x7f)
    })
}

/// `bytes` without optional white space (SP, HTAB) on either side.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma-separated list, without empty ones (RFC 9110 section
/// 5.6.1).
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|&b| b == b',')
        .map(trim)
        .filter(|e| !e.is_empty())
}

const TOKEN: u8 = 1;
const UNDERSCORE: u8 = 2;

/// For each byte, the tokens that it may be part of.
const CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut b = 0;
    while b < 256 {
        table[b] = if (b as u8).is_ascii_alphanumeric() {
            TOKEN
        } else {
            0
        };
        b += 1;
    }
    let marks = b"!#$%&'*+-.^`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = TOKEN;
        i += 1;
    }
    table[b'_' as usize] = TOKEN | UNDERSCORE;
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values() {
        assert_eq!(split(b"Host: a").unwrap(), (&b"Host"[..], &b"a"[..]));
        assert_eq!(split(b"X:\t a\tb \t").unwrap().1, b"a\tb");
        assert_eq!(split(b"X:").unwrap().1, b"");
        assert_eq!(split(b"X: caf\xe9").unwrap().1, b"caf\xe9");
        assert!(matches!(split(b"X : a"), Err(Error::FieldName(_))));
        assert!(matches!(split(b": a"), Err(Error::FieldName(_))));
        assert!(matches!(split(b"X[]: a"), Err(Error::FieldName(_))));
        assert!(matches!(split(b"no colon"), Err(Error::Field(_))));
        assert_eq!(split(b" folded: a"), Err(Error::ObsoleteFolding));
        for bad in [0u8, 1, 8, b'\n', b'\r', 0x1f, 0x7f] {
            assert!(matches!(
                split(&[b'X', b':', b'a', bad, b'b']),
                Err(Error::Field(_))
            ));
        }
    }
}
