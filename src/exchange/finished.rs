//! A response at its end.

use crate::http::ResponseHead;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What the worker, the hooks and the access log learn of a response.
#[derive(Clone, Copy)]
pub struct Finished<'a> {
    pub status: u16,
    /// Bytes of the body that went out.
    pub body_bytes: u64,
    /// True if another request may follow, as far as the response is concerned.
    pub keep_alive: bool,
    /// True if the response was broken off: the client must not take what it
    /// has for all of it.
    pub broken: bool,
    /// As the app gave it; nothing where it is the server's own, or that of an
    /// upgrade.
    pub head: Option<&'a ResponseHead>,
    /// The environ that a WSGI app was given.
    pub environ: Option<&'a Bound<'a, PyDict>>,
}

impl Finished<'_> {
    /// A response of the server's own.
    pub fn own(status: u16, body_bytes: u64) -> Finished<'static> {
        Finished {
            status,
            body_bytes,
            keep_alive: false,
            broken: false,
            head: None,
            environ: None,
        }
    }
}
