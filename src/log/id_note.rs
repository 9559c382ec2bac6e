//! How the error log names a request.

use std::fmt;

/// What follows a request's target in a line of the error log: its id in
/// brackets, or nothing.
pub fn id_note(id: Option<&str>) -> impl fmt::Display {
    fmt::from_fn(move |out| match id {
        Some(id) => write!(out, " [{id}]"),
        None => Ok(()),
    })
}
