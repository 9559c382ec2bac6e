//! What a request's head is checked for, whether it comes as lines (HTTP/1.x) or
//! as fields (HTTP/2), and the fields that concern the message itself.

use super::head::{Head, Version};
use super::target;
use crate::http::error::{Error, printable};
use crate::http::field;
use crate::http::framing::{Framing, FramingFields};
use crate::http::policy::{Policy, Underscores};
use crate::http::scheme::Scheme;

/// A conventional method, as Gunicorn defines it: a token of 3 to 20 characters
/// without lower case letters and `#`.
pub(super) fn check_method(method: &[u8], policy: &Policy) -> Result<(), Error> {
    let conventional = || {
        (3..=20).contains(&method.len())
            && !method.iter().any(|b| b.is_ascii_lowercase() || *b == b'#')
    };
    if field::is_token(method) && (policy.unconventional_methods || conventional()) {
        Ok(())
    } else {
        Err(Error::Method(printable(method)))
    }
}

/// True if a field is kept whose name has an underscore.
pub(super) fn keeps(name: &[u8], policy: &Policy) -> Result<bool, Error> {
    let listed = policy
        .underscore_fields
        .iter()
        .any(|listed| listed == "*" || name.eq_ignore_ascii_case(listed.as_bytes()));
    match policy.underscores {
        _ if listed => Ok(true),
        Underscores::Keep => Ok(true),
        Underscores::Drop => Ok(false),
        Underscores::Refuse => Err(Error::FieldName(printable(name))),
    }
}

/// The fields that concern the message itself.
#[derive(Default)]
pub(super) struct Facts {
    framing: FramingFields,
    host: bool,
    content_type: bool,
    pub cookies: usize,
    close: bool,
    keep_alive: bool,
    /// `Connection` asks for an upgrade, `Upgrade` names the protocol.
    upgrade: (bool, bool),
    expects_continue: bool,
    scheme: Option<Scheme>,
}

impl Facts {
    pub fn note(
        &mut self,
        name: &[u8],
        value: &[u8],
        version: Version,
        policy: &Policy,
    ) -> Result<(), Error> {
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        match name.len() {
            4 if is(b"host") => self.host(name, value)?,
            6 if is(b"expect") && version >= Version::Http11 => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Error::Expectation(printable(value)));
                }
                self.expects_continue = true;
            }
            6 if is(b"cookie") => self.cookies += 1,
            // Some clients ask for HTTP/2 with every request; they get
            // HTTP/1.1.
            7 if is(b"upgrade") => self.upgrade.1 = !value.eq_ignore_ascii_case(b"h2c"),
            10 if is(b"connection") => {
                for option in field::list(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                    self.upgrade.0 |= option.eq_ignore_ascii_case(b"upgrade");
                }
            }
            12 if is(b"content-type") => once(&mut self.content_type, true, name, value)?,
            14 if is(b"content-length") => self.framing.content_length(value)?,
            17 if is(b"transfer-encoding") => self.framing.transfer_encoding(value)?,
            _ => {}
        }
        policy
            .secure_scheme_fields
            .note(name, value, &mut self.scheme)
    }

    pub fn host(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let valid = value.is_empty() || target::is_authority(value);
        once(&mut self.host, valid, name, value)
    }

    /// Decides what depends on all fields together, for a message of HTTP/1.x.
    pub fn settle_message(self, head: &mut Head, policy: &Policy) -> Result<(), Error> {
        let is_1_1 = head.line.version == Version::Http11;
        let (framing, must_close) = self.framing.decide(is_1_1)?;
        let keep_alive = !self.close && (is_1_1 || self.keep_alive);
        // The bytes after CONNECT belong to a tunnel, not to a request.
        let is_connect = head.method() == b"CONNECT";
        head.keep_alive = keep_alive && !must_close && !is_connect;
        head.asks_to_upgrade = is_connect || is_1_1 && self.upgrade == (true, true);
        head.protocol = None;
        self.settle(framing, head, policy)
    }

    /// Decides what depends on all fields together, for a stream of HTTP/2: the
    /// fields about the connection were refused. `ends` is true if no body
    /// follows.
    pub fn settle_stream(self, ends: bool, head: &mut Head, policy: &Policy) -> Result<(), Error> {
        let framing = match head.protocol {
            // The bytes after CONNECT belong to a tunnel, not to a request.
            Some(_) => Framing::Length(0),
            None => self.framing.decide_for_stream(ends)?,
        };
        head.keep_alive = true;
        head.asks_to_upgrade = false;
        self.settle(framing, head, policy)
    }

    fn settle(self, framing: Framing, head: &mut Head, policy: &Policy) -> Result<(), Error> {
        if head.line.version >= Version::Http11 && !self.host {
            return Err(Error::Field("'Host' is missing".into()));
        }
        if matches!(framing, Framing::Length(length) if length > policy.limits.body) {
            return Err(Error::BodyTooLarge(policy.limits.body));
        }
        head.framing = framing;
        head.expects_continue = self.expects_continue;
        head.scheme = self.scheme;
        Ok(())
    }
}

/// Notes a field that must be valid and may come only once.
pub(super) fn once(seen: &mut bool, valid: bool, name: &[u8], value: &[u8]) -> Result<(), Error> {
    if std::mem::replace(seen, true) || !valid {
        return Err(Error::Field(format!(
            "{} {}",
            printable(name),
            printable(value)
        )));
    }
    Ok(())
}
