//! Escapes values of clients, so that they cannot forge a line.

/// Writes a value so that it can end neither the line nor a quoted part.
pub fn escape(line: &mut Vec<u8>, value: &[u8]) {
    let mut rest = value;
    while let Some(at) = rest.iter().position(|&byte| !PLAIN[usize::from(byte)]) {
        line.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => line.extend_from_slice(&[b'\\', byte]),
            byte => hex(line, byte),
        }
        rest = &rest[at + 1..];
    }
    line.extend_from_slice(rest);
}

/// Writes a value that is not in quotes. Spaces are escaped, too, because they
/// would end it.
pub fn escape_word(line: &mut Vec<u8>, value: &[u8]) {
    for (number, word) in value.split(|&byte| byte == b' ').enumerate() {
        if number > 0 {
            hex(line, b' ');
        }
        escape(line, word);
    }
}

fn hex(line: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
    line.extend_from_slice(&[b'\\', b'x', DIGITS[high], DIGITS[low]]);
}

/// True for bytes that are not escaped.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        plain[byte as usize] = byte != b'"' && byte != b'\\';
        byte += 1;
    }
    plain
};

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(&mut Vec<u8>, &[u8]), value: &str) -> String {
        let mut line = Vec::new();
        write(&mut line, value.as_bytes());
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_value_stays_in_its_quotes_and_its_line() {
        assert_eq!(
            written(
                escape,
                "x\" 200\r\n127.0.0.1 \\ \u{1b}[2J\u{9b}\u{7f}\0\u{e9}"
            ),
            r#"x\" 200\x0d\x0a127.0.0.1 \\ \x1b[2J\xc2\x9b\x7f\x00\xc3\xa9"#
        );
    }

    #[test]
    fn a_word_has_no_spaces() {
        assert_eq!(written(escape_word, "a b  c"), r"a\x20b\x20\x20c");
        assert_eq!(written(escape_word, ""), "");
    }
}
