//! How the client reached the site: directly, or as a trusted proxy says.

use super::error::Error;

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

/// Fields in which a proxy states that the client used TLS, each with the exact
/// value that means TLS (`secure_scheme_headers`). If that value is `https`,
/// `wss` counts too: some proxies send it for a WebSocket.
#[derive(Clone, Debug, Default)]
pub struct SecureSchemeFields(pub Vec<(String, String)>);

impl SecureSchemeFields {
    /// Sets `stated` if the field states a scheme. Fields that disagree are an
    /// error, because one of them may come from the client.
    pub(super) fn note(
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
        let is_secure = value == secure.as_bytes() || (value == b"wss" && secure == "https");
        let scheme = match is_secure {
            true => Scheme::Https,
            false => Scheme::Http,
        };
        match stated.replace(scheme) {
            Some(before) if before != scheme => Err(Error::SchemeHeaders),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Head, HeadParser, Policy};

    fn scheme(fields: &str) -> Result<Option<Scheme>, Error> {
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
        Ok(head.stated_scheme())
    }

    #[test]
    fn stated_schemes() {
        assert_eq!(scheme(""), Ok(None));
        assert_eq!(
            scheme("X-Forwarded-Proto: https\r\n"),
            Ok(Some(Scheme::Https))
        );
        assert_eq!(
            scheme("X-Forwarded-Proto: HTTPS\r\n"),
            Ok(Some(Scheme::Http))
        );
        for (field, stated) in [
            ("X-Forwarded-Proto: wss\r\n", Scheme::Https),
            ("X-Forwarded-Proto: ws\r\n", Scheme::Http),
            ("X-Forwarded-Protocol: wss\r\n", Scheme::Http),
        ] {
            assert_eq!(scheme(field), Ok(Some(stated)), "{field}");
        }
        assert_eq!(
            scheme("X-Forwarded-Ssl: on\r\nX-Forwarded-Proto: https\r\n"),
            Ok(Some(Scheme::Https))
        );
        assert_eq!(
            scheme("X-Forwarded-Ssl: off\r\nX-Forwarded-Proto: https\r\n"),
            Err(Error::SchemeHeaders)
        );
    }
}
