//! The line before each chunk: `1a;name=value` (RFC 9112 section 7.1).

use super::error::{Error, printable};
use super::field::{is_token, trim};

/// The size of the chunk in bytes. The grammar of its extensions is checked.
pub(super) fn parse_size(line: &[u8]) -> Result<(u64, &[u8]), Error> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    let size = std::str::from_utf8(size)
        .ok()
        .and_then(|size| u64::from_str_radix(size, 16).ok());
    let Some(size) = size else {
        return Err(Error::ChunkSize(printable(line)));
    };
    if rest.is_empty() {
        return Ok((size, rest));
    }
    if !trim(rest).starts_with(b";") {
        return Err(Error::ChunkSize(printable(line)));
    }
    if !extensions(trim(rest)) {
        return Err(Error::ChunkExtension(printable(rest)));
    }
    Ok((size, rest))
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, value a token or quoted.
fn extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(after) = rest.strip_prefix(b";") else {
            return false;
        };
        let (name, after) = leading_token(trim(after));
        if name.is_empty() {
            return false;
        }
        rest = trim(after);
        if let Some(after) = rest.strip_prefix(b"=") {
            let after = trim(after);
            rest = match after.strip_prefix(b"\"") {
                Some(quoted) => match after_quoted(quoted) {
                    Some(rest) => trim(rest),
                    None => return false,
                },
                None => {
                    let (value, rest) = leading_token(after);
                    if value.is_empty() {
                        return false;
                    }
                    trim(rest)
                }
            };
        }
    }
    true
}

fn leading_token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let length = bytes.iter().take_while(|&&b| is_token(&[b])).count();
    bytes.split_at(length)
}

/// The bytes after the closing quote of a quoted-string. `bytes` begin after
/// its opening quote.
fn after_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', b'\t' | b' '..=0x7e | 0x80.., rest @ ..] => rest,
            [b'\t' | b' '..=b'[' | b']'..=0x7e | 0x80.., rest @ ..] => rest,
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (line, size) in [
            ("0", 0),
            ("000a", 10),
            ("FfFf", 0xffff),
            ("ffffffffffffffff", u64::MAX),
            ("5;a", 5),
            ("5 ;\ta = b ; c=\"d\\\"; \"", 5),
        ] {
            assert_eq!(parse_size(line.as_bytes()).unwrap().0, size, "{line:?}");
        }
    }

    #[test]
    fn refused() {
        for line in [
            "",
            " 5",
            "+5",
            "-5",
            "0x5",
            "5 ",
            "5_0",
            "g",
            ";a",
            "5 5",
            "10000000000000000",
            "5\r",
            "5\0",
        ] {
            assert!(
                matches!(parse_size(line.as_bytes()), Err(Error::ChunkSize(_))),
                "{line:?}"
            );
        }
        for line in [
            "5;",
            "5;=a",
            "5;a=",
            "5;a b",
            "5;a=\"b",
            "5;a\rb",
            "5;a=\"\r\"",
            "5;;a",
            "5;a=\"\\\r\"",
        ] {
            assert!(
                matches!(parse_size(line.as_bytes()), Err(Error::ChunkExtension(_))),
                "{line:?}"
            );
        }
    }
}
