//! The hooks `pre_request` and `post_request` of a config file.

use super::{Exchange, Finished};
use crate::http::{ResponseHead, Version};
use crate::python::hooks::{RequestFacts, ResponseFacts};
use crate::python::{Hooks, latin_1};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A request that was shown to `pre_request`. Does nothing if there are no
/// hooks.
pub struct WatchedRequest<'a> {
    hooks: &'a Hooks,
    request: Option<Py<PyAny>>,
}

impl<'a> WatchedRequest<'a> {
    /// Calls `pre_request`, before the environ is made.
    ///
    /// # Errors
    /// The hook has raised an exception. It counts as the app's.
    pub fn begin(
        hooks: &'a Hooks,
        exchange: &Exchange,
        body: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<WatchedRequest<'a>> {
        let watched = |request| WatchedRequest { hooks, request };
        if !hooks.watch_requests() {
            return Ok(watched(None));
        }
        let head = &exchange.head;
        let method = latin_1(head.method());
        let uri = latin_1(head.target());
        let path = latin_1(head.path());
        let query = latin_1(head.query());
        let fields = head.fields();
        let (address, port) = exchange.remote();
        let body = body.map(|body| body.clone().unbind());
        let facts = RequestFacts {
            method: &method,
            uri: &uri,
            path: &path,
            query: &query,
            version: match head.version() {
                Version::Http10 => (1, 0),
                Version::Http11 => (1, 1),
                Version::Http2 => (2, 0),
            },
            headers: fields
                .map(|(name, value)| (latin_1(name).to_ascii_uppercase(), latin_1(value)))
                .collect(),
            peer: port.map(|port| (address.to_owned(), port)),
            scheme: exchange.scheme().as_str(),
            close: !head.keep_alive(),
            body: body.as_ref(),
        };
        match hooks.pre_request(&facts) {
            Ok(request) => Ok(watched(Some(request))),
            Err(error) => Err(PyRuntimeError::new_err(error.to_string())),
        }
    }

    /// Copies the hook's changes of the request to the environ.
    ///
    /// # Errors
    /// A changed value is invalid.
    pub fn amend(&self, environ: &Bound<'_, PyDict>) -> PyResult<()> {
        match &self.request {
            Some(request) => self.hooks.amend(request, environ),
            None => Ok(()),
        }
    }

    /// Calls `post_request`, after the response. Without an environ, the hook
    /// gets one that is made from the request.
    pub fn end(self, finished: &Finished<'_>) {
        let Some(request) = self.request else {
            return;
        };
        let head = finished.head;
        let environ = finished.environ.map(|it| it.clone().into_any().unbind());
        let status = head.map_or_else(String::new, |head| latin_1(head.status()));
        let fields = head.into_iter().flat_map(ResponseHead::fields);
        let length = head.and_then(|head| head.field("content-length"));
        let length = length.map(|it| ("Content-Length".to_owned(), latin_1(&it)));
        let facts = ResponseFacts {
            status: &status,
            headers: fields
                .map(|(name, value)| (latin_1(name), latin_1(value)))
                .chain(length)
                .collect(),
            sent: finished.body_bytes,
            headers_sent: head.is_some(),
            close: !finished.keep_alive,
        };
        self.hooks.post_request(&request, environ.as_ref(), &facts);
    }
}
