//! The status codes of the server's own responses.

/// A status code with its reason phrase (RFC 9110 section 15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub code: u16,
    pub reason: &'static str,
}

impl Status {
    pub const SWITCHING_PROTOCOLS: Status = Status::new(101, "Switching Protocols");
    pub const OK: Status = Status::new(200, "OK");
    pub const BAD_REQUEST: Status = Status::new(400, "Bad Request");
    pub const FORBIDDEN: Status = Status::new(403, "Forbidden");
    pub const REQUEST_TIMEOUT: Status = Status::new(408, "Request Timeout");
    pub const CONTENT_TOO_LARGE: Status = Status::new(413, "Content Too Large");
    pub const URI_TOO_LONG: Status = Status::new(414, "URI Too Long");
    pub const EXPECTATION_FAILED: Status = Status::new(417, "Expectation Failed");
    pub const UPGRADE_REQUIRED: Status = Status::new(426, "Upgrade Required");
    pub const FIELDS_TOO_LARGE: Status = Status::new(431, "Request Header Fields Too Large");
    pub const SERVER_ERROR: Status = Status::new(500, "Internal Server Error");
    pub const NOT_IMPLEMENTED: Status = Status::new(501, "Not Implemented");
    pub const SERVICE_UNAVAILABLE: Status = Status::new(503, "Service Unavailable");
    pub const GATEWAY_TIMEOUT: Status = Status::new(504, "Gateway Timeout");
    pub const VERSION_NOT_SUPPORTED: Status = Status::new(505, "HTTP Version Not Supported");

    const fn new(code: u16, reason: &'static str) -> Status {
        Status { code, reason }
    }

    /// True if a response with this code never has a body: 1xx, 204, 304 (RFC
    /// 9110 section 6.4.1).
    pub fn forbids_body(code: u16) -> bool {
        code < 200 || code == 204 || code == 304
    }
}
