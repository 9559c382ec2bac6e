//! The versions of HTTP that are spoken over TLS (`http_protocols`).

use super::value::{FromValue, ToValue, Value};
use HttpProtocol::{H1, H2};

/// The versions that clients may speak, the preferred one first.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProtocols(Vec<HttpProtocol>);

impl HttpProtocols {
    /// True if HTTP/1.1 is among them.
    pub fn has_http1(&self) -> bool {
        self.0.contains(&H1)
    }

    /// True if HTTP/2 is among them.
    pub fn has_http2(&self) -> bool {
        self.0.contains(&H2)
    }

    /// Their names in TLS, in their order.
    pub fn alpn(&self) -> Vec<&'static [u8]> {
        self.0.iter().map(|protocol| protocol.alpn()).collect()
    }
}

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HttpProtocol {
    H1,
    H2,
}

impl HttpProtocol {
    const ALL: [HttpProtocol; 2] = [H1, H2];

    /// The word in the setting.
    fn word(self) -> &'static str {
        match self {
            H1 => "h1",
            H2 => "h2",
        }
    }

    /// The name in TLS (RFC 7301 section 6, RFC 9113 section 3.2).
    fn alpn(self) -> &'static [u8] {
        match self {
            H1 => b"http/1.1",
            H2 => b"h2",
        }
    }
}

impl Default for HttpProtocols {
    fn default() -> Self {
        HttpProtocols(vec![H2, H1])
    }
}

impl FromValue for HttpProtocols {
    /// Reads a list of `h1` and `h2`. Gunicorn takes one without any as `h1`.
    fn from_value(raw: Value) -> Result<Self, String> {
        let mut protocols = Vec::new();
        let text = String::from_value(raw)?.to_ascii_lowercase();
        for word in text.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let known = HttpProtocol::ALL.into_iter().find(|it| it.word() == word);
            let Some(protocol) = known else {
                return Err(format!("'{word}' is neither 'h1' nor 'h2'"));
            };
            if !protocols.contains(&protocol) {
                protocols.push(protocol);
            }
        }
        if protocols.is_empty() {
            protocols.push(H1);
        }
        Ok(HttpProtocols(protocols))
    }
}

impl ToValue for HttpProtocols {
    fn to_value(&self) -> Value {
        let words: Vec<_> = self.0.iter().map(|protocol| protocol.word()).collect();
        Value::Str(words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HttpProtocols, String> {
        HttpProtocols::from_value(Value::Str(text.to_owned()))
    }

    #[test]
    fn the_order_of_the_versions_is_kept() {
        for (text, shown, alpn) in [
            ("h2,h1", "h2,h1", &[&b"h2"[..], b"http/1.1"][..]),
            ("h1, H2,h1", "h1,h2", &[b"http/1.1", b"h2"]),
            ("h2", "h2", &[b"h2"]),
            (" , ", "h1", &[b"http/1.1"]),
        ] {
            let protocols = read(text).unwrap();
            assert_eq!(protocols.to_value(), Value::Str(shown.to_owned()));
            assert_eq!(protocols.alpn(), alpn);
        }
        assert_eq!(read("h2,h1"), Ok(HttpProtocols::default()));
        assert!(read("h2").unwrap().has_http2() && !read("h2").unwrap().has_http1());
        assert!(read("h1").unwrap().has_http1() && !read("h1").unwrap().has_http2());
    }

    #[test]
    fn unknown_versions_are_refused() {
        assert_eq!(read("h1,h3"), Err("'h3' is neither 'h1' nor 'h2'".into()));
        assert!(HttpProtocols::from_value(Value::Int(2)).is_err());
    }
}
