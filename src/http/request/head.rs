//! The head of an accepted request: its request line and header fields (RFC
//! 9112 sections 2 to 5, RFC 9113 section 8.3.1).
//!
//! [`HeadParser`](super::HeadParser) fills it from the bytes of HTTP/1.x, and
//! [`Head::read_fields`] from the fields of HTTP/2. All of its bytes are in one
//! buffer, and a `Head` can be used for many requests: once its buffers have
//! grown, reading a request allocates nothing.

use crate::http::field::{list, trim};
use crate::http::framing::Framing;
use crate::http::scheme::Scheme;
use crate::http::span::Span;

/// The supported protocol versions, in their order. A higher 1.x counts as 1.1
/// (RFC 9110 section 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    #[default]
    Http11,
    Http2,
}

impl Version {
    /// The name in request lines, in logs and for the app.
    pub fn as_str(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
            Version::Http2 => "HTTP/2.0",
        }
    }
}

/// A request head that was accepted.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The bytes of the client, and after them values that were joined from
    /// several lines.
    pub(super) raw: Vec<u8>,
    pub(super) line: RequestLine,
    pub(super) fields: Vec<(Span, Span)>,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) asks_to_upgrade: bool,
    pub(super) expects_continue: bool,
    pub(super) scheme: Option<Scheme>,
    pub(super) protocol: Option<Span>,
}

/// The positions of the parts of the request line.
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

    /// The request target as the client sent it.
    pub fn target(&self) -> &[u8] {
        self.line.target.of(&self.raw)
    }

    /// The path in the target, still percent-encoded. It is `*` for the target
    /// `*`, and empty for the authority form.
    pub fn path(&self) -> &[u8] {
        self.line.path.of(&self.raw)
    }

    /// The part of the target after its `?`.
    pub fn query(&self) -> &[u8] {
        self.line.query.of(&self.raw)
    }

    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The fields in their order: names as the client sent them (in HTTP/2 in
    /// lower case, and first of all `host`), values without
    /// the white space around them.
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

    /// Takes out all fields of this name, in any case, and with underscores for
    /// hyphens: CGI does not tell them apart.
    pub(super) fn remove(&mut self, name: &str) {
        let raw = &self.raw;
        let same = |(a, b): (&u8, u8)| match a {
            b'_' => b == b'-',
            a => a.eq_ignore_ascii_case(&b),
        };
        self.fields.retain(|(field, _)| {
            let field = field.of(raw);
            field.len() != name.len() || !field.iter().zip(name.bytes()).all(same)
        });
    }

    /// Adds a field after the others. Both must be valid.
    pub(super) fn append(&mut self, name: &[u8], value: &[u8]) {
        let field = (self.keep(name), self.keep(value));
        self.fields.push(field);
    }

    /// Adds bytes that the head has parts of.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> Span {
        let start = self.raw.len();
        self.raw.extend_from_slice(bytes);
        Span::new(start, self.raw.len())
    }

    /// Joins several `Cookie` fields. They are not joined by a comma, as all
    /// others are, because it could be a part of a cookie's value (RFC 9113
    /// section 8.2.3).
    #[cold]
    pub(super) fn join_cookies(&mut self) {
        let Head { raw, fields, .. } = self;
        let is_cookie = |name: Span, raw: &[u8]| name.of(raw).eq_ignore_ascii_case(b"cookie");
        let mut joined = Vec::new();
        let mut found = 0;
        fields.retain(|(name, value)| {
            if !is_cookie(*name, raw) {
                return true;
            }
            if !joined.is_empty() && value.len() > 0 {
                joined.extend_from_slice(b"; ");
            }
            joined.extend_from_slice(value.of(raw));
            found += 1;
            found == 1
        });
        let start = raw.len();
        raw.extend_from_slice(&joined);
        if let Some((_, value)) = fields.iter_mut().find(|(name, _)| is_cookie(*name, raw)) {
            *value = Span::new(start, raw.len());
        }
    }

    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// True if the client allows another request on this connection.
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// True if the client asks for another protocol after this request, such as
    /// WebSocket (RFC 9110 section 7.8).
    pub fn asks_to_upgrade(&self) -> bool {
        self.asks_to_upgrade
    }

    /// True if the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// True if the client accepts trailers (RFC 9110 section 10.1.4).
    pub fn accepts_trailers(&self) -> bool {
        self.fields()
            .filter(|(name, _)| name.eq_ignore_ascii_case(b"te"))
            .flat_map(|(_, value)| list(value))
            .any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
    }

    /// The protocol that a stream of HTTP/2 shall speak, from `:protocol` (RFC
    /// 8441): always that of WebSocket.
    pub fn protocol(&self) -> Option<&[u8]> {
        self.protocol.map(|protocol| protocol.of(&self.raw))
    }

    /// The scheme that a trusted proxy has stated.
    pub fn stated_scheme(&self) -> Option<Scheme> {
        self.scheme
    }
}

/// The first value of a field in a head that was refused or is incomplete.
/// `received` are the bytes since the start of the request. Only complete lines
/// count, and they are not checked.
pub fn field_so_far<'a>(received: &'a [u8], name: &str) -> Option<&'a [u8]> {
    // One empty line before the request line is allowed.
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
