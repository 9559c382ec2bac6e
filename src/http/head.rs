//! The head of a request: request line and header fields (RFC 9112 sections
//! 2 to 5), as it was accepted.
//!
//! [`HeadParser`](super::HeadParser) fills it in. All of it lies in one
//! buffer, and a `Head` can be filled again and again: once its buffers have
//! grown, reading a request allocates nothing.

use super::field::{list, trim};
use super::framing::Framing;
use super::scheme::Scheme;
use super::span::Span;

/// The protocol versions that are spoken. A higher 1.x is answered as 1.1
/// (RFC 9110 section 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    #[default]
    Http11,
}

impl Version {
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// A request head that was accepted.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The bytes as they were received, and after them values that had to be
    /// put together.
    pub(super) raw: Vec<u8>,
    pub(super) line: RequestLine,
    pub(super) fields: Vec<(Span, Span)>,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) asks_to_upgrade: bool,
    pub(super) expects_continue: bool,
    pub(super) scheme: Option<Scheme>,
}

/// Where the parts of the request line lie.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestLine {
    pub method: Span,
    pub target: Span,
    pub path: Span,
    pub query: Span,
    /// The host and port of an absolute target.
    pub authority: Option<Span>,
    pub version: Version,
}

impl Head {
    pub fn method(&self) -> &[u8] {
        self.line.method.of(&self.raw)
    }

    /// The request target as it was sent.
    pub fn target(&self) -> &[u8] {
        self.line.target.of(&self.raw)
    }

    /// The path within the target, still percent-encoded; `*` and the
    /// authority form give `*` and nothing.
    pub fn path(&self) -> &[u8] {
        self.line.path.of(&self.raw)
    }

    /// What follows the target's `?`.
    pub fn query(&self) -> &[u8] {
        self.line.query.of(&self.raw)
    }

    pub fn version(&self) -> Version {
        self.line.version
    }

    /// Names as they were sent, values without the white space around them,
    /// in the order of the request.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.fields
            .iter()
            .map(|(name, value)| (name.of(&self.raw), value.of(&self.raw)))
    }

    /// The first value of a field; `name` in any case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// True if the client lets the connection be used again.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// True if the connection is to carry another protocol after this request,
    /// such as WebSocket, should the server agree (RFC 9110 section 7.8).
    pub fn asks_to_upgrade(&self) -> bool {
        self.asks_to_upgrade
    }

    /// True if the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// True if the client takes trailers (RFC 9110 section 10.1.4).
    pub fn accepts_trailers(&self) -> bool {
        self.fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"te"))
            .flat_map(|(_, value)| list(value))
            .any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
    }

    /// How the client reached the site, where a trusted proxy says so.
    pub fn stated_scheme(&self) -> Option<Scheme> {
        self.scheme
    }
}

/// The first value of a field in a head that was refused or has not ended: in
/// what was `received` since the request's start. Only lines that are whole
/// count, and nobody has checked them.
pub fn field_so_far<'a>(received: &'a [u8], name: &str) -> Option<&'a [u8]> {
    // An empty line before the request line is forgiven.
    let received = received.strip_prefix(b"\r\n").unwrap_or(received);
    let lines = received.split_inclusive(|byte| *byte == b'\n').skip(1);
    let mut fields = lines.map_while(|line| line.strip_suffix(b"\r\n").filter(|l| !l.is_empty()));
    fields.find_map(|line| {
        let (key, rest) = line.split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        key.eq_ignore_ascii_case(name.as_bytes())
            .then(|| trim(value))
    })
}

#[cfg(test)]
mod tests {
    use super::field_so_far;

    #[test]
    fn a_field_is_found_in_a_part_of_a_head() {
        let find = |bytes: &str| {
            let found = field_so_far(bytes.as_bytes(), "X-Id");
            found.map(|value| String::from_utf8(value.to_vec()).unwrap())
        };
        let found = Some("a b".to_owned());
        assert_eq!(find("GET /\r\nA: b\r\nx-ID:\t a b \r\nX-Id: c\r\n"), found);
        assert_eq!(find("\r\nGET /\r\nX-Id:a b\r\n\r\n"), found);
        for without in [
            "",
            "X-Id: a",
            "X-Id: a\r\n",
            "GET /\r\nX-Id: a",
            "GET /\r\nX-Id: a\r",
            "GET /\r\nX-Id: a\n",
            "GET /\r\nX-Idea: a\r\n",
            "GET /\r\nX-I\r\n",
            "GET /\r\n\r\nX-Id: a\r\n",
        ] {
            assert_eq!(find(without), None, "{without:?}");
        }
    }
}
