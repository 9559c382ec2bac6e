//! HTTP/1.1 as functions over bytes, *sans-IO*: no sockets, no Python, no
//! clock. The owner of the bytes calls
//!
//! 0. [`proxy_start`] for the first bytes of a connection, if a proxy may send
//!    a PROXY header,
//! 1. [`HeadParser::advance`] until a [`Head`] is filled,
//! 2. [`BodyDecoder::next`] for the request's body,
//! 3. [`ResponseHead::begin`] and [`ResponseBody::frame`] for the response,
//!
//! or [`ErrorPage`] with [`Error::status`] if the request is refused.
//!
//! The rules are those of RFC 9110 and 9112, with Gunicorn's limits, and with
//! Gunicorn's choices where the RFCs allow several.

#![forbid(unsafe_code)]

mod body;
mod chunk;
mod date;
mod error;
mod field;
mod forwarded;
mod framing;
mod head;
mod head_parser;
mod interim;
mod page;
mod policy;
mod probe;
mod proxy;
mod reason;
mod request_id;
mod request_start;
mod response;
mod response_body;
mod scheme;
mod span;
mod status;
mod target;
mod trace_context;

pub use body::{BodyDecoder, BodyPiece};
pub use date::HttpDate;
pub use error::{BodyError, Error, ResponseError};
pub use field::{add_line, is_token};
pub use forwarded::{AddressField, client_address};
pub use framing::Framing;
pub use head::{Head, Version, field_so_far};
pub use head_parser::HeadParser;
pub use interim::{CONTINUE, early_hints};
pub use page::{ErrorPage, ErrorResponse, NOT_TLS, escape};
pub use policy::{Limits, Policy, Underscores};
pub use probe::{answer_probe, is_probe};
pub use proxy::{ProxyHeader, ProxyMode, ProxyStart, proxy_start};
pub use request_id::{RequestIds, is_request_id};
pub use request_start::stamp_start;
pub use response::{ResponseHead, ResponseRules};
pub use response_body::ResponseBody;
pub use scheme::{Scheme, SecureSchemeFields};
pub use status::Status;
pub use target::percent_decode;
pub use trace_context::{TRACEPARENT, TraceMode, TraceParent, settle_trace};
