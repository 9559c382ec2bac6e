//! The request's id in the error log.

use std::fmt;

/// The text after a request's target in the error log: in brackets its id, and
/// `trace=` with that of its trace; nothing if it has neither.
pub fn id_note(id: Option<&str>, trace: Option<&str>) -> impl fmt::Display {
    fmt::from_fn(move |out| match (id, trace) {
        (Some(id), Some(trace)) => write!(out, " [{id} trace={trace}]"),
        (Some(id), None) => write!(out, " [{id}]"),
        (None, Some(trace)) => write!(out, " [trace={trace}]"),
        (None, None) => Ok(()),
    })
}
