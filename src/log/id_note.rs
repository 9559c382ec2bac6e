//! The request's id in the error log.

use std::fmt;

/// The text after a request's target in the error log: its id in brackets, or
/// nothing.
pub fn id_note(id: Option<&str>) -> impl fmt::Display {
    fmt::from_fn(move |out| match id {
        Some(id) => write!(out, " [{id}]"),
        None => Ok(()),
    })
}
