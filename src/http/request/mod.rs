//! The head of a request, and what its fields say.

mod facts;
mod forwarded;
mod head;
mod head_parser;
mod priority;
mod read_fields;
mod request_id;
mod request_start;
mod target;
mod trace_context;

pub use forwarded::{AddressField, client_address};
pub use head::{Head, Version, field_so_far};
pub use head_parser::HeadParser;
pub use priority::Priority;
pub use read_fields::PseudoFields;
pub use request_id::{RequestIds, is_request_id};
pub use request_start::stamp_start;
pub use target::percent_decode;
pub use trace_context::{TRACEPARENT, TraceMode, TraceParent, settle_trace};
