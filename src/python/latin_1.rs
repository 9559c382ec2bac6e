//! Bytes as WSGI's text.

/// One character for each byte, with the byte's number (PEP 3333).
pub fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
