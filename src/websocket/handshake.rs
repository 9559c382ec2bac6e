//! The opening handshake (RFC 6455 section 4.2).

use super::extension::Compression;
use base64::prelude::{BASE64_STANDARD, Engine};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::iter;

/// Appended to the key before it is hashed (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The content of a valid handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// The subprotocols that the client supports, its favourite first.
    pub subprotocols: Vec<String>,
    /// The chosen compression, if the client has offered any.
    pub compression: Option<Compression>,
}

/// Why a request cannot be upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The status is 426, with `Sec-WebSocket-Version: 13`.
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
        let mut versions = named(fields.clone(), b"sec-websocket-version");
        if versions.next() != Some(b"13") || versions.next().is_some() {
            return Err(Refusal::Version);
        }
        let mut keys = named(fields.clone(), b"sec-websocket-key");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(Refusal::Key);
        };
        if BASE64_STANDARD.decode(key).map(|key| key.len()) != Ok(16) {
            return Err(Refusal::Key);
        }
        Ok(Handshake {
            accept: accept(key),
            subprotocols: lists(fields.clone(), b"sec-websocket-protocol")
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .collect(),
            compression: Compression::choose(named(fields, b"sec-websocket-extensions")),
        })
    }
}

impl Handshake {
    /// The fields of the response, except `Connection`, `Upgrade` and the
    /// subprotocol.
    pub fn answer(&self) -> impl Iterator<Item = (&'static str, String)> {
        let extension = self
            .compression
            .map(|compression| ("Sec-WebSocket-Extensions", compression.answer()));
        iter::once(("Sec-WebSocket-Accept", self.accept.clone())).chain(extension)
    }
}

/// True for fields of the handshake that only the server sets.
pub fn is_servers_field(name: &[u8]) -> bool {
    [
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
