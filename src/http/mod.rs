//! HTTP/1.1, and what HTTP/2 has in common with it, as functions over bytes,
//! *sans-IO*: no sockets, no Python, no clock. The owner of the bytes calls
//!
//! 0. [`proxy_start`] for the first bytes of a connection, if a proxy may send
//!    a PROXY header,
//! 1. [`HeadParser::advance`] until a [`Head`] is filled, or
//!    [`Head::read_fields`] with the fields of HTTP/2,
//! 2. [`BodyDecoder::next`] for the request's body,
//! 3. [`ResponseHead::begin`] and [`ResponseBody::frame`] for the response,
//!
//! or [`ErrorPage`] with [`Error::status`] if the request is refused.
//!
//! The rules are those of RFC 9110, 9112 and 9113, with Gunicorn's limits, and with
//! Gunicorn's choices where the RFCs allow several.

#![forbid(unsafe_code)]

mod body;
mod chunk;
mod date;
mod error;
mod field;
mod framing;
mod interim;
mod page;
mod policy;
mod probe;
mod proxy;
mod reason;
mod request;
mod response;
mod response_body;
mod scheme;
mod span;
mod status;

pub use body::{BodyDecoder, BodyPiece};
pub use date::HttpDate;
pub use error::{BodyError, Error, ResponseError};
pub use field::{add_line, fields_of, is_connection_field, is_token};
pub use framing::Framing;
pub use interim::{CONTINUE, Interim, SWITCHING_TO_HTTP2};
pub use page::{ErrorPage, NOT_TLS, escape};
pub use policy::{Limits, Policy, Underscores};
pub use probe::{answer_probe, is_probe, probe_answer};
pub use proxy::{ProxyHeader, ProxyMode, ProxyStart, proxy_start};
pub use request::{
    AddressField, Head, HeadParser, Priority, PseudoFields, RequestIds, TRACEPARENT, TraceMode,
    TraceParent, Version, client_address, field_so_far, is_request_id, percent_decode,
    settle_trace, stamp_start,
};
pub use response::{ResponseHead, ResponseRules};
pub use response_body::ResponseBody;
pub use scheme::{Scheme, SecureSchemeFields};
pub use status::Status;
