//! Bytes as WSGI has them in text.

/// Each byte as the character of that number (PEP 3333).
pub fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
