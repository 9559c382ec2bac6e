//! The settings that take one of a few words.

use std::fmt;

use super::value::{ToValue, Value};

/// Makes an enum whose variants are words of a setting; `check` reads them
/// without regard to case.
macro_rules! choices {
    ($(
        $(#[doc = $help:literal])+
        $name:ident { $( $(#[doc = $meaning:literal])* $variant:ident = $word:literal, )+ }
    )+) => { $(
        $(#[doc = $help])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $( $(#[doc = $meaning])* $variant, )+ }

        impl $name {
            /// The word for it.
            pub fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )+ }
            }

            /// Reads one of the words.
            pub fn check(value: Value) -> Result<Self, String> {
                let words = [$( ($word, Self::$variant), )+];
                let text = match &value {
                    Value::Str(text) => text.trim().to_ascii_lowercase(),
                    _ => String::new(),
                };
                match words.iter().find(|(word, _)| *word == text) {
                    Some((_, choice)) => Ok(*choice),
                    None => {
                        let words = words.map(|(word, _)| format!("'{word}'"));
                        Err(format!("{value} is none of {}", words.join(", ")))
                    }
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }

        impl ToValue for $name {
            fn to_value(&self) -> Value {
                Value::Str(self.word().to_owned())
            }
        }
    )+ };
}

choices! {
    /// The event loop of the asgi worker.
    AsgiLoop {
        /// uvloop if the app carries it, else asyncio's.
        Auto = "auto",
        Asyncio = "asyncio",
        Uvloop = "uvloop",
    }

    /// Whether an ASGI app is told of the server's start and end.
    AsgiLifespan {
        /// It is told, and may answer that it does not care.
        Auto = "auto",
        On = "on",
        Off = "off",
    }

    /// What becomes of a header field whose name has an underscore.
    HeaderMap {
        Drop = "drop",
        Refuse = "refuse",
        /// Kept, though another field may look the same to the app.
        Dangerous = "dangerous",
    }

    /// How changed files are noticed.
    ReloadEngine {
        Auto = "auto",
        Poll = "poll",
        Inotify = "inotify",
    }

    /// Which versions of the PROXY protocol's header a connection may begin
    /// with.
    ProxyProtocol {
        Off = "off",
        V1 = "v1",
        V2 = "v2",
        /// Either version.
        Auto = "auto",
    }

    /// The field in which trusted peers tell the client's address.
    ProxyHeaders {
        Off = "off",
        XForwardedFor = "x-forwarded-for",
        Forwarded = "forwarded",
    }

    /// HTTP/2 without TLS, in Gunicorn's words; none is spoken here.
    Http2Cleartext {
        Off = "off",
        PriorKnowledge = "prior-knowledge",
        Upgrade = "upgrade",
        Both = "both",
    }

    /// The parser of requests, in Gunicorn's words; there is only one here.
    HttpParser {
        Auto = "auto",
        Fast = "fast",
        Python = "python",
    }
}

impl ProxyProtocol {
    /// Reads one of the words, or a switch as Gunicorn 23 had it.
    pub fn check_or_switch(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(true) => Ok(Self::Auto),
            Value::Bool(false) | Value::None => Ok(Self::Off),
            Value::Str(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Self::Auto),
            Value::Str(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Self::Off),
            value => Self::check(value),
        }
    }
}

impl ProxyHeaders {
    /// Reads one of the words, or a switch.
    pub fn check_or_switch(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(true) => Ok(Self::XForwardedFor),
            Value::Bool(false) | Value::None => Ok(Self::Off),
            value => Self::check(value),
        }
    }
}

impl Http2Cleartext {
    /// Reads one of the words, or a switch.
    pub fn check_or_switch(value: Value) -> Result<Self, String> {
        match value {
            Value::Bool(true) => Ok(Self::PriorKnowledge),
            Value::Bool(false) | Value::None => Ok(Self::Off),
            value => Self::check(value),
        }
    }
}

/// Whether a client must show a certificate, as numbered in Python's `ssl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertReqs {
    /// None is asked for.
    None,
    /// One is asked for, and checked if it is shown.
    Optional,
    /// Without a valid one there is no connection.
    Required,
}

impl CertReqs {
    /// Reads 0, 1 or 2.
    pub fn check(value: Value) -> Result<Self, String> {
        match super::check::number(value.clone()) {
            Ok(0) => Ok(Self::None),
            Ok(1) => Ok(Self::Optional),
            Ok(2) => Ok(Self::Required),
            _ => Err(format!(
                "{value} is none of 0 (no client certificate), 1 (optional), 2 (required)"
            )),
        }
    }
}

impl ToValue for CertReqs {
    fn to_value(&self) -> Value {
        Value::Int(*self as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn str(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn words_are_read_in_any_case_and_named_when_wrong() {
        assert_eq!(HeaderMap::check(str(" Refuse ")), Ok(HeaderMap::Refuse));
        assert_eq!(
            HeaderMap::check(str("keep")).unwrap_err(),
            "'keep' is none of 'drop', 'refuse', 'dangerous'"
        );
        assert!(AsgiLoop::check(Value::Int(1)).is_err());
    }

    #[test]
    fn switches_of_older_versions_are_words() {
        let read = ProxyProtocol::check_or_switch;
        assert_eq!(read(Value::Bool(true)), Ok(ProxyProtocol::Auto));
        assert_eq!(read(str("False")), Ok(ProxyProtocol::Off));
        assert_eq!(read(str("v2")), Ok(ProxyProtocol::V2));
        assert!(read(str("v3")).is_err());
    }

    #[test]
    fn client_certificates_are_numbered() {
        assert_eq!(CertReqs::check(str("2")), Ok(CertReqs::Required));
        assert_eq!(CertReqs::check(Value::Int(1)), Ok(CertReqs::Optional));
        assert!(CertReqs::check(Value::Int(3)).is_err());
        assert_eq!(CertReqs::None.to_value(), Value::Int(0));
    }
}
