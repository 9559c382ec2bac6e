//! HTTP/1.1 as functions over bytes, *sans-IO*: no sockets, no Python, no
//! clock. Whoever holds the bytes calls
//!
//! 0. [`proxy_start`] for the connection's first bytes, behind some proxies,
//! 1. [`HeadParser::advance`] until a [`Head`] is filled,
//! 2. [`BodyDecoder::next`] for the request's body,
//! 3. [`ResponseHead::begin`] and [`ResponseBody::frame`] for the answer,
//!
//! or [`ErrorPage`] with [`Error::status`] where the request is refused.
//!
//! The rules are those of RFC 9110 and 9112, with Gunicorn's limits and, where
//! the RFC leaves a choice, its choices.

mod body;
mod chunk;
mod date;
mod error;
mod field;
mod forwarded;
mod framing;
mod head;
mod head_parser;
mod hints;
mod page;
mod policy;
mod proxy;
mod reason;
mod request_id;
mod response;
mod response_body;
mod span;
mod status;
mod target;

pub use body::{BodyDecoder, Piece};
pub use date::HttpDate;
pub use error::{BodyError, Error};
pub use field::is_token;
pub use forwarded::{AddressField, Scheme, SecureSchemeFields, client_address};
pub use framing::Framing;
pub use head::{Head, Version, field_so_far};
pub use head_parser::HeadParser;
pub use hints::early_hints;
pub use page::{ErrorPage, ErrorResponse};
pub use policy::{Limits, Policy, Underscores};
pub use proxy::{ProxyHeader, ProxyMode, ProxyStart, proxy_start};
pub use request_id::{RequestIds, is_request_id};
pub use response::{ResponseError, ResponseHead, ResponseRules, field_line};
pub use response_body::ResponseBody;
pub use status::Status;
pub use target::percent_decode;
