//! The head of a response, and how its body is framed (RFC 9112 section 6).

use super::error::{ResponseError, lossy};
use super::field::{add_line, check, fields_of, is_value};
use super::framing::parse_length;
use super::reason::reason;
use super::request::{Head, Version};
use super::response_body::{BodyFraming, ResponseBody};
use super::status::Status;
use std::borrow::Cow;

/// The properties of a request that decide how its response is framed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResponseRules {
    pub version: Version,
    pub is_head: bool,
    /// True if the request and the worker allow another request on this
    /// connection.
    pub keep_alive: bool,
    /// True if the request asks for another protocol.
    pub asks_to_upgrade: bool,
}

impl ResponseRules {
    pub fn of(request: &Head) -> ResponseRules {
        ResponseRules {
            version: request.version(),
            is_head: request.method() == b"HEAD",
            keep_alive: request.keep_alive(),
            asks_to_upgrade: request.asks_to_upgrade(),
        }
    }
}

/// A response head of the app: checked, and not sent.
#[derive(Clone, Debug)]
pub struct ResponseHead {
    code: u16,
    /// The status, and after it the app's field lines.
    bytes: Vec<u8>,
    status_length: usize,
    content_length: Option<u64>,
    upgrade: bool,
}

impl ResponseHead {
    /// `status` is the code and reason, such as `200 OK`; the reason may be
    /// missing.
    pub fn new(status: &[u8]) -> Result<ResponseHead, ResponseError> {
        let valid = match status {
            [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => true,
            [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', reason @ ..] => is_value(reason),
            _ => false,
        };
        if !valid {
            return Err(ResponseError::Status(lossy(status)));
        }
        let code = status[..3]
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        check_final(code)?;
        Ok(ResponseHead::begun(code, &[status]))
    }

    /// With the usual reason phrase of this code. The code must have three
    /// digits.
    pub fn with_code(code: u16) -> Result<ResponseHead, ResponseError> {
        check_final(code)?;
        Ok(ResponseHead::with_reason(code))
    }

    /// A 101 response that changes the connection to `protocol`.
    pub fn switching_to(protocol: &str) -> Result<ResponseHead, ResponseError> {
        let mut head = ResponseHead::with_reason(SWITCHING);
        head.add(b"Connection", b"upgrade")?;
        head.add(b"Upgrade", protocol.as_bytes())?;
        Ok(head)
    }

    fn with_reason(code: u16) -> ResponseHead {
        let reason = reason(code).as_bytes();
        let blank: &[u8] = if reason.is_empty() { b"" } else { b" " };
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(code).as_bytes();
        ResponseHead::begun(code, &[digits, blank, reason])
    }

    fn begun(code: u16, status: &[&[u8]]) -> ResponseHead {
        let mut bytes = Vec::with_capacity(256);
        for part in status {
            bytes.extend_from_slice(part);
        }
        ResponseHead {
            code,
            status_length: bytes.len(),
            bytes,
            content_length: None,
            upgrade: false,
        }
    }

    pub fn code(&self) -> u16 {
        self.code
    }

    /// The code and the reason.
    pub fn status(&self) -> &[u8] {
        &self.bytes[..self.status_length]
    }

    fn lines(&self) -> &[u8] {
        &self.bytes[self.status_length..]
    }

    /// The app's fields, except the Content-Length and those that were dropped.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        fields_of(self.lines())
    }

    /// The value of one of the app's fields, the first one if there are
    /// several; `name` in any case.
    pub fn field(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        if name.eq_ignore_ascii_case("content-length") {
            return Some(self.content_length?.to_string().into_bytes().into());
        }
        self.lines().split(|&b| b == b'\n').find_map(|line| {
            let (field, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b": ")?.strip_suffix(b"\r")?;
            field
                .eq_ignore_ascii_case(name.as_bytes())
                .then_some(value.into())
        })
    }

    /// Adds a field of the app. Fields of the connection or of the server
    /// (`Server`, `Date`, hop-by-hop fields) are dropped, as Gunicorn does.
    pub fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), ResponseError> {
        check(name, value)?;
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        if is(b"content-length") {
            let length = parse_length(value);
            if length.is_none()
                || self
                    .content_length
                    .is_some_and(|first| Some(first) != length)
            {
                return Err(ResponseError::value(name));
            }
            self.content_length = length;
            return Ok(());
        }
        if is(b"connection") {
            self.upgrade |= value.eq_ignore_ascii_case(b"upgrade");
            return Ok(());
        }
        let kept_upgrade = is(b"upgrade") && value.eq_ignore_ascii_case(b"websocket");
        if !kept_upgrade && DROPPED.iter().any(|dropped| is(dropped)) {
            return Ok(());
        }
        add_line(&mut self.bytes, name, value)
    }

    /// Adds a field of the server, unless the app has set it.
    pub fn add_unless_given(&mut self, name: &str, value: &str) {
        if self.field(name).is_none() {
            // A field that cannot be sent is left out.
            let _ = self.add(name.as_bytes(), value.as_bytes());
        }
    }

    /// Sets the Content-Length of a body whose length is known, unless the app
    /// has set it or the status forbids a body.
    pub fn set_known_length(&mut self, length: u64) {
        if self.content_length.is_none() && !Status::forbids_body(self.code) {
            self.content_length = Some(length);
        }
    }

    /// Writes the whole head to `out` and begins the body. `server` and `date`
    /// are the values of these fields. With an empty `server` there is no such
    /// field.
    pub fn begin(
        &self,
        rules: ResponseRules,
        server: &str,
        date: &str,
        out: &mut Vec<u8>,
    ) -> ResponseBody {
        let framing = match self.framing_of_known(rules.is_head) {
            Some(framing) => framing,
            None if rules.version >= Version::Http11 => BodyFraming::Chunked,
            None => BodyFraming::UntilClose,
        };
        let keep_alive = rules.keep_alive && !self.upgrade && framing != BodyFraming::UntilClose;
        let connection = match (self.upgrade, keep_alive) {
            (true, _) if self.code == SWITCHING => "upgrade",
            (true, _) => "close, upgrade",
            (false, true) => "keep-alive",
            (false, false) => "close",
        };
        for part in [
            rules.version.as_str().as_bytes(),
            b" ",
            self.status(),
            // The grammar has a blank before the reason, also if the reason is
            // empty.
            if self.status_length == 3 { b" " } else { b"" },
            if server.is_empty() {
                b""
            } else {
                b"\r\nServer: "
            },
            server.as_bytes(),
            b"\r\nDate: ",
            date.as_bytes(),
            b"\r\nConnection: ",
            connection.as_bytes(),
            b"\r\n",
        ] {
            out.extend_from_slice(part);
        }
        if framing == BodyFraming::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(self.lines());
        if let Some(length) = self.stated_length() {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        ResponseBody::new(framing, keep_alive)
    }

    /// The body of a response that goes out in frames (HTTP/2): nothing is written
    /// around its blocks.
    pub fn begin_frames(&self, is_head: bool) -> ResponseBody {
        let framing = self.framing_of_known(is_head);
        ResponseBody::new(framing.unwrap_or(BodyFraming::UntilEnd), true)
    }

    /// The value of the Content-Length field, if the response has one. 1xx and 204
    /// must not state a length (RFC 9110 section 8.6).
    pub fn stated_length(&self) -> Option<u64> {
        let may_state = !Status::forbids_body(self.code) || self.code == 304;
        self.content_length.filter(|_| may_state)
    }

    /// The framing of a body that is empty or has a known length.
    fn framing_of_known(&self, is_head: bool) -> Option<BodyFraming> {
        match Status::forbids_body(self.code) || is_head {
            true => Some(BodyFraming::Nothing),
            false => self.content_length.map(BodyFraming::Length),
        }
    }
}

/// The status that ends HTTP on a connection.
const SWITCHING: u16 = 101;

/// A 1xx status is not a final response: the client would wait for more, or a
/// proxy would make the connection a tunnel (RFC 9110 section 15.2).
fn check_final(code: u16) -> Result<(), ResponseError> {
    match code {
        100..200 => Err(ResponseError::Interim(code)),
        _ => Ok(()),
    }
}

/// Fields that only the server sets, or that concern one connection.
const DROPPED: [&[u8]; 9] = [
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"te",
    b"trailers",
    b"transfer-encoding",
    b"upgrade",
    b"server",
    b"date",
];

#[cfg(test)]
#[path = "tests/response.rs"]
mod tests;
