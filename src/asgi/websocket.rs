//! One WebSocket: `receive` and `send` of its app.

use super::answer::{Answer, Part, Trailers};
use super::awaitable::{Awaitable, EventLoop, Source, Waiters, lock};
use super::http::unexpected;
use super::message::{Event, invalid};
use super::{Channel, Finished, Progress};
use crate::http::{ResponseError, ResponseHead, Status};
use crate::websocket::{self, CloseCode, Compression, Handshake, Options, Payload, Socket};
use pyo3::exceptions::{PyConnectionResetError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex};

/// How much is decoded for an app that does not receive: enough to see pings
/// and the end, then the client has to wait.
const MOST_QUEUED: usize = 32;
const MOST_QUEUED_BYTES: usize = 64 * 1024;

/// Seconds that a client has to answer our close.
const CLOSE_WAIT: u32 = 5;

/// What the app and the worker share of a WebSocket.
pub struct WebSocket {
    state: Mutex<State>,
    waiters: Waiters,
}

struct State {
    /// Nothing once the connection has ended.
    channel: Option<Box<dyn Channel>>,
    phase: Phase,
    handshake: Handshake,
    max_message_size: usize,
    /// Received and not decoded; the bytes before `taken` were.
    raw: Vec<u8>,
    taken: usize,
    queue: VecDeque<Message>,
    queued_bytes: usize,
    /// Why no message comes any more, once that is so.
    end: Option<(CloseCode, String)>,
    /// A ping was sent, and nothing has come since.
    silent: bool,
    bytes_sent: u64,
}

#[allow(clippy::large_enum_variant, reason = "a connection has one, for good")]
enum Phase {
    /// The app has not answered the handshake; whether it was told of it.
    Connecting {
        told: bool,
    },
    /// It answers with an HTTP response instead.
    Denied(Answer),
    Open(Box<Socket>),
    Closed,
}

enum Message {
    Text(String),
    Binary(Vec<u8>),
}

impl WebSocket {
    pub fn new(
        channel: Box<dyn Channel>,
        handshake: Handshake,
        max_message_size: usize,
        event_loop: Arc<EventLoop>,
    ) -> WebSocket {
        WebSocket {
            state: Mutex::new(State {
                channel: Some(channel),
                phase: Phase::Connecting { told: false },
                handshake,
                max_message_size,
                raw: Vec::new(),
                taken: 0,
                queue: VecDeque::new(),
                queued_bytes: 0,
                end: None,
                silent: false,
                bytes_sent: 0,
            }),
            waiters: Waiters::new(event_loop),
        }
    }

    /// The client has sent something, or takes more.
    pub fn ready(&self, py: Python<'_>) {
        self.waiters.wake(py);
        // What no task has taken may be a ping, or the end.
        let ended = {
            let mut state = lock(&self.state);
            state.fill_queue();
            state.end.is_some()
        };
        if ended {
            self.waiters.wake(py);
        }
    }

    /// The client has ended its side: after what it has sent before comes the
    /// end.
    pub fn hung_up(&self, py: Python<'_>) {
        let mut state = lock(&self.state);
        match state.phase {
            Phase::Open(_) => state.fill_queue(),
            _ => state.end(CloseCode::ABNORMAL, ""),
        }
        drop(state);
        self.waiters.wake(py);
    }

    /// The connection is lost, or not waited for any longer.
    pub fn disconnected(&self, py: Python<'_>) {
        lock(&self.state).end(CloseCode::ABNORMAL, "");
        self.waiters.wake(py);
    }

    /// True once there is nothing more to be told of the connection.
    pub fn is_finished(&self) -> bool {
        lock(&self.state).channel.is_none()
    }

    pub fn is_disconnected(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    /// Begins to close, such as when the worker stops. The app learns of it
    /// when the client has answered.
    pub fn close(self: &Arc<Self>, py: Python<'_>, code: CloseCode, reason: &str) {
        lock(&self.state).close(code, reason);
        self.waiters.wake_soon(py);
        self.end_in_time(py);
    }

    /// Waits only so long for the client's close.
    fn end_in_time(self: &Arc<Self>, py: Python<'_>) {
        if self.is_finished() {
            return;
        }
        let event_loop = self.waiters.event_loop().bind(py);
        let set = Bound::new(py, GiveUp(self.clone())).and_then(|give_up| {
            event_loop.call_method1(intern!(py, "call_later"), (CLOSE_WAIT, give_up))
        });
        if let Err(error) = set {
            error.write_unraisable(py, None);
        }
    }

    /// Asks the client whether it is there; one that has not said a word since
    /// it was last asked is given up.
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

    /// The app has returned, or raised `error`, whose traceback `log` writes.
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
                let mut answer = match std::mem::replace(&mut state.phase, Phase::Closed) {
                    Phase::Denied(answer) => answer,
                    _ => Answer::Nothing,
                };
                if let Some(channel) = state.channel.take() {
                    what = what.or(Some("The ASGI app returned without an answer to"));
                    answer.fail(channel, Status::SERVER_ERROR, "");
                }
            }
            Phase::Open(_) if error.is_some() => state.close(CloseCode::INTERNAL_ERROR, ""),
            Phase::Open(_) => state.close(CloseCode::NORMAL, ""),
            Phase::Closed => {}
        }
        drop(state);
        // The client's leaving is nobody's error.
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

    fn accept(&self, event: &Event<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let subprotocol = event.get(intern!(py, "subprotocol"))?;
        let subprotocol: Option<String> = subprotocol.map(|name| name.extract()).transpose()?;
        let mut head = ResponseHead::switching_to("websocket").map_err(invalid)?;
        event.fields(
            |name, value| match is_of_handshake(name, subprotocol.is_some()) {
                true => Ok(()),
                false => head.add(name, value),
            },
        )?;
        if let Some(subprotocol) = subprotocol {
            head.add(b"Sec-WebSocket-Protocol", subprotocol.as_bytes())
                .map_err(invalid)?;
        }
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Connecting { .. }) {
            return Err(unexpected(event, "'websocket.send' or 'websocket.close'"));
        }
        state.check_connected()?;
        state.upgrade(head).map_err(invalid)
    }

    fn message(&self, event: &Event<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let text = event.get(intern!(py, "text"))?;
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
                bytes = event.bytes(intern!(py, "bytes"))?;
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
            Phase::Open(_) | Phase::Closed => Err(unexpected(event, "nothing after the close")),
            _ => Err(unexpected(event, "'websocket.accept' or 'websocket.close'")),
        }
    }

    fn app_closes(self: &Arc<Self>, event: &Event<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let code = event.get(intern!(py, "code"))?;
        let code = match code {
            Some(code) => CloseCode(code.extract()?),
            None => CloseCode::NORMAL,
        };
        let reason = event.get(intern!(py, "reason"))?;
        let reason: String = reason.map_or(Ok(String::new()), |reason| reason.extract())?;
        let mut state = lock(&self.state);
        match state.phase {
            Phase::Connecting { .. } => {
                if let Some(channel) = state.channel.take() {
                    Answer::Nothing.fail(channel, Status::FORBIDDEN, "");
                }
                state.end(CloseCode::ABNORMAL, "");
            }
            Phase::Denied(_) => return Err(unexpected(event, "'websocket.http.response.body'")),
            Phase::Open(_) if !code.may_be_sent() => {
                let message = format!("{} is no WebSocket close code", code.0);
                return Err(PyValueError::new_err(message));
            }
            Phase::Open(_) => state.close(code, &reason),
            // Both sides closing at once is nobody's error.
            Phase::Closed => {}
        }
        drop(state);
        self.waiters.wake_soon(py);
        self.end_in_time(py);
        Ok(())
    }

    fn denial_start(&self, event: &Event<'_, '_>) -> PyResult<()> {
        let head = event.response_head()?;
        let mut state = lock(&self.state);
        if !matches!(state.phase, Phase::Connecting { .. }) {
            return Err(unexpected(event, "no response after another answer"));
        }
        state.phase = Phase::Denied(Answer::Head(head, Trailers::No));
        Ok(())
    }

    fn denial_body(&self, event: &Event<'_, '_>, py: Python<'_>) -> PyResult<()> {
        let body = event.bytes(intern!(py, "body"))?;
        let is_last = !event.flag(intern!(py, "more_body"))?;
        let mut state = lock(&self.state);
        let State { channel, phase, .. } = &mut *state;
        let Phase::Denied(answer) = phase else {
            return Err(unexpected(event, "'websocket.http.response.start'"));
        };
        let Some(open) = channel else {
            return Ok(());
        };
        let sent = answer.send(&mut **open, Part::Bytes(body.as_bytes()), is_last);
        if (sent.is_err() || is_last)
            && let Some(channel) = channel.take()
        {
            if sent.is_ok() {
                answer.finish(channel);
            } else {
                answer.break_off(channel);
            }
            state.end(CloseCode::ABNORMAL, "");
            drop(state);
            // Another task of the app may wait for the end.
            self.waiters.wake_soon(py);
        }
        Ok(())
    }
}

impl State {
    /// Accepts the client with this head, which lacks what only the server knows.
    fn upgrade(&mut self, mut head: ResponseHead) -> Result<(), ResponseError> {
        let Some(channel) = &mut self.channel else {
            return Ok(());
        };
        let compression = self.handshake.compression;
        agree(&mut head, &self.handshake.accept, compression)?;
        if let Some((name, value)) = channel.echo() {
            head.add_unless_given(name, value);
        }
        let mut bytes = Vec::new();
        let (server, date) = channel.stamp();
        head.begin(channel.rules(), server, date, &mut bytes);
        channel.upgrade();
        self.phase = Phase::Open(Box::new(Socket::new(&Options {
            max_message_size: self.max_message_size,
            compression,
        })));
        self.handshake = Handshake::default();
        self.write(&[&bytes]);
        Ok(())
    }

    fn write(&mut self, parts: &[&[u8]]) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let mut slices = [IoSlice::new(b""); 2];
        for (slice, part) in slices.iter_mut().zip(parts) {
            *slice = IoSlice::new(part);
        }
        if channel.write(&mut slices[..parts.len()]).is_err() {
            self.end(CloseCode::ABNORMAL, "");
        }
    }

    fn close(&mut self, code: CloseCode, reason: &str) {
        if let Phase::Open(socket) = &mut self.phase
            && let Some(frame) = socket.close(code, reason)
        {
            self.write(&[&frame]);
            // The client's close may have come already.
            self.fill_queue();
        }
    }

    /// No message comes any more, and nothing can be sent.
    fn end(&mut self, code: CloseCode, reason: &str) {
        if self.end.is_none() {
            self.end = Some((code, reason.to_owned()));
        }
        self.phase = Phase::Closed;
        if let Some(channel) = self.channel.take() {
            channel.close(&Finished {
                status: 101,
                body_bytes: self.bytes_sent,
                keep_alive: false,
                broken: false,
                head: None,
            });
        }
    }

    /// Gives the next event to `take`, which says what of it is kept; nothing
    /// while the client has sent none.
    fn next<T>(&mut self, mut take: impl FnMut(websocket::Event<'_>) -> Option<T>) -> Option<T> {
        loop {
            let State {
                channel: Some(_),
                phase: Phase::Open(socket),
                raw,
                taken,
                ..
            } = self
            else {
                return None;
            };
            let mut input = &raw[*taken..];
            let mut closed = None;
            let event = socket.next(&mut input);
            let nothing = event.is_none();
            let found = event.and_then(|event| match event {
                websocket::Event::Closed(code, reason) => {
                    closed = Some((code, reason.into_owned()));
                    None
                }
                event => take(event),
            });
            *taken = raw.len() - input.len();
            let answers = socket.take_answers();
            if !answers.is_empty() {
                self.write(&[&answers]);
            }
            if let Some((code, reason)) = closed {
                self.end(code, &reason);
            }
            if found.is_some() {
                return found;
            }
            if nothing && !self.receive() {
                return None;
            }
        }
    }

    /// Receives more to decode; false if there is none now.
    fn receive(&mut self) -> bool {
        self.raw.clear();
        self.taken = 0;
        let Some(channel) = &mut self.channel else {
            return false;
        };
        match channel.receive(&mut self.raw) {
            Ok(Progress::Some) => {
                self.silent = false;
                true
            }
            Ok(Progress::Waiting) => {
                // A connection that is idle keeps no buffer.
                self.raw = Vec::new();
                false
            }
            Ok(Progress::Ended) | Err(_) => {
                self.end(CloseCode::ABNORMAL, "");
                false
            }
        }
    }

    fn fill_queue(&mut self) {
        while self.queue.len() < MOST_QUEUED && self.queued_bytes < MOST_QUEUED_BYTES {
            let message = self.next(|event| match event {
                websocket::Event::Text(text) => Some(Message::Text(text.to_owned())),
                websocket::Event::Binary(bytes) => Some(Message::Binary(bytes.to_owned())),
                _ => None,
            });
            let Some(message) = message else { return };
            self.queued_bytes += message.len();
            self.queue.push_back(message);
        }
    }

    /// Sending to a client that is gone is an OSError (version 2.4).
    fn check_connected(&self) -> PyResult<()> {
        match &self.end {
            Some((code, _)) => Err(PyConnectionResetError::new_err(format!(
                "the WebSocket has ended with code {}",
                code.0
            ))),
            None => Ok(()),
        }
    }
}

impl Message {
    fn len(&self) -> usize {
        match self {
            Message::Text(text) => text.len(),
            Message::Binary(bytes) => bytes.len(),
        }
    }
}

impl Source for WebSocket {
    fn receive(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let mut state = lock(&self.state);
        if let Phase::Connecting { told } = &mut state.phase
            && !std::mem::replace(told, true)
        {
            return message(py, intern!(py, "websocket.connect"), None).map(Some);
        }
        let kind = intern!(py, "websocket.receive");
        if let Some(queued) = state.queue.pop_front() {
            state.queued_bytes -= queued.len();
            let content = match &queued {
                Message::Text(text) => (intern!(py, "text"), PyString::new(py, text).into_any()),
                Message::Binary(bytes) => {
                    (intern!(py, "bytes"), PyBytes::new(py, bytes).into_any())
                }
            };
            return message(py, kind, Some(content)).map(Some);
        }
        let content = state.next(|event| match event {
            websocket::Event::Text(text) => {
                Some((intern!(py, "text"), PyString::new(py, text).into_any()))
            }
            websocket::Event::Binary(bytes) => {
                Some((intern!(py, "bytes"), PyBytes::new(py, bytes).into_any()))
            }
            _ => None,
        });
        if content.is_some() {
            return message(py, kind, content).map(Some);
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
        Ok(!state
            .channel
            .as_ref()
            .is_some_and(|channel| channel.is_full()))
    }

    fn waiters(&self) -> &Waiters {
        &self.waiters
    }
}

/// Adds the server's own side of the handshake.
fn agree(
    head: &mut ResponseHead,
    accept: &str,
    compression: Option<Compression>,
) -> Result<(), ResponseError> {
    head.add(b"Sec-WebSocket-Accept", accept.as_bytes())?;
    if let Some(compression) = compression {
        head.add(b"Sec-WebSocket-Extensions", compression.answer().as_bytes())?;
    }
    Ok(())
}

/// True for fields by which the server itself agrees with the client. The
/// subprotocol is among them if the app names it where it should.
fn is_of_handshake(name: &[u8], names_subprotocol: bool) -> bool {
    let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
    is(b"upgrade")
        || is(b"sec-websocket-accept")
        || is(b"sec-websocket-extensions")
        || names_subprotocol && is(b"sec-websocket-protocol")
}

fn message<'py>(
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

/// What the loop calls when a client has had its time.
#[pyclass(frozen, module = "rgunicorn")]
struct GiveUp(Arc<WebSocket>);

#[pymethods]
impl GiveUp {
    fn __call__(&self, py: Python<'_>) {
        self.0.disconnected(py);
    }
}

/// What the app holds.
#[pyclass(frozen, module = "rgunicorn")]
pub struct WebSocketExchange(pub(super) Arc<WebSocket>);

#[pymethods]
impl WebSocketExchange {
    fn receive(&self) -> Awaitable {
        Awaitable::receive(self.0.clone())
    }

    #[pyo3(signature = (message, /))]
    fn send(&self, py: Python<'_>, message: &Bound<'_, PyAny>) -> PyResult<Py<Awaitable>> {
        let event = Event::new(message)?;
        match event.kind()? {
            "websocket.send" => {
                self.0.message(&event, py)?;
                if !self.0.may_send()? {
                    return Py::new(py, Awaitable::may_send(self.0.clone()));
                }
            }
            "websocket.accept" => self.0.accept(&event, py)?,
            "websocket.close" => self.0.app_closes(&event, py)?,
            "websocket.http.response.start" => self.0.denial_start(&event)?,
            "websocket.http.response.body" => self.0.denial_body(&event, py)?,
            _ => return Err(unexpected(&event, "a message of a WebSocket")),
        }
        Awaitable::nothing(py)
    }
}
