//! A request and its response, for the access log.

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};

/// Finds the value of a header field or an environ entry. The case of names
/// does not matter.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<Cow<'a, [u8]>>;

/// A header field: its name and its value.
pub type Field = (Vec<u8>, Vec<u8>);

/// What only a [`Sink`](super::Sink) needs of a request.
#[derive(Default)]
pub struct AccessDetails {
    /// The request's header fields.
    pub request_fields: Vec<Field>,
    /// The code and the reason of the answer; empty if only the code is known.
    pub status: Vec<u8>,
    /// The answer's header fields.
    pub response_fields: Vec<Field>,
    /// The app's environ, as an object that the sink knows.
    pub environ: Option<Box<dyn Any>>,
}

impl AccessDetails {
    /// Copies fields.
    pub fn fields<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<Field> {
        fields
            .map(|(name, value)| (name.to_vec(), value.to_vec()))
            .collect()
    }
}

/// What a line of the access log can say about a request and its response.
///
/// The bytes are the client's; the log escapes them. Unknown values are empty:
/// a request that was refused while it was parsed has a status and an address,
/// and perhaps the bytes of its first line as its target.
#[derive(Clone, Copy)]
pub struct AccessRecord<'a> {
    /// The client's address, empty when it came over a unix socket.
    pub remote_addr: &'a str,
    /// The method of the request line.
    pub method: &'a [u8],
    /// The target of the request line.
    pub target: &'a [u8],
    /// The path in the target, without the query.
    pub path: &'a [u8],
    /// The query in the target, without the question mark.
    pub query: &'a [u8],
    /// The protocol, such as `HTTP/1.1`.
    pub protocol: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub body_bytes: u64,
    /// The time from the request's arrival to the end of the answer.
    pub elapsed: Duration,
    /// The server's id of the request. If it is empty, the field `X-Request-Id`
    /// counts.
    pub request_id: &'a [u8],
    /// The ids of the request's trace and of the span that it comes from.
    pub trace: Option<(&'a str, &'a str)>,
    /// The request's header fields.
    pub request_field: Lookup<'a>,
    /// The answer's header fields.
    pub response_field: Lookup<'a>,
    /// The entries of the WSGI environ.
    pub environ: Lookup<'a>,
    /// More of the request, for a sink.
    pub details: &'a dyn Fn() -> AccessDetails,
}

impl<'a> AccessRecord<'a> {
    /// A record in which nothing is known.
    #[cfg(test)]
    pub fn unknown() -> Self {
        AccessRecord {
            remote_addr: "",
            method: b"",
            target: b"",
            path: b"",
            query: b"",
            protocol: "",
            status: 0,
            body_bytes: 0,
            elapsed: Duration::ZERO,
            request_id: b"",
            trace: None,
            request_field: &nothing,
            response_field: &nothing,
            environ: &nothing,
            details: &AccessDetails::default,
        }
    }

    /// The request's id, empty if it has none.
    pub(super) fn id(&self) -> Cow<'a, [u8]> {
        match self.request_id {
            b"" => (self.request_field)("x-request-id").unwrap_or_default(),
            id => id.into(),
        }
    }

    /// The user of HTTP basic authentication (RFC 7617).
    pub(super) fn user(&self) -> Option<Vec<u8>> {
        let field = (self.request_field)("authorization")?;
        let (scheme, credentials) = field.split_at_checked("basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return None;
        }
        let mut user = BASE64_STANDARD.decode(credentials.trim_ascii()).ok()?;
        let end = user.iter().position(|&byte| byte == b':')?;
        user.truncate(end);
        (!user.is_empty()).then_some(user)
    }
}

#[cfg(test)]
fn nothing<'a>(_: &str) -> Option<Cow<'a, [u8]>> {
    None
}
