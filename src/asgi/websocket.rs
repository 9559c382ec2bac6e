//! One WebSocket: `receive` and `send` of its app.

use super::awaitable::{Awaitable, EventLoop, Source, Waiters};
use super::link::Link;
use super::message::{Message, invalid, unexpected};
use super::response::{AppResponse, Part, Trailers};
use super::serving::Serving;
use super::websocket_state::{Phase, Queued, WebSocketState};
use crate::http::Status;
use crate::python::ServedRequest;
use crate::system::lock;
use crate::websocket::{self, CloseCode, Handshake, Payload, is_servers_field};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::{Arc, Mutex};

/// Seconds that the server waits for the client's close frame.
const CLOSE_WAIT: u32 = 5;

/// What the app and the worker share of a WebSocket.
pub struct WebSocket {
    state: Mutex<WebSocketState>,
    waiters: Waiters,
}

impl WebSocket {
    pub fn new(
        link: Link,
        handshake: Handshake,
        max_message_size: usize,
        event_loop: Arc<EventLoop>,
    ) -> WebSocket {
        WebSocket {
            state: Mutex::new(WebSocketState::new(link, handshake, max_message_size)),
            waiters: Waiters::new(event_loop),
        }
    }

    /// The client has sent something, or more can be sent to it.
    pub fn ready(&self, py: Python<'_>) {
        self.waiters.wake(py);
        // Input that no task has read may be a ping, or the end.
        let ended = {
            let mut state = lock(&self.state);
            state.fill_queue();
            state.end.is_some()
        };
        if ended {
            self.waiters.wake(py);
        }
    }

    /// The client has closed its sending side. The end comes after everything
    /// that it has sent before.
    pub fn hung_up(&self, py: Python<'_>) {
        let mut state = lock(&self.state);
        match state.phase {
            Phase::Open(_) => state.fill_queue(),
            _ => state.end(CloseCode::ABNORMAL, ""),
        }
        drop(state);
        self.waiters.wake(py);
    }

    /// The connection is lost, or the wait for the client is over.
    pub fn disconnected(&self, py: Python<'_>) {
        lock(&self.state).end(CloseCode::ABNORMAL, "");
        self.waiters.wake(py);
    }

    /// True once the connection is of no interest any more.
    pub fn is_finished(&self) -> bool {
        lock(&self.state).link.is_none()
    }

    pub fn is_disconnected(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    /// Begins to close, for example when the worker stops. The app is told when
    /// the client has answered.
    pub fn close(self: &Arc<Self>, py: Python<'_>, code: CloseCode, reason: &str) {
        lock(&self.state).close(code, reason);
        self.waiters.wake_soon(py);
        self.end_in_time(py);
    }

    /// Gives the client only a limited time for its close frame.
    fn end_in_time(self: &Arc<Self>, py: Python<'_>) {
        if self.is_finished() {
            return;
        }
        let event_loop = self.waiters.event_loop().bind(py);
        let set = Bound::new(py, CloseTimeout(self.clone())).and_then(|lose_connection| {
            event_loop.call_method1(intern!(py, "call_later"), (CLOSE_WAIT, lose_connection))
        });
        if let Err(error) = set {
            error.write_unraisable(py, None);
        }
    }

    /// Sends a ping. If nothing has come since the last ping, the client counts
    /// as lost.
    pub fn ping(&self, py: Python<'_>) {
        let mut state = lock(&self.state);
        let Phase::Open(socket) = &state.phase else {
            return;
        };
        if state.silent {
            state.end(CloseCode::ABNORMAL, "");
            drop(state);
            self.waiters.wake_soon(py);
            return;
        }
        let frame = socket.ping();
        state.silent = true;
        state.write(&[&frame]);
        let lost = state.end.is_some();
        drop(state);
        if lost {
            self.waiters.wake_soon(py);
        }
    }

    /// The app has returned, or raised `error`. `log` writes the error with its
    /// traceback.
    pub(super) fn returned(
        self: &Arc<Self>,
        py: Python<'_>,
        error: Option<PyErr>,
        log: impl FnOnce(&str, Option<PyErr>),
    ) {
        let mut state = lock(&self.state);
        let was_over = state.end.is_some();
        let mut what = error.is_some().then_some("Error handling request");
        match &mut state.phase {
            Phase::Connecting { .. } | Phase::Denied(_) => {
                let mut response = match std::mem::replace(&mut state.phase, Phase::Closed) {
                    Phase::Denied(response) => response,
                    _ => AppResponse::Nothing,
                };
                if let Some(link) = state.link.take() {
                    what = what.or(Some("The ASGI app returned without an answer to"));
                    response.fail(link, Status::SERVER_ERROR, "");
                }
            }
            Phase::Open(_) if error.is_some() => state.close(CloseCode::INTERNAL_ERROR, ""),
            Phase::Open(_) => state.close(CloseCode::NORMAL, ""),
            Phase::Closed => {}
        }
        drop(state);
        // An error that the client's leaving has caused is not logged.
        let expected = was_over
            && error
                .as_ref()
                .is_some_and(|error| error.is_instance_of::<pyo3::exceptions::PyOSError>(py));
        if let Some(what) = what
            && !expected
        {
            log(what, error);
        }
        self.waiters.wake_soon(py);
        self.end_in_time(py);
    }

    fn accept(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let subprotocol = message.get(intern!(py, "subprotocol"))?;
        let subprotocol: Option<String> = subprotocol.map(|name| name.extract()).transpose()?;
        // The app may name it by a field, if it does not name it where it should.
        let names_subprotocol = |name: &[u8]| {
            subprotocol.is_some() && name.eq_ignore_ascii_case(b"sec-websocket-protocol")
        };
        let mut head = lock(&self.state).head().map_err(invalid)?;
        message.fields(
            |name, value| match is_servers_field(name) || names_subprotocol(name) {
                true => Ok(()),
                false => head.add(name, value),
            },
        )?;
        if let Some(subprotocol) = &subprotocol {
            head.add(b"Sec-WebSocket-Protocol", subprotocol.as_bytes())
                .map_err(invalid)?;
        }
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Connecting { .. }) {
            return Err(unexpected(message, "'websocket.send' or 'websocket.close'"));
        }
        state.check_connected()?;
        state.upgrade(head).map_err(invalid)
    }

    fn send_message(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let text = message.get(intern!(py, "text"))?;
        let text =
            match &text {
                Some(text) => Some(text.cast::<PyString>().map_err(|_| {
                    PyTypeError::new_err("'text' of 'websocket.send' must be a str")
                })?),
                None => None,
            };
        let bytes;
        let payload = match text {
            Some(text) => Payload::Text(text.to_str()?),
            None => {
                bytes = message.bytes(intern!(py, "bytes"))?;
                Payload::Binary(bytes.as_bytes())
            }
        };
        let mut state = lock(&self.state);
        state.check_connected()?;
        match &mut state.phase {
            Phase::Open(socket) if socket.is_open() => {
                let frame = socket.message(payload);
                state.bytes_sent += frame.payload.len() as u64;
                state.write(&[frame.head.as_bytes(), &frame.payload]);
                let lost = state.check_connected();
                drop(state);
                if lost.is_err() {
                    self.waiters.wake_soon(py);
                }
                lost
            }
            Phase::Open(_) | Phase::Closed => Err(unexpected(message, "nothing after the close")),
            _ => Err(unexpected(
                message,
                "'websocket.accept' or 'websocket.close'",
            )),
        }
    }

    fn app_closes(self: &Arc<Self>, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let code = message.get(intern!(py, "code"))?;
        let code = match code {
            Some(code) => CloseCode(code.extract()?),
            None => CloseCode::NORMAL,
        };
        let reason = message.get(intern!(py, "reason"))?;
        let reason: String = reason.map_or(Ok(String::new()), |reason| reason.extract())?;
        let mut state = lock(&self.state);
        match state.phase {
            Phase::Connecting { .. } => {
                if let Some(link) = state.link.take() {
                    AppResponse::Nothing.fail(link, Status::FORBIDDEN, "");
                }
                state.end(CloseCode::ABNORMAL, "");
            }
            Phase::Denied(_) => return Err(unexpected(message, "'websocket.http.response.body'")),
            Phase::Open(_) if !code.may_be_sent() => {
                let message = format!("{} is no WebSocket close code", code.0);
                return Err(PyValueError::new_err(message));
            }
            Phase::Open(_) => state.close(code, &reason),
            // It is no error if both sides close at the same time.
            Phase::Closed => {}
        }
        drop(state);
        self.waiters.wake_soon(py);
        self.end_in_time(py);
        Ok(())
    }

    fn denial_start(&self, message: &Message<'_, '_>) -> PyResult<()> {
        let head = message.response_head()?;
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Connecting { .. }) {
            return Err(unexpected(message, "no response after another answer"));
        }
        if let Some(link) = &state.link {
            state.phase = Phase::Denied(AppResponse::start(link, head, Trailers::No));
        }
        Ok(())
    }

    fn denial_body(&self, message: &Message<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let body = message.bytes(intern!(py, "body"))?;
        let is_last = !message.flag(intern!(py, "more_body"))?;
        let mut state = lock(&self.state);
        let WebSocketState { link, phase, .. } = &mut *state;
        let Phase::Denied(response) = phase else {
            return Err(unexpected(message, "'websocket.http.response.start'"));
        };
        let Some(open) = link else {
            return Ok(());
        };
        let sent = response.send(open, Part::Bytes(body.as_bytes()), is_last);
        if (sent.is_err() || is_last)
            && let Some(link) = link.take()
        {
            if sent.is_ok() {
                response.finish(link);
            } else {
                response.break_off(link);
            }
            state.end(CloseCode::ABNORMAL, "");
            drop(state);
            // Another task of the app may be waiting for the end.
            self.waiters.wake_soon(py);
        }
        Ok(())
    }
}

impl Source for WebSocket {
    fn receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = lock(&self.state);
        if let Phase::Connecting { told } = &mut state.phase
            && !std::mem::replace(told, true)
        {
            return app_message(py, intern!(py, "websocket.connect"), None).map(Some);
        }
        let kind = intern!(py, "websocket.receive");
        if let Some(queued) = state.queue.pop_front() {
            state.queued_bytes -= queued.len();
            let content = match &queued {
                Queued::Text(text) => (intern!(py, "text"), PyString::new(py, text).into_any()),
                Queued::Binary(bytes) => (intern!(py, "bytes"), PyBytes::new(py, bytes).into_any()),
            };
            return app_message(py, kind, Some(content)).map(Some);
        }
        let content = state.next(|event| match event {
            websocket::Incoming::Text(text) => {
                Some((intern!(py, "text"), PyString::new(py, text).into_any()))
            }
            websocket::Incoming::Binary(bytes) => {
                Some((intern!(py, "bytes"), PyBytes::new(py, bytes).into_any()))
            }
            _ => None,
        });
        if content.is_some() {
            return app_message(py, kind, content).map(Some);
        }
        let Some((code, reason)) = &state.end else {
            return Ok(None);
        };
        let message = PyDict::new(py);
        message.set_item(intern!(py, "type"), intern!(py, "websocket.disconnect"))?;
        message.set_item(intern!(py, "code"), code.0)?;
        message.set_item(intern!(py, "reason"), reason)?;
        Ok(Some(message.into_any().unbind()))
    }

    fn may_send(&self) -> PyResult<bool> {
        let state = lock(&self.state);
        state.check_connected()?;
        Ok(!state.link.as_ref().is_some_and(|link| link.is_full()))
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

fn app_message<'py>(
    py: Python<'py>,
    kind: &Bound<'py, PyString>,
    content: Option<(&Bound<'py, PyString>, Bound<'py, PyAny>)>,
) -> PyResult<Py<PyAny>> {
    let message = PyDict::new(py);
    message.set_item(intern!(py, "type"), kind)?;
    if let Some((key, value)) = content {
        message.set_item(key, value)?;
    }
    Ok(message.into_any().unbind())
}

/// The callback for the time when the client's time is over.
#[pyclass(frozen, module = "rgunicorn")]
struct CloseTimeout(Arc<WebSocket>);

#[pymethods]
impl CloseTimeout {
    fn __call__(&self, py: Python<'_>) {
        self.0.disconnected(py);
    }
}

/// The app's `receive` and `send`, and the mark of its request in the context of
/// its tasks (`_rgunicorn.served`).
#[pyclass(frozen, module = "rgunicorn")]
pub struct WebSocketCallables {
    pub(super) websocket: Arc<WebSocket>,
    pub(super) serving: Arc<Serving>,
}

#[pymethods]
impl WebSocketCallables {
    /// The request, until the app has returned.
    fn request(&self) -> Option<ServedRequest> {
        self.serving.served()
    }

    fn receive(&self) -> Awaitable {
        Awaitable::receive(self.websocket.clone())
    }

    #[pyo3(signature = (message, /))]
    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<Awaitable>> {
        let message = Message::new(message)?;
        match message.kind()? {
            "websocket.send" => {
                self.websocket.send_message(&message, py)?;
                if !self.websocket.may_send()? {
                    return Py::new(py, Awaitable::may_send(self.websocket.clone()));
                }
            }
            "websocket.accept" => self.websocket.accept(&message, py)?,
            "websocket.close" => self.websocket.app_closes(&message, py)?,
            "websocket.http.response.start" => self.websocket.denial_start(&message)?,
            "websocket.http.response.body" => self.websocket.denial_body(&message, py)?,
            _ => return Err(unexpected(&message, "a message of a WebSocket")),
        }
        Awaitable::nothing(py)
    }
}
