//! What a client may do to a connection of HTTP/2, and what is too much.

use super::frame::SAFE_LENGTH;
use h2::Reason;

/// Limits against clients that keep the server busy with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FloodLimits {
    /// `http2_max_resets`: streams that are reset within 10 seconds; 0 for no limit.
    pub resets: u32,
    /// `http2_max_control_frames`: frames without use within 10 seconds; 0 for no
    /// limit.
    pub control_frames: u32,
    /// `http2_max_header_list_size`: bytes of the fields of a request; 0 for no limit.
    pub field_bytes: u32,
}

impl FloodLimits {
    /// How many CONTINUATION frames a head may need.
    pub(super) fn continuations(&self) -> u32 {
        let bytes = match self.field_bytes {
            // What one head may have in HTTP/1.1 by default.
            0 => 1 << 20,
            bytes => bytes,
        };
        // One more, as frames need not be full.
        bytes / SAFE_LENGTH as u32 + 1
    }
}

/// What a client has done too often, or wrong in a way that the session does not
/// tell apart. The log notes this text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Abuse {
    #[error("More than {0} streams were reset within 10 seconds (http2_max_resets)")]
    Resets(u32),
    #[error("More than {0} frames without use came within 10 seconds (http2_max_control_frames)")]
    ControlFrames(u32),
    /// RFC 9113 section 3.4.
    #[error("The first frame is not SETTINGS")]
    NoSettings,
    /// RFC 9113 section 6.
    #[error("A frame has the wrong length")]
    FrameLength,
}

impl Abuse {
    /// What the client is told.
    pub fn reason(self) -> Reason {
        match self {
            Abuse::Resets(_) | Abuse::ControlFrames(_) => Reason::ENHANCE_YOUR_CALM,
            Abuse::NoSettings => Reason::PROTOCOL_ERROR,
            Abuse::FrameLength => Reason::FRAME_SIZE_ERROR,
        }
    }
}
