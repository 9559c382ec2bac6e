//! The request target (RFC 9112 section 3.2) and its parts.

use crate::http::error::{Error, printable};
use std::borrow::Cow;

/// The parts of a target, as slices of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub path: &'a [u8],
    pub query: &'a [u8],
    /// The host and port of the absolute form, without user and password.
    pub authority: Option<&'a [u8]>,
}

/// Checks that the target has a form its method allows and finds its parts.
pub(super) fn split<'a>(method: &[u8], target: &'a [u8]) -> Result<Parts<'a>, Error> {
    let refuse = || Err(Error::RequestLine(printable(target)));
    if !is_printing(target) {
        return refuse();
    }
    if method == b"CONNECT" {
        // authority-form: there is no path in it, but always a port
        let port = target.iter().rposition(|&b| b == b':');
        let has_port = port.is_some_and(|colon| colon + 1 < target.len());
        if !has_port || !is_authority(target) {
            return refuse();
        }
        return Ok(Parts {
            path: &target[..0],
            query: &target[..0],
            authority: None,
        });
    }
    let (authority, rest) = if is_local(method, target) {
        (None, target)
    } else if let Some((authority, rest)) = absolute(target) {
        (Some(authority), rest)
    } else {
        return refuse();
    };
    Ok(parts(authority, rest))
}

/// The parts of a path of HTTP/2: the target has no other form there but in
/// `CONNECT` (RFC 9113 section 8.3.1).
pub(super) fn split_path<'a>(method: &[u8], path: &'a [u8]) -> Result<Parts<'a>, Error> {
    match is_printing(path) && is_local(method, path) {
        true => Ok(parts(None, path)),
        false => Err(Error::RequestLine(printable(path))),
    }
}

/// True if there is at least one byte, and all of them can be printed.
fn is_printing(target: &[u8]) -> bool {
    // No early exit, so that the compiler can check many bytes at once.
    let printing = target
        .iter()
        .fold(true, |good, b| good & (0x21..=0x7e).contains(b));
    printing && !target.is_empty()
}

/// True for the origin form, `/path`, and the asterisk form.
fn is_local(method: &[u8], target: &[u8]) -> bool {
    target[0] == b'/' || (target == b"*" && method == b"OPTIONS")
}

fn parts<'a>(authority: Option<&'a [u8]>, rest: &'a [u8]) -> Parts<'a> {
    // A client should not send a fragment. It does not belong to the path.
    let rest = &rest[..memchr::memchr(b'#', rest).unwrap_or(rest.len())];
    let (path, query) = match memchr::memchr(b'?', rest) {
        Some(mark) => (&rest[..mark], &rest[mark + 1..]),
        None => (rest, &rest[rest.len()..]),
    };
    Parts {
        path,
        query,
        authority,
    }
}

/// The authority of `scheme://authority/...` without the user before its `@`,
/// and what follows it.
fn absolute(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', target)?;
    let (scheme, rest) = target.split_at(colon);
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
    let rest = rest.strip_prefix(b"://").filter(|_| is_scheme)?;
    let end = rest.iter().position(|b| b"/?#".contains(b));
    let (authority, rest) = rest.split_at(end.unwrap_or(rest.len()));
    let user = authority.iter().rposition(|&b| b == b'@');
    let authority = &authority[user.map_or(0, |at| at + 1)..];
    is_authority(authority).then_some((authority, rest))
}

/// `host [ ":" port ]` (RFC 3986 section 3.2): a name, an IPv4 address or an
/// IPv6 address in brackets. A comma is refused, although the RFC allows it,
/// because it would look like two hosts.
pub(super) fn is_authority(value: &[u8]) -> bool {
    let port = match value.strip_prefix(b"[") {
        Some(rest) => {
            let end = rest.iter().position(|&b| b == b']').unwrap_or(rest.len());
            let (address, port) = rest.split_at(end);
            let is_address = address
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b":.-_~".contains(b));
            let Some(port) = port.strip_prefix(b"]").filter(|_| is_address && end > 0) else {
                return false;
            };
            port
        }
        None => {
            let end = value.iter().position(|&b| b == b':').unwrap_or(value.len());
            let (name, port) = value.split_at(end);
            let is_name = name
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(b));
            if name.is_empty() || !is_name {
                return false;
            }
            port
        }
    };
    port.is_empty() || matches!(port, [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit))
}

/// `path` with its percent-encoded bytes decoded. Malformed escapes stay as
/// they are.
pub fn percent_decode(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'%', path) else {
        return Cow::Borrowed(path);
    };
    let mut out = Vec::with_capacity(path.len());
    out.extend_from_slice(&path[..first]);
    let mut rest = &path[first..];
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%'
            && let [high, low, tail @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = tail;
        } else {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(method: &str, target: &'a str) -> Result<(&'a str, &'a str), Error> {
        let parts = split(method.as_bytes(), target.as_bytes())?;
        let text = |part| std::str::from_utf8(part).unwrap();
        Ok((text(parts.path), text(parts.query)))
    }

    #[test]
    fn the_four_forms() {
        assert_eq!(parts("GET", "/a/b?c=d?e#f"), Ok(("/a/b", "c=d?e")));
        assert_eq!(parts("GET", "//a?"), Ok(("//a", "")));
        assert_eq!(parts("GET", "/#x?y"), Ok(("/", "")));
        assert_eq!(parts("GET", "http://h:80/p?q"), Ok(("/p", "q")));
        assert_eq!(parts("GET", "http://h?q"), Ok(("", "q")));
        assert_eq!(parts("GET", "http://h#q"), Ok(("", "")));
        assert_eq!(parts("OPTIONS", "*"), Ok(("*", "")));
        assert_eq!(parts("CONNECT", "h:443"), Ok(("", "")));
    }

    #[test]
    fn forms_the_method_does_not_allow() {
        for (method, target) in [
            ("GET", ""),
            ("GET", "*"),
            ("GET", "a"),
            ("GET", "h:443"),
            ("GET", "http:///p"),
            ("GET", "?q"),
            ("CONNECT", "/p"),
            ("CONNECT", "h"),
            ("CONNECT", "h:"),
            ("CONNECT", "u@h:443"),
            ("GET", "http://h:port/"),
            ("GET", "s://]ufd/:"),
            ("GET", "http://[::1/"),
            ("CONNECT", "http://h/"),
            ("OPTIONS", "**"),
            ("GET", "/caf\u{e9}"),
            ("GET", "/a\tb"),
        ] {
            assert!(parts(method, target).is_err(), "{method} {target:?}");
        }
    }

    #[test]
    fn the_authority_of_a_target() {
        for (target, authority) in [
            ("http://u:p@h:80/a@b", "h:80"),
            ("http://[::1]:80", "[::1]:80"),
            ("HTTPS://h?a", "h"),
        ] {
            let parts = split(b"GET", target.as_bytes()).unwrap();
            assert_eq!(parts.authority, Some(authority.as_bytes()));
        }
        assert_eq!(split(b"GET", b"/").unwrap().authority, None);
    }

    #[test]
    fn authorities() {
        for good in [
            "h",
            "a.b-c_d",
            "1.2.3.4:80",
            "[::1]",
            "[v1.x]:8",
            "h:",
            "0.0.0.0=5000",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a b", "a,b", "a/b", "::1", "[::1", "[]", "[::1]x", "h:8o", "u@h",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn percent_decoding() {
        assert_eq!(percent_decode(b"/plain"), Cow::Borrowed(b"/plain"));
        assert_eq!(&*percent_decode(b"/a%20b%C3%a9%"), b"/a b\xc3\xa9%");
        assert_eq!(&*percent_decode(b"%zz%4"), b"%zz%4");
    }
}
