//! The settings that take one of a few words.

use super::check;
use super::value::{FromValue, ToValue, Value};
use crate::http::{AddressField, ProxyMode, TraceMode, Underscores};
use crate::net::ClientCertificates;

/// What one of a few words stands for.
pub trait Choice: Copy + PartialEq + 'static {
    /// The words, and what each stands for.
    const WORDS: &'static [(&'static str, Self)];

    /// Only the words.
    const NAMES: &'static [&'static str];

    /// The word for it.
    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, choice)| *choice == self);
        found.expect("each has its word").0
    }
}

/// Reads one of these words, in any case.
pub fn word(value: Value, words: &[&str]) -> Result<String, String> {
    let text = match &value {
        Value::Str(text) => text.trim().to_ascii_lowercase(),
        _ => String::new(),
    };
    if words.contains(&&*text) {
        return Ok(text);
    }
    let words: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    Err(format!("{value} is none of {}", words.join(", ")))
}

/// Reads one of the words of a type, in any case.
pub fn choice<T: Choice>(value: Value) -> Result<T, String> {
    let word = word(value, T::NAMES)?;
    let mut known = T::WORDS.iter();
    Ok(known
        .find(|(known, _)| *known == word)
        .expect("it is one")
        .1)
}

/// The word for a switch: `on` for `True`, `off` for `False`. Another value stays as
/// it is.
pub fn switch_as(on: &str, value: Value) -> Value {
    match value {
        Value::Bool(true) => Value::Str(on.to_owned()),
        Value::Bool(false) | Value::None => Value::Str("off".to_owned()),
        value => value,
    }
}

/// Reads one of the words, or a switch as Gunicorn 23 had it.
pub fn proxy_protocol(value: Value) -> Result<ProxyMode, String> {
    let value = check::switch(value.clone()).map_or(value, Value::Bool);
    choice(switch_as("auto", value))
}

/// Reads one of the words, or a switch.
pub fn http2_cleartext(value: Value) -> Result<Http2Cleartext, String> {
    choice(switch_as("prior-knowledge", value))
}

/// Reads 0, 1 or 2, as Python's `ssl` numbers them.
pub fn client_certificates(value: Value) -> Result<ClientCertificates, String> {
    match check::number(value.clone()) {
        Ok(0) => Ok(ClientCertificates::None),
        Ok(1) => Ok(ClientCertificates::Optional),
        Ok(2) => Ok(ClientCertificates::Required),
        _ => Err(format!(
            "{value} is none of 0 (no client certificate), 1 (optional), 2 (required)"
        )),
    }
}

impl ToValue for ClientCertificates {
    fn to_value(&self) -> Value {
        Value::Int(*self as i64)
    }
}

/// How changed files are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadEngine {
    Auto,
    Poll,
    Inotify,
}

/// How trusted peers may speak HTTP/2 without TLS (RFC 9113 section 3.3, RFC 7540
/// section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2Cleartext {
    Off,
    PriorKnowledge,
    Upgrade,
    Both,
}

impl Http2Cleartext {
    /// True if a connection may begin with HTTP/2.
    pub fn allows_prior_knowledge(self) -> bool {
        matches!(self, Self::PriorKnowledge | Self::Both)
    }

    /// True if a request of HTTP/1.1 may ask for HTTP/2.
    pub fn allows_upgrade(self) -> bool {
        matches!(self, Self::Upgrade | Self::Both)
    }
}

macro_rules! choices {
    ($( $type:ty { $( $word:literal => $choice:expr, )+ } )+) => { $(
        impl Choice for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$( ($word, $choice), )+];
            const NAMES: &'static [&'static str] = &[$( $word, )+];
        }

        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self, String> {
                choice(value)
            }
        }

        impl ToValue for $type {
            fn to_value(&self) -> Value {
                Value::Str(self.word().to_owned())
            }
        }
    )+ };
}

choices! {
    Underscores {
        "drop" => Self::Drop,
        "refuse" => Self::Refuse,
        "dangerous" => Self::Keep,
    }
    ReloadEngine {
        "auto" => Self::Auto,
        "poll" => Self::Poll,
        "inotify" => Self::Inotify,
    }
    Http2Cleartext {
        "off" => Self::Off,
        "prior-knowledge" => Self::PriorKnowledge,
        "upgrade" => Self::Upgrade,
        "both" => Self::Both,
    }
    TraceMode {
        "off" => Self::Off,
        "accept" => Self::Accept,
        "make" => Self::Make,
    }
    ProxyMode {
        "off" => Self::Off,
        "v1" => Self::V1,
        "v2" => Self::V2,
        "auto" => Self::Auto,
    }
    Option<AddressField> {
        "off" => None,
        "x-forwarded-for" => Some(AddressField::XForwardedFor),
        "forwarded" => Some(AddressField::Forwarded),
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
        assert_eq!(choice(str(" Refuse ")), Ok(Underscores::Refuse));
        assert_eq!(
            choice::<Underscores>(str("keep")).unwrap_err(),
            "'keep' is none of 'drop', 'refuse', 'dangerous'"
        );
        assert!(word(Value::Int(1), &["auto"]).is_err());
    }

    #[test]
    fn switches_of_older_versions_are_words() {
        let read = proxy_protocol;
        assert_eq!(read(Value::Bool(true)), Ok(ProxyMode::Auto));
        assert_eq!(read(str("False")), Ok(ProxyMode::Off));
        assert_eq!(read(str("v2")), Ok(ProxyMode::V2));
        assert!(read(str("v3")).is_err());
    }

    #[test]
    fn http_2_without_tls_is_a_word_or_a_switch() {
        let read = http2_cleartext;
        for (value, prior_knowledge, upgrade) in [
            (Value::Bool(false), false, false),
            (Value::Bool(true), true, false),
            (str("Prior-Knowledge"), true, false),
            (str("upgrade"), false, true),
            (str("both"), true, true),
        ] {
            let mode = read(value).unwrap();
            assert_eq!(mode.allows_prior_knowledge(), prior_knowledge);
            assert_eq!(mode.allows_upgrade(), upgrade);
        }
        assert!(read(str("h2c")).is_err());
    }

    #[test]
    fn client_certificates_are_numbered() {
        assert_eq!(
            client_certificates(str("2")),
            Ok(ClientCertificates::Required)
        );
        assert_eq!(
            client_certificates(Value::Int(1)),
            Ok(ClientCertificates::Optional)
        );
        assert!(client_certificates(Value::Int(3)).is_err());
        assert_eq!(ClientCertificates::None.to_value(), Value::Int(0));
    }
}
