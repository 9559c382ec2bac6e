//! What a request is called.

use crate::http::TraceParent;
use crate::log::id_note;
use std::fmt::Display;
use std::sync::Arc;

/// What a request is called in the logs and by other servers.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Its id, if requests have ids (`request_id`).
    pub id: Option<Arc<str>>,
    /// Its trace, if it has one (`trace_context`).
    pub trace: Option<Arc<TraceParent>>,
}

impl Names {
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The ids of the trace and of the span that the request comes from.
    pub fn trace_ids(&self) -> Option<(&str, &str)> {
        let trace = self.trace.as_deref()?;
        Some((trace.trace_id(), trace.span_id()))
    }

    /// The names as a line of the error log has them, after the request's target.
    pub fn note(&self) -> impl Display {
        id_note(self.id(), self.trace.as_deref().map(TraceParent::trace_id))
    }
}
