//! Reads the head of a request that comes as fields: a stream of HTTP/2 (RFC 9113
//! section 8.3.1).
//!
//! It is held to the same rules as a head of HTTP/1.1, so that a request means the
//! same in both, also for a proxy that passes it on in the other one.

use super::facts::{Facts, check_method, keeps, once};
use super::head::{Head, RequestLine, Version};
use super::target;
use crate::http::error::{Error, printable};
use crate::http::field;
use crate::http::policy::{Limits, Policy};
use crate::http::span::Span;

/// The pseudo-header fields of a request (RFC 9113 section 8.3.1).
#[derive(Clone, Copy, Debug)]
pub struct PseudoFields<'a> {
    pub method: &'a [u8],
    /// Absent, too, if it is not known any more.
    pub scheme: Option<&'a [u8]>,
    pub authority: Option<&'a [u8]>,
    pub path: Option<&'a [u8]>,
    /// Of an extended CONNECT (RFC 8441 section 4).
    pub protocol: Option<&'a [u8]>,
}

impl Head {
    /// Fills the head from the fields of a stream, in their order. `ends` is true
    /// if no body follows.
    ///
    /// # Errors
    /// The request is refused.
    pub fn read_fields<'a>(
        &mut self,
        pseudo: &PseudoFields<'_>,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
        ends: bool,
        policy: &Policy,
    ) -> Result<(), Error> {
        self.raw.clear();
        self.fields.clear();
        self.read_pseudo(pseudo, policy)?;
        let mut facts = Facts::default();
        let mut sizes = Sizes::default();
        if let Some(authority) = pseudo.authority {
            sizes.count(HOST, authority, &policy.limits)?;
            check_host(HOST, authority)?;
            facts.host(HOST, authority)?;
            self.append(HOST, authority);
        }
        let mut host_seen = false;
        for (name, value) in fields {
            sizes.count(name, value, &policy.limits)?;
            check(name, value)?;
            if name == HOST {
                check_host(name, value)?;
            }
            if name.contains(&b'_') && !keeps(name, policy)? {
                continue;
            }
            match pseudo.authority {
                Some(authority) if name == HOST => {
                    let same = value.eq_ignore_ascii_case(authority);
                    once(&mut host_seen, same, name, value)?;
                    continue;
                }
                _ => facts.note(name, value, Version::Http2, policy)?,
            }
            self.append(name, value);
        }
        if facts.cookies > 1 {
            self.join_cookies();
        }
        facts.settle_stream(ends, self, policy)
    }

    /// Reads what a request line has in HTTP/1.1.
    fn read_pseudo(&mut self, pseudo: &PseudoFields<'_>, policy: &Policy) -> Result<(), Error> {
        let path = pseudo.path.unwrap_or_default();
        let line = pseudo.method.len() + path.len() + "  HTTP/2.0".len();
        if line > policy.limits.request_line {
            return Err(Error::RequestLineTooLong(policy.limits.request_line));
        }
        check_method(pseudo.method, policy)?;
        let is_connect = pseudo.method == b"CONNECT";
        match pseudo.protocol {
            Some(protocol) if !is_connect => return Err(invalid(":protocol", protocol)),
            Some(protocol) if !protocol.eq_ignore_ascii_case(b"websocket") => {
                return Err(Error::Tunnel);
            }
            None if is_connect => return Err(Error::Tunnel),
            _ => {}
        }
        // How the client reached the site is told by the connection, or by a
        // trusted proxy: this field costs the client nothing to write.
        if let Some(scheme) = pseudo.scheme
            && ![&b"http"[..], b"https"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return Err(invalid(":scheme", scheme));
        }
        target::split_path(pseudo.method, path)?;
        let method = self.keep(pseudo.method);
        if policy.casefold_methods {
            method.of_mut(&mut self.raw).make_ascii_uppercase();
        }
        let target = self.keep(path);
        self.protocol = pseudo.protocol.map(|protocol| self.keep(protocol));
        let parts = target::split_path(pseudo.method, target.of(&self.raw))?;
        self.line = RequestLine {
            method,
            target,
            path: Span::within(&self.raw, parts.path),
            query: Span::within(&self.raw, parts.query),
            authority: None,
            version: Version::Http2,
        };
        Ok(())
    }
}

const HOST: &[u8] = b"host";

/// What the limits count.
#[derive(Default)]
struct Sizes {
    fields: usize,
    /// The bytes of the `Cookie` field so far.
    cookie: usize,
}

impl Sizes {
    /// Counts a field as the line that it would be in HTTP/1.1. A client may divide
    /// its `Cookie` field into many (RFC 9113 section 8.2.3): they count as one.
    fn count(&mut self, name: &[u8], value: &[u8], limits: &Limits) -> Result<(), Error> {
        let mut size = name.len() + ": ".len() + value.len() + "\r\n".len();
        let mut is_new = true;
        if name == b"cookie" {
            is_new = self.cookie == 0;
            size = match is_new {
                true => size,
                false => self.cookie + "; ".len() + value.len(),
            };
            self.cookie = size;
        }
        self.fields += usize::from(is_new);
        if self.fields > limits.fields {
            return Err(Error::TooManyFields(limits.fields));
        }
        if size > limits.field_size {
            return Err(Error::FieldTooLong(limits.field_size));
        }
        Ok(())
    }
}

/// Checks a field for what makes a request malformed (RFC 9113 sections 8.2.1 and
/// 8.2.2).
fn check(name: &[u8], value: &[u8]) -> Result<(), Error> {
    if !field::is_token(name) || name.iter().any(u8::is_ascii_uppercase) {
        return Err(Error::FieldName(printable(name)));
    }
    let about_connection = match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            true
        }
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    };
    if about_connection || !field::is_value(value) || field::trim(value).len() < value.len() {
        return Err(Error::Field(printable(name)));
    }
    Ok(())
}

/// The host of `http` and `https` is never empty (RFC 9113 section 8.3.1).
fn check_host(name: &[u8], value: &[u8]) -> Result<(), Error> {
    match value.is_empty() {
        true => Err(Error::Field(format!("{} is empty", printable(name)))),
        false => Ok(()),
    }
}

fn invalid(name: &str, value: &[u8]) -> Error {
    Error::Field(format!("'{name}' {}", printable(value)))
}

#[cfg(test)]
#[path = "tests/read_fields.rs"]
mod tests;
