//! `wsgi.input`: the request's body as a file that is read once.

use crate::exchange::Stream;
use crate::http::BodyError;
use crate::system::lock;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::io;
use std::sync::{Arc, Mutex};

/// The object in the environ. It never reads beyond the body's end.
#[pyclass(frozen, module = "rgunicorn")]
pub struct Input {
    state: Mutex<InputState>,
}

struct InputState {
    /// Nothing once the request is over.
    stream: Option<Arc<dyn Stream>>,
    /// Received bytes. The app has read those before `taken`.
    buffer: Vec<u8>,
    taken: usize,
    ended: bool,
    failure: Option<BodyError>,
}

impl Input {
    /// An input for requests that call [`begin`](Input::begin).
    pub fn new() -> Input {
        Input {
            state: Mutex::new(InputState {
                stream: None,
                buffer: Vec::new(),
                taken: 0,
                ended: false,
                failure: None,
            }),
        }
    }

    /// Begins another request's body.
    pub fn begin(&self, stream: Arc<dyn Stream>) {
        let mut state = lock(&self.state);
        state.stream = Some(stream);
        state.ended = false;
        state.failure = None;
    }

    /// Ends the reading and drops the stream. Gives the error if the app has
    /// tried to read the body and could not.
    pub fn finish(&self) -> Option<BodyError> {
        let mut state = lock(&self.state);
        state.stream = None;
        state.buffer = Vec::new();
        state.taken = 0;
        state.failure.take()
    }

    /// Takes bytes from the front of the buffer. `wanted` gets the buffered
    /// bytes, and whether they are all that is left of the body; it gives the
    /// number to take, or nothing to receive more.
    fn take<'py>(
        &self,
        py: Python<'py>,
        mut wanted: impl FnMut(&[u8], bool) -> Option<usize>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        loop {
            let mut state = lock(&self.state);
            let ready = &state.buffer[state.taken..];
            if let Some(length) = wanted(ready, state.ended) {
                let bytes = PyBytes::new(py, &ready[..length]);
                state.taken += length;
                return Ok(bytes);
            }
            if let Some(stream) = state.receive()? {
                // Not under the lock: a thread that waits for the lock may hold
                // the GIL.
                drop(state);
                if let Err(error) = stream.wait_for_body() {
                    return Err(lock(&self.state).fail(error));
                }
            }
        }
    }

    fn take_line<'py>(&self, py: Python<'py>, limit: usize) -> PyResult<Bound<'py, PyBytes>> {
        let mut searched = 0;
        self.take(py, |ready, ended| {
            let found = memchr::memchr(b'\n', ready.get(searched..)?);
            let line = found.map(|distance| searched + distance + 1);
            searched = ready.len();
            let all = (ended || ready.len() >= limit).then_some(ready.len());
            Some(line.or(all)?.min(limit))
        })
    }
}

#[pymethods]
impl Input {
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        let limit = limit(size);
        self.take(py, |ready, ended| {
            (ended || ready.len() >= limit).then_some(ready.len().min(limit))
        })
    }

    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<isize>) -> PyResult<Bound<'py, PyBytes>> {
        self.take_line(py, limit(size))
    }

    /// Stops after the line that reaches `hint` bytes in total, as files do.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<isize>) -> PyResult<Bound<'py, PyList>> {
        let enough = limit(hint.filter(|&hint| hint > 0));
        let lines = PyList::empty(py);
        let mut total = 0;
        while total < enough {
            let line = self.take_line(py, usize::MAX)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len();
            lines.append(line)?;
        }
        Ok(lines)
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.take_line(py, usize::MAX)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

/// Python's size argument. Absent or negative means everything.
fn limit(size: Option<isize>) -> usize {
    size.and_then(|size| usize::try_from(size).ok())
        .unwrap_or(usize::MAX)
}

impl InputState {
    /// Receives bytes. If there are none, gives the stream to wait for.
    fn receive(&mut self) -> PyResult<Option<Arc<dyn Stream>>> {
        if self.ended {
            return Ok(None);
        }
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let Some(stream) = &self.stream else {
            return Err(PyValueError::new_err(
                "wsgi.input was read after its request ended",
            ));
        };
        match stream.read(&mut self.buffer) {
            Ok(None) => return Ok(Some(Arc::clone(stream))),
            Ok(Some(0)) => self.ended = true,
            Ok(Some(_)) => {}
            Err(error) => return Err(self.fail(error)),
        }
        Ok(None)
    }

    /// Keeps the error. The app gets an OSError, which frameworks take for a
    /// broken upload.
    fn fail(&mut self, error: BodyError) -> PyErr {
        let raised = match &error {
            BodyError::Client(cause) => io::Error::from(cause.kind()).into(),
            BodyError::TooSlow => io::Error::from(io::ErrorKind::TimedOut).into(),
            BodyError::Invalid(_) | BodyError::Lost => PyOSError::new_err(error.to_string()),
        };
        self.failure = Some(error);
        raised
    }
}
