//! WebSocket (RFC 6455, RFC 7692) as functions over bytes, *sans-IO*: no
//! sockets, no Python, no clock. Whoever holds the bytes
//!
//! 1. asks [`is_upgrade`] whether a request wants one, and [`Handshake::read`]
//!    whether it may have it,
//! 2. feeds what the client sends to [`Endpoint::next`], which gives an
//!    [`Incoming`] at a time,
//! 3. makes frames with [`Endpoint::message`], [`Endpoint::ping`] and
//!    [`Endpoint::close`].
//!
//! Answers that the protocol itself demands (pongs, the echo of a close) gather
//! in [`Endpoint::take_answers`].

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
