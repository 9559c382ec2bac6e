//! The opening handshake: by an upgrade in HTTP/1.1 (RFC 6455 section 4.2), or by an
//! extended CONNECT in HTTP/2 (RFC 8441).

use super::extension::Compression;
use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Appended to the key before it is hashed (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The content of a valid handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`; nothing for an extended CONNECT, which
    /// needs no such proof.
    pub accept: Option<String>,
    /// The subprotocols that the client supports, its favourite first.
    pub subprotocols: Vec<String>,
    /// The chosen compression, if the client has offered any.
    pub compression: Option<Compression>,
}

/// Why a request cannot be upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The status is 426, or 400 for an extended CONNECT, with
    /// `Sec-WebSocket-Version: 13`.
    #[error("Only version 13 of WebSocket is spoken")]
    Version,
    /// The status is 400.
    #[error("Invalid Sec-WebSocket-Key")]
    Key,
}

/// True for a request that asks for a WebSocket. Other requests with an
/// `Upgrade` field are handled as if they had none (RFC 9110 section 7.8).
pub fn is_upgrade<'a>(
    method: &[u8],
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> bool {
    method == b"GET"
        && lists(fields.clone(), b"upgrade").any(|word| word.eq_ignore_ascii_case(b"websocket"))
        && lists(fields, b"connection").any(|word| word.eq_ignore_ascii_case(b"upgrade"))
}

impl Handshake {
    /// Reads the fields of a request for which [`is_upgrade`] is true.
    pub fn read<'a>(
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<Handshake, Refusal> {
        check_version(fields.clone())?;
        let mut keys = named(fields.clone(), b"sec-websocket-key");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(Refusal::Key);
        };
        if BASE64_STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
            return Err(Refusal::Key);
        }
        Ok(Handshake {
            accept: Some(accept(key)),
            ..Handshake::without_key(fields)
        })
    }

    /// Reads the fields of an extended CONNECT whose protocol is `websocket` (RFC
    /// 8441 section 5). A key in it means nothing.
    pub fn read_connect<'a>(
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> Result<Handshake, Refusal> {
        check_version(fields.clone())?;
        Ok(Handshake::without_key(fields))
    }

    fn without_key<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) -> Handshake {
        Handshake {
            accept: None,
            subprotocols: lists(fields.clone(), b"sec-websocket-protocol")
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
            compression: Compression::choose(named(fields, b"sec-websocket-extensions")),
        }
    }

    /// The fields of the response, except `Connection`, `Upgrade` and the
    /// subprotocol.
    pub fn answer(&self) -> impl Iterator<Item = (&'static str, String)> {
        let accept = self.accept.clone();
        let extension = self.compression.map(|compression| compression.answer());
        let accept = accept.map(|value| ("Sec-WebSocket-Accept", value));
        let extension = extension.map(|value| ("Sec-WebSocket-Extensions", value));
        accept.into_iter().chain(extension)
    }
}

fn check_version<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Result<(), Refusal> {
    let mut versions = named(fields, b"sec-websocket-version");
    match (versions.next(), versions.next()) {
        (Some(b"13"), None) => Ok(()),
        _ => Err(Refusal::Version),
    }
}

/// True for fields of the handshake that only the server sets. What follows the head
/// has no length (RFC 9110 section 9.3.6).
pub fn is_servers_field(name: &[u8]) -> bool {
    [
        "content-length",
        "upgrade",
        "sec-websocket-accept",
        "sec-websocket-extensions",
    ]
    .iter()
    .any(|field| name.eq_ignore_ascii_case(field.as_bytes()))
}

fn accept(key: &[u8]) -> String {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, GUID].concat());
    BASE64_STANDARD.encode(hash)
}

/// The values of all fields of a name.
fn named<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    name: &'static [u8],
) -> impl Iterator<Item = &'a [u8]> {
    fields
        .filter(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The elements of all fields of a name, which are lists.
fn lists<'a>(
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    name: &'static [u8],
) -> impl Iterator<Item = &'a [u8]> {
    named(fields, name)
        .flat_map(|value| value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}
