//! The client's address in the fields of a trusted proxy.

use super::head::Head;
use crate::http::field;
use std::borrow::Cow;
use std::iter;
use std::net::{IpAddr, SocketAddr};

/// The field with the client's address (`proxy_headers`).
///
/// Only one of them is used: a proxy appends to the field that it knows, and
/// passes the other one on as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressField {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// The client's address, and its port if there is one, in a request of a
/// trusted peer. The addresses are read from the last to the first: the
/// client's is the first one for which `trusts` is false, or the last one that
/// is read. Nothing if the field is absent, or if there is no address at that
/// place.
pub fn client_address(
    head: &Head,
    which: AddressField,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<(IpAddr, Option<u16>)> {
    let name = match which {
        AddressField::XForwardedFor => "x-forwarded-for",
        AddressField::Forwarded => "forwarded",
    };
    let mut farthest = None;
    // Several fields of a name are one list (RFC 9110 section 5.3).
    for (_, value) in head
        .fields
        .iter()
        .rev()
        .map(|(name, value)| (name.of(&head.raw), value.of(&head.raw)))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
    {
        for element in elements_backwards(value) {
            let node = match which {
                AddressField::XForwardedFor => element.into(),
                AddressField::Forwarded => for_parameter(element)?,
            };
            let (address, port) = parse_node(&node)?;
            farthest = Some((address, port));
            if !trusts(address) {
                return farthest;
            }
        }
    }
    farthest
}

/// The elements of a list from its end to its start, without empty ones (RFC
/// 9110 section 5.6.1). A comma in a quoted string separates nothing.
///
/// The list is read from its end, because its start may come from the client.
/// So a quote there cannot change the elements of the proxies after it.
fn elements_backwards(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    iter::from_fn(move || {
        let list = rest?;
        let comma = last_unquoted(list, b',');
        rest = comma.map(|comma| &list[..comma]);
        Some(field::trim(&list[comma.map_or(0, |comma| comma + 1)..]))
    })
    .filter(|element| !element.is_empty())
}

/// The position of the last such byte outside of quoted strings.
fn last_unquoted(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut quoted = false;
    bytes.iter().enumerate().rposition(|(place, &byte)| {
        // In a string, a quote after a backslash belongs to the string.
        if byte == b'"' && !(quoted && is_escaped(bytes, place)) {
            quoted = !quoted;
        }
        byte == wanted && !quoted
    })
}

/// True if there is an odd number of backslashes before this position.
fn is_escaped(bytes: &[u8], place: usize) -> bool {
    let before = bytes[..place].iter().rev();
    before.take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The value of `for=` in one element of a Forwarded field, without quotes (RFC
/// 7239 section 4).
fn for_parameter(element: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut rest = Some(element);
    let mut pairs = iter::from_fn(|| {
        let pairs = rest?;
        let semicolon = last_unquoted(pairs, b';');
        rest = semicolon.map(|semicolon| &pairs[..semicolon]);
        Some(&pairs[semicolon.map_or(0, |semicolon| semicolon + 1)..])
    });
    let value = pairs.find_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let name = field::trim(&pair[..equals]);
        let value = field::trim(&pair[equals + 1..]);
        name.eq_ignore_ascii_case(b"for").then_some(value)
    })?;
    Some(unquote(value))
}

/// The text of a quoted string. Anything else stays as it is.
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
    else {
        return value.into();
    };
    if !inner.contains(&b'\\') {
        return inner.into();
    }
    let mut bytes = inner.iter();
    let unescaped = iter::from_fn(|| match bytes.next() {
        Some(b'\\') => bytes.next(),
        byte => byte,
    });
    unescaped.copied().collect::<Vec<_>>().into()
}

/// An address and its port. IPv6 may be in brackets. A proxy may write `_name`
/// instead of the port (RFC 7239 section 6); that counts as no port.
fn parse_node(node: &[u8]) -> Option<(IpAddr, Option<u16>)> {
    let text = str::from_utf8(node).ok()?;
    let is_hidden = |port: &str| {
        let name = port.strip_prefix('_').unwrap_or_default();
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let text = match text.rsplit_once(':') {
        Some((address, port)) if is_hidden(port) => address,
        _ => text,
    };
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let (address, port) = match bare.parse::<IpAddr>() {
        Ok(address) => (address, None),
        Err(_) => {
            let address: SocketAddr = text.parse().ok()?;
            (address.ip(), Some(address.port()))
        }
    };
    Some((address.to_canonical(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadParser, Policy};

    fn head(fields: &str) -> Head {
        let text = format!("GET / HTTP/1.0\r\n{fields}\r\n");
        let mut head = Head::default();
        let parsed = HeadParser::default().advance(text.as_bytes(), &Policy::default(), &mut head);
        assert_eq!(parsed, Ok(Some(text.len())));
        head
    }

    fn client(which: AddressField, fields: &str) -> Option<String> {
        let trusts = |address: IpAddr| address.to_string().starts_with("10.");
        let (address, port) = client_address(&head(fields), which, trusts)?;
        let port = port.map(|port| format!(" {port}")).unwrap_or_default();
        Some(format!("{address}{port}"))
    }

    #[test]
    fn the_nearest_address_that_is_no_proxy() {
        let client = |value: &str| {
            client(
                AddressField::XForwardedFor,
                &format!("X-Forwarded-For: {value}\r\n"),
            )
        };
        assert_eq!(client("1.2.3.4").as_deref(), Some("1.2.3.4"));
        assert_eq!(
            client("6.6.6.6, 1.2.3.4, 10.0.0.1").as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(client("10.0.0.2,10.0.0.1").as_deref(), Some("10.0.0.2"));
        assert_eq!(client("1.2.3.4:99").as_deref(), Some("1.2.3.4 99"));
        assert_eq!(
            client("[2001:db8::1]:99").as_deref(),
            Some("2001:db8::1 99")
        );
        assert_eq!(client("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(client("::ffff:1.2.3.4").as_deref(), Some("1.2.3.4"));
        for list in ["1.2.3.4,", ", 1.2.3.4 ,, ,", "1.2.3.4,,10.0.0.1,"] {
            assert_eq!(client(list).as_deref(), Some("1.2.3.4"), "{list}");
        }
        assert_eq!(client(","), None);
        // If the last element has no address, those before it are not used.
        assert_eq!(client("1.2.3.4, unknown"), None);
        assert_eq!(client(""), None);
        let two = "X-Forwarded-For: 6.6.6.6\r\nX: y\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.1\r\n";
        assert_eq!(
            super::tests::client(AddressField::XForwardedFor, two).as_deref(),
            Some("1.2.3.4")
        );
    }

    #[test]
    fn the_standard_field() {
        let client =
            |value: &str| client(AddressField::Forwarded, &format!("Forwarded: {value}\r\n"));
        assert_eq!(
            client("for=6.6.6.6, For=\"1.2.3.4:5\";proto=https;by=x, for=10.0.0.1").as_deref(),
            Some("1.2.3.4 5")
        );
        for list in [
            "for=1.2.3.4,",
            "for=1.2.3.4;by=x, ,for=10.0.0.1,",
            r#"for="1.2.3.4:_port""#,
            r#"for="[::ffff:1.2.3.4]:_a.b-c""#,
            r#"for="1.2.3.4";host="a,b""#,
            r#"host="a;for=6.6.6.6";for=1.2.3.4"#,
            r#"host="a\",for=6.6.6.6,\"b";for=1.2.3.4;x="c\\""#,
            r#"for="1\.2.3.4""#,
            // The client opened a quote, and the proxy's element ends it.
            r#"for=6.6.6.6;x=", for=1.2.3.4"#,
            r#"for=6.6.6.6;x="\, for="1.2.3.4""#,
        ] {
            assert_eq!(client(list).as_deref(), Some("1.2.3.4"), "{list}");
        }
        for list in [
            "for=1.2.3.4:_",
            "for=\"1.2.3.4:_p t\"",
            "for=\"1.2.3.4",
            "for=unknown",
            "\"",
            "\\",
        ] {
            assert_eq!(client(list), None, "{list}");
        }
        assert_eq!(
            client("proto=http; for=\"[2001:db8::1]\"").as_deref(),
            Some("2001:db8::1")
        );
        assert_eq!(client("for=_hidden"), None);
        assert_eq!(client("by=1.2.3.4"), None);
        assert_eq!(
            super::tests::client(AddressField::Forwarded, "X-Forwarded-For: 1.2.3.4\r\n"),
            None
        );
    }
}
