//! What is known of a response at its end.

use crate::http::ResponseHead;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A finished response, for the worker, the hooks and the access log.
#[derive(Clone, Copy)]
pub struct Finished<'a> {
    pub status: u16,
    /// The bytes of the body that were sent.
    pub body_bytes: u64,
    /// True if the response allows another request on the connection.
    pub keep_alive: bool,
    /// True if the response is incomplete. The client must be able to see that.
    pub broken: bool,
    /// The app's response head. Nothing for a response of the server's own, or
    /// after an upgrade of an ASGI app.
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
