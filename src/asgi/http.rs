//! One HTTP request: `receive` and `send` of its app.

use super::awaitable::{Awaitable, EventLoop, Source, Waiters};
use super::link::{Link, ReadOutcome};
use super::message::{Message, invalid, unexpected};
use super::response::{AppResponse, Part, Trailers};
use super::serving::Serving;
use crate::exchange::{Rest, rest_of};
use crate::http::{BodyError, Interim, Status, add_line};
use crate::python::ServedRequest;
use crate::system::lock;
use pyo3::exceptions::{PyConnectionResetError, PyOSError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// At most this many bytes of a file with an unknown size are read into memory.
const MOST_READ: usize = 64 << 20;

/// What the app and the worker share of a request.
pub struct Http {
    state: Mutex<HttpState>,
    waiters: Waiters,
}

struct HttpState {
    /// Nothing after the end of the response, complete or not.
    link: Option<Link>,
    response: AppResponse,
    /// True once the app has received the whole body of the request.
    body_ended: bool,
    disconnected: bool,
    /// The request turned out to be invalid.
    refused: Option<BodyError>,
}

impl Http {
    pub fn new(link: Link, event_loop: Arc<EventLoop>) -> Http {
        Http {
            state: Mutex::new(HttpState {
                link: Some(link),
                response: AppResponse::Nothing,
                body_ended: false,
                disconnected: false,
                refused: None,
            }),
            waiters: Waiters::new(event_loop),
        }
    }

    /// More of the body has come, or more of the response can be sent.
    pub fn ready(&self, py: Python<'_>) {
        self.waiters.wake(py);
    }

    /// The client has closed its sending side, or the connection. The app is
    /// told, and its messages are still sent as long as possible.
    pub fn hung_up(&self, py: Python<'_>) {
        self.waiters.wake(py);
    }

    /// True once the connection is of no interest any more.
    pub fn is_finished(&self) -> bool {
        lock(&self.state).link.is_none()
    }

    pub fn is_disconnected(&self) -> bool {
        lock(&self.state).client_is_gone()
    }

    /// The app has returned, or raised `error`. `log` writes the error with its
    /// traceback.
    pub(super) fn returned(
        &self,
        py: Python<'_>,
        error: Option<PyErr>,
        log: impl FnOnce(&str, Option<PyErr>),
    ) {
        let mut state = lock(&self.state);
        let left = state.client_is_gone();
        let Some(link) = state.link.take() else {
            // The response was complete, or the client is gone.
            drop(state);
            if let Some(error) = error {
                log("Exception after the response was complete", Some(error));
            }
            return;
        };
        if let Some(refused) = state.refused.take() {
            // A client that has closed its sending side may still read this.
            let status = refused.status();
            state.response.fail(link, status, &refused.to_string());
        } else if left && error.is_none() {
            // The app was told that the client is gone.
            state.response.break_off(link);
        } else {
            let what = match (&error, state.response.has_begun()) {
                (Some(_), _) => "Error handling request",
                (None, false) => "The ASGI app returned without a response to",
                (None, true) => "The ASGI app returned before the end of its response to",
            };
            state.response.fail(link, Status::SERVER_ERROR, "");
            drop(state);
            log(what, error);
        }
        self.waiters.wake_soon(py);
    }

    fn start(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let head = message.response_head()?;
        let trailers = match message.flag(intern!(py, "trailers"))? {
            true => Trailers::Promised,
            false => Trailers::No,
        };
        let mut state = lock(&self.state);
        match (&state.response, &state.link) {
            (AppResponse::Nothing, Some(link)) => {
                state.response = AppResponse::start(link, head, trailers);
            }
            // Messages after the end are ignored, as the specification says.
            (AppResponse::Nothing | AppResponse::Done, _) => {}
            _ => return Err(unexpected(message, "'http.response.body'")),
        }
        state.check_connected()
    }

    fn body(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let body = message.bytes(intern!(py, "body"))?;
        let is_last = !message.flag(intern!(py, "more_body"))?;
        self.part(message, py, Part::Bytes(body.as_bytes()), is_last)
    }

    /// `http.response.pathsend`: the whole body is a file.
    fn pathsend(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let path = message.get(intern!(py, "path"))?;
        let path: PathBuf = path.and_then(|path| path.extract().ok()).ok_or_else(|| {
            PyTypeError::new_err("'path' of 'http.response.pathsend' must be a path")
        })?;
        let (file, size) = open_regular(&path)?;
        match rest_of(&file, size, 0, MOST_READ)? {
            Rest::Read(bytes) => self.part(message, py, Part::Bytes(&bytes), true),
            Rest::Stated(length) => self.part(message, py, Part::File(file, length), true),
            Rest::Unknown => Err(PyOSError::new_err(format!(
                "{} is larger than it says: read it, and send it with 'http.response.body'",
                path.display()
            ))),
        }
    }

    fn part(
        &self,
        message: &Message<'_, '_>,
        py: Python<'_>,
        part: Part<'_>,
        is_last: bool,
    ) -> PyResult<()> {
        let mut state = lock(&self.state);
        match state.response {
            AppResponse::Nothing => return Err(unexpected(message, "'http.response.start'")),
            AppResponse::Trailers(..) => {
                return Err(unexpected(message, "'http.response.trailers'"));
            }
            _ => {}
        }
        let HttpState { link, response, .. } = &mut *state;
        let Some(open) = link else {
            return state.check_connected();
        };
        if response.send(open, part, is_last).is_err() {
            return self.lose_client(state, py);
        }
        if is_last && !matches!(response, AppResponse::Trailers(..)) {
            state.finish();
            drop(state);
            self.waiters.wake_soon(py);
        }
        Ok(())
    }

    fn trailers(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let mut added = Vec::new();
        message.fields(|name, value| add_line(&mut added, name, value))?;
        let more = message.flag(intern!(py, "more_trailers"))?;
        let mut state = lock(&self.state);
        let HttpState { link, response, .. } = &mut *state;
        match response {
            AppResponse::Trailers(_, lines) => lines.extend_from_slice(&added),
            AppResponse::Done => return state.check_connected(),
            AppResponse::Nothing => return Err(unexpected(message, "'http.response.start'")),
            _ => return Err(unexpected(message, "'http.response.body'")),
        }
        if more {
            return Ok(());
        }
        if let Some(link) = link
            && response.end_with_trailers(link).is_err()
        {
            return self.lose_client(state, py);
        }
        state.finish();
        drop(state);
        self.waiters.wake_soon(py);
        Ok(())
    }

    fn early_hint(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let mut links = Vec::new();
        if let Some(given) = message.get(intern!(py, "links"))? {
            for link in given.try_iter()? {
                links.push(link?.cast_into::<PyBytes>().map_err(|_| {
                    PyTypeError::new_err("a link of 'http.response.early_hint' must be bytes")
                })?);
            }
        }
        let fields = links.iter().map(|link| (&b"Link"[..], link.as_bytes()));
        let hints = Interim::early_hints(fields).map_err(invalid)?;
        let mut state = lock(&self.state);
        let HttpState { link, response, .. } = &mut *state;
        if let Some(link) = link
            && response.early_hints(link, &hints).is_err()
        {
            return self.lose_client(state, py);
        }
        state.check_connected()
    }

    /// The client cannot be written to. The task that sends gets an error, and
    /// another one that receives gets a message.
    fn lose_client(&self, mut state: MutexGuard<'_, HttpState>, py: Python<'_>) -> PyResult<()> {
        state.lose_connection();
        let lost = state.check_connected();
        drop(state);
        self.waiters.wake_soon(py);
        lost
    }
}

impl HttpState {
    /// True once the app may know that the client is gone.
    fn client_is_gone(&self) -> bool {
        let open = self.link.as_ref();
        self.disconnected || open.is_some_and(|link| link.has_hung_up())
    }

    fn finish(&mut self) {
        if let Some(link) = self.link.take() {
            self.response.finish(link);
        }
    }

    /// The client is gone.
    fn lose_connection(&mut self) {
        self.disconnected = true;
        if let Some(link) = self.link.take() {
            self.response.break_off(link);
        }
        self.response = AppResponse::Done;
    }

    /// To send to a client that is gone is an OSError (version 2.4).
    fn check_connected(&self) -> PyResult<()> {
        if self.disconnected {
            return Err(PyConnectionResetError::new_err(
                "the client has disconnected",
            ));
        }
        Ok(())
    }
}

impl Source for Http {
    fn receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = lock(&self.state);
        let HttpState {
            link: Some(link),
            refused: None,
            body_ended,
            ..
        } = &mut *state
        else {
            return disconnect(py).map(Some);
        };
        if *body_ended {
            return match link.has_hung_up() {
                true => disconnect(py).map(Some),
                false => Ok(None),
            };
        }
        let mut body = Vec::new();
        let read = match link.read_body(&mut body) {
            Ok(ReadOutcome::Waiting) => return Ok(None),
            Ok(read) => read,
            Err(BodyError::Client(_)) => {
                state.lose_connection();
                return disconnect(py).map(Some);
            }
            Err(error) => {
                state.refused = Some(error);
                return disconnect(py).map(Some);
            }
        };
        *body_ended = read == ReadOutcome::Ended;
        drop(state);
        let message = PyDict::new(py);
        message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
        message.set_item(intern!(py, "body"), PyBytes::new(py, &body))?;
        message.set_item(intern!(py, "more_body"), read == ReadOutcome::Some)?;
        Ok(Some(message.into_any().unbind()))
    }

    fn may_send(&self) -> PyResult<bool> {
        let state = lock(&self.state);
        state.check_connected()?;
        let Some(link) = &state.link else {
            return Ok(true);
        };
        if link.is_full() && link.has_hung_up() {
            return Err(gone());
        }
        Ok(!link.is_full())
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

/// The app's `receive` and `send`, and the mark of its request in the context of
/// its tasks (`_rgunicorn.served`).
#[pyclass(frozen, module = "rgunicorn")]
pub struct HttpCallables {
    pub(super) http: Arc<Http>,
    pub(super) serving: Arc<Serving>,
}

#[pymethods]
impl HttpCallables {
    /// The request, until the app has returned.
    fn request(&self) -> Option<ServedRequest> {
        self.serving.served()
    }

    fn receive(&self) -> Awaitable {
        Awaitable::receive(self.http.clone())
    }

    #[pyo3(signature = (message, /))]
    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<Awaitable>> {
        let message = Message::new(message)?;
        match message.kind()? {
            "http.response.start" => self.http.start(&message, py)?,
            "http.response.body" => {
                self.http.body(&message, py)?;
                if !self.http.may_send()? {
                    return Py::new(py, Awaitable::may_send(self.http.clone()));
                }
            }
            "http.response.pathsend" => self.http.pathsend(&message, py)?,
            "http.response.trailers" => self.http.trailers(&message, py)?,
            "http.response.early_hint" => self.http.early_hint(&message, py)?,
            _ => return Err(unexpected(&message, "a message of an HTTP response")),
        }
        Awaitable::nothing(py)
    }
}

/// Opens a regular file, and gives the size in its metadata. Does not wait, as
/// opening a FIFO would.
fn open_regular(path: &Path) -> PyResult<(File, u64)> {
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok((file, metadata.len())),
        false => Err(PyOSError::new_err(format!(
            "'path' of 'http.response.pathsend' must be a regular file, and {} is none",
            path.display()
        ))),
    }
}

fn gone() -> PyErr {
    PyConnectionResetError::new_err("the client has disconnected")
}

fn disconnect(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
    Ok(message.into_any().unbind())
}
