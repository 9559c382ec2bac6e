//! Why a WebSocket ends (RFC 6455 section 7.4).

/// A status code of a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(pub u16);

impl CloseCode {
    pub const NORMAL: CloseCode = CloseCode(1000);
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// Never sent: the close frame had no code.
    pub const NONE: CloseCode = CloseCode(1005);
    /// Never sent: there was no close frame.
    pub const ABNORMAL: CloseCode = CloseCode(1006);
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    pub const TOO_BIG: CloseCode = CloseCode(1009);
    /// The server failed.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// The server stops or restarts. The client may connect again.
    pub const RESTART: CloseCode = CloseCode(1012);

    /// True for a code that is allowed in a frame: the registered ones, and the
    /// ranges of libraries and applications.
    pub fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}
