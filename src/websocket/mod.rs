//! WebSocket (RFC 6455, RFC 7692) as functions over bytes, *sans-IO*: no
//! sockets, no Python, no clock. The owner of the bytes
//!
//! 1. calls [`is_upgrade`] to see whether a request asks for a WebSocket, and
//!    [`Handshake::read`] to see whether it may have one (in HTTP/2 only
//!    [`Handshake::read_connect`]),
//! 2. passes the client's bytes to [`Endpoint::next`], which gives one
//!    [`Incoming`] at a time,
//! 3. makes frames with [`Endpoint::message`], [`Endpoint::ping`] and
//!    [`Endpoint::close`].
//!
//! Frames that the protocol itself requires (pongs, the echo of a close) are
//! collected for [`Endpoint::take_answers`].

#![forbid(unsafe_code)]

mod close;
mod close_code;
mod deflate;
mod endpoint;
mod error;
mod extension;
mod frame;
mod handshake;
mod receiver;

pub use close_code::CloseCode;
pub use endpoint::{Endpoint, EndpointOptions, Incoming, Payload};
#[allow(unused_imports, reason = "tests and the fuzzer name it")]
pub use extension::Compression;
pub use handshake::{Handshake, Refusal, is_servers_field, is_upgrade};

#[cfg(test)]
mod tests;
