//! The settings that apply to every request.

use super::names::Names;
use crate::http::{TRACEPARENT, TraceMode, TraceParent};

/// See the settings `server_header`, `request_id`, `request_id_in_response`,
/// `retry_after`, `trace_context`, `trace_in_response` and `request_start_header`.
#[derive(Debug, Default)]
pub struct ExchangeRules {
    /// The value of the `Server` field; empty for no field.
    pub server: String,
    /// The name of the field with the request's id; nothing if requests have no
    /// ids.
    pub request_id: Option<String>,
    /// True if responses have this field, too.
    pub id_in_response: bool,
    /// The seconds in the `Retry-After` field of a 503; 0 for no such field.
    pub retry_after: u32,
    /// Which requests have a trace.
    pub trace: TraceMode,
    /// True if responses name the trace.
    pub trace_in_response: bool,
    /// True if the app is told when its request arrived.
    pub stamps_start: bool,
    /// True if the listeners use TLS.
    pub encrypted: bool,
    /// True if clients are asked for a certificate.
    pub asks_for_certificates: bool,
}

impl ExchangeRules {
    /// The response fields that tell the client these names.
    pub fn fields_of<'a>(&'a self, names: &'a Names) -> impl Iterator<Item = (&'a str, &'a str)> {
        let field = self.request_id.as_deref().filter(|_| self.id_in_response);
        let trace = names.trace.as_deref().filter(|_| self.trace_in_response);
        let trace = trace.map(|trace| (TRACEPARENT, TraceParent::as_str(trace)));
        field.zip(names.id()).into_iter().chain(trace)
    }
}
