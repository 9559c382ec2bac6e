//! The client's errors, and their close codes.

use super::close_code::CloseCode;

/// Why the connection has failed (RFC 6455 section 7.1.7). The client gets this
/// text as the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("{0}")]
    Protocol(&'static str),
    #[error("text that is not UTF-8")]
    Text,
    #[error("compressed data that cannot be read")]
    Compression,
    #[error("a message of more than {0} bytes")]
    TooBig(usize),
}

impl Violation {
    pub fn close_code(&self) -> CloseCode {
        match self {
            Violation::Protocol(_) => CloseCode::PROTOCOL_ERROR,
            Violation::Text | Violation::Compression => CloseCode::INVALID_DATA,
            Violation::TooBig(_) => CloseCode::TOO_BIG,
        }
    }
}
