//! The line of a request in the access log, made in one place for all
//! responses.

use super::{Finished, Names};
use crate::http::{Head, ResponseHead};
use crate::log::{AccessDetails, AccessLog, AccessRecord};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

/// A request and its response, for the access log.
pub struct AccessEntry<'a> {
    /// The client's address, empty over a unix socket.
    pub remote_addr: &'a str,
    /// What the logs call the request.
    pub names: &'a Names,
    pub line: RequestLine<'a>,
    /// The request's head, if it is complete and at hand.
    pub head: Option<&'a Head>,
    /// The time from the request's arrival to the end of the response.
    pub elapsed: Duration,
    pub finished: Finished<'a>,
}

/// The parts of a request line. Unknown parts are empty.
#[derive(Clone, Copy, Default)]
pub struct RequestLine<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub path: &'a [u8],
    pub query: &'a [u8],
    pub protocol: &'a str,
}

impl<'a> RequestLine<'a> {
    pub fn of(head: &'a Head) -> RequestLine<'a> {
        RequestLine {
            method: head.method(),
            target: head.target(),
            path: head.path(),
            query: head.query(),
            protocol: head.version().as_str(),
        }
    }
}

impl AccessEntry<'_> {
    pub fn write(&self, log: &AccessLog) {
        let AccessEntry {
            line,
            head,
            finished,
            ..
        } = *self;
        log.line(&AccessRecord {
            remote_addr: self.remote_addr,
            method: line.method,
            target: line.target,
            path: line.path,
            query: line.query,
            protocol: line.protocol,
            status: finished.status,
            body_bytes: finished.body_bytes,
            elapsed: self.elapsed,
            request_id: self.names.id().unwrap_or_default().as_bytes(),
            trace: self.names.trace_ids(),
            request_field: &|name| head?.field(name).map(Into::into),
            response_field: &|name| finished.head?.field(name),
            environ: &|name| environ_text(finished.environ?, name),
            details: &|| self.details(),
        });
    }

    fn details(&self) -> AccessDetails {
        let response = self.finished.head;
        AccessDetails {
            request_fields: AccessDetails::fields(self.head.iter().flat_map(|head| head.fields())),
            status: response.map_or_else(Vec::new, |head| head.status().to_vec()),
            response_fields: AccessDetails::fields(
                response.into_iter().flat_map(ResponseHead::fields),
            ),
            environ: self
                .finished
                .environ
                .map(|environ| -> Box<dyn Any> { Box::new(environ.clone().into_any().unbind()) }),
        }
    }
}

/// An entry of the environ as text; `name` in any case.
fn environ_text<'a>(environ: &Bound<'_, PyDict>, name: &str) -> Option<Cow<'a, [u8]>> {
    let (_, value) = environ.iter().find(|(key, _)| {
        key.extract::<&str>()
            .is_ok_and(|key| key.eq_ignore_ascii_case(name))
    })?;
    let text = value.str().ok()?.to_string_lossy().into_owned();
    // WSGI's text has one character for each byte (PEP 3333).
    let bytes: Option<Vec<u8>> = text.chars().map(|it| u8::try_from(it).ok()).collect();
    Some(bytes.unwrap_or_else(|| text.into_bytes()).into())
}
