//! The answer to one request: `start_response`, `write` and what the server
//! adds (PEP 3333, "The start_response() Callable").

use super::file_wrapper::Sendable;
use super::socket::Sockets;
use super::text;
use crate::exchange::{Detached, Stream};
use crate::http::{
    HttpDate, ResponseBody, ResponseError, ResponseHead, ResponseRules, Version, early_hints,
};
use nix::libc;
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySequence, PyTuple};
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks of no more than this, together, are copied.
const COPIED: usize = 16 * 1024;

thread_local! {
    /// Where small answers are put together.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The answer to one request. No Python code runs while its lock is held: a
/// thread that waits for the lock may hold the GIL.
pub struct Answer(Mutex<Exchange>);

/// The callable `start_response` of one request.
#[pyclass(frozen, module = "rgunicorn")]
pub struct StartResponse {
    answer: Arc<Answer>,
    write: Py<Write>,
    early_hints: Py<EarlyHints>,
    socket: Py<PyAny>,
}

/// The callable that `start_response` gives back.
#[pyclass(frozen, module = "rgunicorn")]
struct Write(Arc<Answer>);

/// The callable `wsgi.early_hints` of the environ.
#[pyclass(frozen, module = "rgunicorn")]
pub struct EarlyHints(Arc<Answer>);

/// True if somebody else has the object, too.
pub fn is_shared(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive, and the GIL is held.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) > 1 }
}

/// How far the answer has come.
pub struct Exchange {
    rules: ResponseRules,
    server: Arc<str>,
    date: HttpDate,
    /// A field of the answer, unless the app gives it itself.
    echo: Option<(String, String)>,
    head: Option<ResponseHead>,
    /// Set once the head went out, or is about to.
    body: Option<ResponseBody>,
    /// Nothing once the request is over.
    stream: Option<Arc<dyn Stream>>,
    /// True if the client cannot be written to any more.
    broken: bool,
    /// True once the app has taken the connection.
    given: bool,
}

impl StartResponse {
    /// For requests that [`begin`](Answer::begin) with it.
    pub fn new(py: Python<'_>, server: Arc<str>, sockets: &Sockets) -> PyResult<StartResponse> {
        let answer = Arc::new(Answer(Mutex::new(Exchange::new(server))));
        Ok(StartResponse {
            write: Py::new(py, Write(Arc::clone(&answer)))?,
            early_hints: Py::new(py, EarlyHints(Arc::clone(&answer)))?,
            socket: sockets.offer(py, &answer)?,
            answer,
        })
    }

    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    pub fn early_hints<'py>(&self, py: Python<'py>) -> &Bound<'py, EarlyHints> {
        self.early_hints.bind(py)
    }

    /// `gunicorn.socket`.
    pub fn socket<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.socket.bind(py)
    }

    /// True if the app may still write.
    pub fn is_shared(&self, py: Python<'_>) -> bool {
        is_shared(self.write.bind(py))
            || is_shared(self.early_hints.bind(py))
            || is_shared(self.socket.bind(py))
    }
}

impl Answer {
    /// Begins with another request's answer.
    pub fn begin(&self, rules: ResponseRules, date: HttpDate, stream: Arc<dyn Stream>) {
        let mut exchange = self.lock();
        exchange.rules = rules;
        exchange.date = date;
        exchange.head = None;
        exchange.body = None;
        exchange.stream = Some(stream);
        exchange.broken = false;
        exchange.given = false;
    }

    pub fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends blocks of the body, and the head before the first of them; then
    /// waits if the client is behind.
    pub fn send(&self, blocks: &[&[u8]]) -> PyResult<()> {
        self.send_and_wait(|exchange| exchange.send(blocks, false))
    }

    fn send_and_wait(&self, send: impl FnOnce(&mut Exchange) -> PyResult<bool>) -> PyResult<()> {
        let stream = {
            let mut exchange = self.lock();
            match send(&mut exchange)? {
                true => exchange.stream.clone(),
                false => None,
            }
        };
        // Not under the lock: whoever waits for that may hold the GIL.
        let Some(stream) = stream else {
            return Ok(());
        };
        stream.wait_for_room().map_err(|error| {
            self.lock().broken = true;
            error.into()
        })
    }

    /// Sends blocks that are all of the body, in one write with the head if
    /// that has not gone out. The app has nothing to wait for any more.
    pub fn send_all(&self, blocks: &[&[u8]]) -> PyResult<()> {
        let mut exchange = self.lock();
        exchange.set_known_length(blocks.iter().map(|block| block.len() as u64).sum());
        exchange.send(blocks, true).map(drop)
    }

    /// Sends a file's rest as all of the body.
    pub fn send_file(&self, file: Sendable) -> PyResult<()> {
        self.lock().send_file(file).map(drop)
    }

    /// Ends the body after blocks that were sent one by one.
    pub fn end(&self) -> PyResult<()> {
        self.lock().send(&[], true).map(drop)
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn __call__(
        &self,
        py: Python<'_>,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<Write>> {
        // Not under the lock: the headers may be made by Python code.
        let head = response_head(status, headers);
        let mut exchange = self.answer.lock();
        match exc_info {
            Some(exc_info) if exchange.body.is_some() => {
                drop(exchange);
                Err(reraised(exc_info)?)
            }
            None if exchange.head.is_some() => Err(PyAssertionError::new_err(
                "start_response was called a second time without exc_info",
            )),
            _ => {
                exchange.set_head(head?);
                Ok(self.write.clone_ref(py))
            }
        }
    }
}

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        self.0.send(&[block(data)?.as_bytes()])
    }
}

#[pymethods]
impl EarlyHints {
    /// Sends a 103 with these fields, unless the answer has begun.
    #[pyo3(signature = (headers, /))]
    fn __call__(&self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut fields = Vec::new();
        each_header(headers, |name, value| {
            fields.push((name.to_vec(), value.to_vec()));
            Ok(())
        })?;
        let fields = fields.iter().map(|(name, value)| (&**name, &**value));
        let hints = early_hints(fields).map_err(invalid)?;
        self.0.send_and_wait(|exchange| exchange.send_hints(&hints))
    }
}

/// The app's exception of `exc_info`, to be raised again.
fn reraised(exc_info: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let exc_info = exc_info.cast::<PyTuple>()?;
    let exception = exc_info.get_item(1)?;
    let traceback = exc_info.get_item(2)?;
    let exception =
        exception.call_method1(intern!(exc_info.py(), "with_traceback"), (traceback,))?;
    Ok(PyErr::from_value(exception))
}

fn response_head(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<ResponseHead> {
    let status = text::to_bytes(status, "the response status")?;
    let mut head = ResponseHead::new(&status).map_err(invalid)?;
    each_header(headers, |name, value| head.add(name, value))?;
    Ok(head)
}

/// Calls `act` with the name and the value of each header.
fn each_header(
    headers: &Bound<'_, PyAny>,
    mut act: impl FnMut(&[u8], &[u8]) -> Result<(), ResponseError>,
) -> PyResult<()> {
    for header in headers.try_iter()? {
        let header = header?;
        let Some(pair) = pair(&header) else {
            return Err(PyTypeError::new_err(format!(
                "a response header must be a tuple of name and value, not {}",
                text::type_name(&header)
            )));
        };
        let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
        let name = text::to_bytes(&name, "the name of a response header")?;
        let value = text::to_bytes(&value, "the value of a response header")?;
        act(&name, &value).map_err(invalid)?;
    }
    Ok(())
}

fn invalid(error: ResponseError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A header of two items; those who write a list for the tuple are forgiven.
fn pair<'py>(header: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    let tuple = match header.cast::<PyTuple>() {
        Ok(tuple) => tuple.clone(),
        Err(_) => header.cast::<PySequence>().ok()?.to_tuple().ok()?,
    };
    (tuple.len() == 2).then_some(tuple)
}

/// A block of a body, which must be bytes.
pub fn block<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    data.cast::<PyBytes>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the response body must be made of bytes, not {}",
            text::type_name(data)
        ))
    })
}

impl Exchange {
    fn new(server: Arc<str>) -> Exchange {
        Exchange {
            rules: ResponseRules::default(),
            server,
            date: HttpDate::default(),
            echo: None,
            head: None,
            body: None,
            stream: None,
            broken: false,
            given: false,
        }
    }

    pub fn set_echo(&mut self, echo: Option<(&str, &str)>) {
        self.echo = echo.map(|(name, value)| (name.to_owned(), value.to_owned()));
    }

    fn set_head(&mut self, mut head: ResponseHead) {
        if let Some((name, value)) = &self.echo {
            head.add_unless_given(name, value);
        }
        self.head = Some(head);
    }

    pub fn head(&self) -> Option<&ResponseHead> {
        self.head.as_ref()
    }

    pub fn body(&self) -> Option<&ResponseBody> {
        self.body.as_ref()
    }

    /// The value of the answer's Date field.
    pub fn date(&self) -> HttpDate {
        self.date
    }

    /// True if the client cannot be written to any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// True once the app has taken the connection.
    pub fn is_given(&self) -> bool {
        self.given
    }

    /// True once the app has taken the connection for another protocol.
    pub fn is_upgraded(&self) -> bool {
        self.given && self.rules.asks_to_upgrade
    }

    /// Gives the connection to the app.
    pub fn detach(&mut self) -> io::Result<Detached> {
        let given = self.client()?.detach(self.rules.asks_to_upgrade)?;
        self.given = true;
        self.rules.keep_alive = false;
        Ok(given)
    }

    pub fn duplicate_socket(&self) -> io::Result<OwnedFd> {
        self.client()?.duplicate_socket()
    }

    pub fn app_has_closed(&self) {
        if let Ok(stream) = self.client() {
            stream.app_has_closed();
        }
    }

    /// The stream as sockets speak of it: after the request it is closed.
    fn client(&self) -> io::Result<&Arc<dyn Stream>> {
        let closed = || io::Error::from_raw_os_error(libc::EBADF);
        self.stream.as_ref().ok_or_else(closed)
    }

    /// Ends the exchange: nothing the app still holds can write from now on.
    /// Gives the head the app has set, if any.
    pub fn close(&mut self) -> Option<ResponseHead> {
        self.stream = None;
        self.head.take()
    }

    /// Sends an interim response (RFC 8297), if it is early enough: not to
    /// clients of HTTP/1.0, which know of none.
    fn send_hints(&mut self, hints: &[u8]) -> PyResult<bool> {
        match self.body.is_some() || self.rules.version < Version::Http11 {
            true => Ok(false),
            false => {
                let written = self.open_stream()?.write_interim(hints);
                self.note(written)
            }
        }
    }

    /// Sends bytes that are no part of the app's answer.
    pub fn send_raw(&mut self, bytes: &[u8]) -> PyResult<bool> {
        self.write(&mut [IoSlice::new(bytes)])
    }

    /// The length of a body that is known before any of it is sent. Says
    /// nothing of HEAD, where apps leave the body out.
    fn set_known_length(&mut self, length: u64) {
        if let (Some(head), None, false) = (&mut self.head, &self.body, self.rules.is_head) {
            head.set_known_length(length);
        }
    }

    /// Makes the head's bytes, unless they have gone out.
    fn begin(&mut self, out: &mut Vec<u8>) -> PyResult<&mut ResponseBody> {
        if self.is_upgraded() || self.given && self.head.is_none() {
            // The app has answered by itself.
            self.broken = true;
            return Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        }
        // What was so when the request began may not be so any more.
        self.rules.keep_alive &= self.open_stream()?.may_stay();
        if self.body.is_none() {
            let Some(head) = &self.head else {
                return Err(PyAssertionError::new_err(
                    "the app gave a response body before it called start_response",
                ));
            };
            let body = head.begin(self.rules, &self.server, self.date.as_str(), out);
            self.body = Some(body);
        }
        Ok(self.body.as_mut().expect("was just set"))
    }

    fn send(&mut self, blocks: &[&[u8]], is_all: bool) -> PyResult<bool> {
        // Blocks that are small are copied behind the head: one part costs the
        // system less than several, and the buffer is there already.
        let mut out = BUFFER.take();
        out.clear();
        let result = self.send_from(&mut out, blocks, is_all);
        BUFFER.set(out);
        result
    }

    fn send_from(&mut self, out: &mut Vec<u8>, blocks: &[&[u8]], is_all: bool) -> PyResult<bool> {
        let body = self.begin(out)?;
        let small = blocks.iter().map(|block| block.len()).sum::<usize>() <= COPIED;
        if small {
            for block in blocks {
                let frame = body.frame(block.len());
                out.extend_from_slice(frame.prefix.as_bytes());
                out.extend_from_slice(&block[..frame.length]);
                out.extend_from_slice(frame.suffix);
            }
            if is_all {
                out.extend_from_slice(body.end());
            }
            return self.write(&mut [IoSlice::new(out)]);
        }
        let frames: Vec<_> = blocks.iter().map(|block| body.frame(block.len())).collect();
        let end = if is_all { body.end() } else { b"" };
        let mut parts = Vec::with_capacity(2 + 3 * frames.len());
        parts.push(IoSlice::new(out));
        for (frame, block) in frames.iter().zip(blocks) {
            parts.push(IoSlice::new(frame.prefix.as_bytes()));
            parts.push(IoSlice::new(&block[..frame.length]));
            parts.push(IoSlice::new(frame.suffix));
        }
        parts.push(IoSlice::new(end));
        parts.retain(|part| !part.is_empty());
        self.write(&mut parts)
    }

    fn send_file(&mut self, file: Sendable) -> PyResult<bool> {
        self.set_known_length(file.length);
        let mut head = Vec::new();
        let body = self.begin(&mut head)?;
        let length = usize::try_from(file.length).unwrap_or(usize::MAX);
        let frame = body.frame(length);
        let end = body.end();
        self.write(&mut [IoSlice::new(&head), IoSlice::new(frame.prefix.as_bytes())])?;
        if frame.length > 0 {
            let stream = self.open_stream()?;
            let sent = stream.send_file(file.file, file.offset, frame.length as u64);
            self.note(sent)?;
        }
        self.write(&mut [IoSlice::new(frame.suffix), IoSlice::new(end)])
    }

    /// Gives true if more should wait.
    fn write(&mut self, parts: &mut [IoSlice<'_>]) -> PyResult<bool> {
        if parts.iter().all(|part| part.is_empty()) {
            return Ok(false);
        }
        let written = self.open_stream()?.write(parts);
        self.note(written)
    }

    fn note(&mut self, result: io::Result<bool>) -> PyResult<bool> {
        self.broken |= result.is_err();
        Ok(result?)
    }

    fn open_stream(&self) -> PyResult<&Arc<dyn Stream>> {
        self.stream.as_ref().ok_or_else(|| {
            PyValueError::new_err("the response was written to after its request ended")
        })
    }
}
