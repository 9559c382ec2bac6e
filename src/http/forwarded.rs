//! What a trusted proxy says about the request it passes on.

use super::error::Error;
use super::field;
use super::head::Head;
use std::net::{IpAddr, SocketAddr};

/// How the client reached the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Fields by which a proxy tells that the client used TLS, each with the exact
/// value that says so (Gunicorn's `secure_scheme_headers`).
#[derive(Clone, Debug, Default)]
pub struct SecureSchemeFields(pub Vec<(String, String)>);

impl SecureSchemeFields {
    /// Notes in `stated` what a field says of the scheme. Fields that disagree
    /// are an error: one of them may come from the client.
    pub(super) fn see(
        &self,
        name: &[u8],
        value: &[u8],
        stated: &mut Option<Scheme>,
    ) -> Result<(), Error> {
        let secure = self
            .0
            .iter()
            .find(|(listed, _)| name.eq_ignore_ascii_case(listed.as_bytes()));
        let Some((_, secure)) = secure else {
            return Ok(());
        };
        let scheme = if value == secure.as_bytes() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        match stated.replace(scheme) {
            Some(before) if before != scheme => Err(Error::SchemeHeaders),
            _ => Ok(()),
        }
    }
}

/// The field that tells the client's address (`proxy_headers`).
///
/// One and not the other: a proxy appends to the one it knows and passes on
/// what the client wrote into the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressField {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
}

/// The client's address according to the field of a trusted peer's request:
/// going back from the nearest proxy, the first address that `trusts` does not
/// know as a proxy, or the farthest if it knows them all. Nothing where the
/// field is absent, or what it says at that place is no address.
pub fn client_address(
    head: &Head,
    which: AddressField,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let name = match which {
        AddressField::XForwardedFor => "x-forwarded-for",
        AddressField::Forwarded => "forwarded",
    };
    let mut farthest = None;
    // Fields of one name are one list (RFC 9110 section 5.3), read backwards.
    for (_, value) in head
        .fields
        .iter()
        .rev()
        .map(|(name, value)| (name.of(&head.raw), value.of(&head.raw)))
        .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
    {
        for element in value.rsplit(|&b| b == b',').map(field::trim) {
            let node = match which {
                AddressField::XForwardedFor => element,
                AddressField::Forwarded => for_parameter(element)?,
            };
            let address = node_address(node)?;
            farthest = Some(address);
            if !trusts(address) {
                return farthest;
            }
        }
    }
    farthest
}

/// The value of `for=` in one element of a Forwarded field.
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    element.split(|&b| b == b';').find_map(|pair| {
        let equals = memchr::memchr(b'=', pair)?;
        let (name, value) = (
            field::trim(&pair[..equals]),
            field::trim(&pair[equals + 1..]),
        );
        name.eq_ignore_ascii_case(b"for").then(|| {
            value
                .strip_prefix(b"\"")
                .and_then(|value| value.strip_suffix(b"\""))
                .unwrap_or(value)
        })
    })
}

/// An address, with or without a port; IPv6 in brackets or bare.
fn node_address(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?;
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    let address = bare
        .parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadParser, Policy};

    fn head(fields: &str) -> Result<Head, Error> {
        let pairs = [
            ("X-FORWARDED-PROTOCOL", "ssl"),
            ("X-FORWARDED-PROTO", "https"),
            ("X-FORWARDED-SSL", "on"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let policy = Policy {
            secure_scheme_fields: SecureSchemeFields(pairs.to_vec()),
            ..Policy::default()
        };
        let text = format!("GET / HTTP/1.0\r\n{fields}\r\n");
        let mut head = Head::default();
        HeadParser::default().advance(text.as_bytes(), &policy, &mut head)?;
        Ok(head)
    }

    #[test]
    fn stated_schemes() {
        let scheme = |fields: &str| head(fields).map(|head| head.stated_scheme());
        assert_eq!(scheme(""), Ok(None));
        assert_eq!(
            scheme("X-Forwarded-Proto: https\r\n"),
            Ok(Some(Scheme::Https))
        );
        assert_eq!(
            scheme("X-Forwarded-Proto: HTTPS\r\n"),
            Ok(Some(Scheme::Http))
        );
        assert_eq!(
            scheme("X-Forwarded-Ssl: on\r\nX-Forwarded-Proto: https\r\n"),
            Ok(Some(Scheme::Https))
        );
        assert_eq!(
            scheme("X-Forwarded-Ssl: off\r\nX-Forwarded-Proto: https\r\n"),
            Err(Error::SchemeHeaders)
        );
    }

    fn client(which: AddressField, fields: &str) -> Option<String> {
        let trusts = |address: IpAddr| address.to_string().starts_with("10.");
        client_address(&head(fields).unwrap(), which, trusts).map(|address| address.to_string())
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
        assert_eq!(client("1.2.3.4:99").as_deref(), Some("1.2.3.4"));
        assert_eq!(client("[2001:db8::1]:99").as_deref(), Some("2001:db8::1"));
        assert_eq!(client("2001:db8::1").as_deref(), Some("2001:db8::1"));
        assert_eq!(client("::ffff:1.2.3.4").as_deref(), Some("1.2.3.4"));
        // What the nearest proxy could not tell is not guessed from what is
        // farther away.
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
            Some("1.2.3.4")
        );
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
