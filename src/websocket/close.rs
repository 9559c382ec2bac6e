//! The payload of a close frame (RFC 6455 section 5.5.1).

use super::close_code::CloseCode;
use super::error::Violation;

/// The longest reason: a control frame has at most 125 bytes, of which two are
/// the code.
pub(super) const LONGEST_REASON: usize = 123;

/// Reads the payload of a close frame.
pub(super) fn parse(payload: &[u8]) -> Result<(CloseCode, &str), Violation> {
    match payload {
        [] => Ok((CloseCode::NONE, "")),
        [_] => Err(Violation::Protocol("a close frame of one byte")),
        [high, low, reason @ ..] => {
            let code = CloseCode(u16::from_be_bytes([*high, *low]));
            if !code.may_be_sent() {
                return Err(Violation::Protocol("a close code that must not be sent"));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| Violation::Text)?;
            Ok((code, reason))
        }
    }
}

/// The part of a reason that fits into a close frame.
pub(super) fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(LONGEST_REASON)]
}
