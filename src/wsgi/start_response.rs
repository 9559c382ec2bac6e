//! `start_response`, `write`, `wsgi.early_hints` and `gunicorn.http2.send_trailers` of
//! one request (PEP 3333, "The start_response() Callable").

use super::client_socket::ClientSockets;
use super::response::SharedResponse;
use super::text;
use crate::http::{Interim, ResponseError, ResponseHead, add_line};
use crate::python::type_name;
use pyo3::exceptions::{PyAssertionError, PyTypeError, PyValueError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySequence, PyTuple};
use std::sync::Arc;

/// The callable `start_response` of one request.
#[pyclass(frozen, module = "rgunicorn")]
pub struct StartResponse {
    response: Arc<SharedResponse>,
    write: Py<Write>,
    early_hints: Py<EarlyHints>,
    send_trailers: Py<SendTrailers>,
    socket: Py<PyAny>,
}

/// The callable that `start_response` gives back.
#[pyclass(frozen, module = "rgunicorn")]
struct Write(Arc<SharedResponse>);

/// The callable `wsgi.early_hints` of the environ.
#[pyclass(frozen, module = "rgunicorn")]
pub struct EarlyHints(Arc<SharedResponse>);

/// The callable `gunicorn.http2.send_trailers` of the environ.
#[pyclass(frozen, module = "rgunicorn")]
pub struct SendTrailers(Arc<SharedResponse>);

/// True if there are other references to the object.
pub fn is_shared(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive, and the GIL is held.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) > 1 }
}

impl StartResponse {
    /// A callable for requests that call [`begin`](SharedResponse::begin).
    pub fn new(py: Python<'_>, sockets: &ClientSockets) -> PyResult<StartResponse> {
        let response = Arc::new(SharedResponse::default());
        Ok(StartResponse {
            write: Py::new(py, Write(Arc::clone(&response)))?,
            early_hints: Py::new(py, EarlyHints(Arc::clone(&response)))?,
            send_trailers: Py::new(py, SendTrailers(Arc::clone(&response)))?,
            socket: sockets.offer(py, &response)?,
            response,
        })
    }

    pub fn response(&self) -> &SharedResponse {
        &self.response
    }

    pub fn early_hints<'py>(&self, py: Python<'py>) -> &Bound<'py, EarlyHints> {
        self.early_hints.bind(py)
    }

    pub fn send_trailers<'py>(&self, py: Python<'py>) -> &Bound<'py, SendTrailers> {
        self.send_trailers.bind(py)
    }

    /// `gunicorn.socket`.
    pub fn socket<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.socket.bind(py)
    }

    /// True if the app holds an object that could write.
    pub fn is_shared(&self, py: Python<'_>) -> bool {
        is_shared(self.write.bind(py))
            || is_shared(self.early_hints.bind(py))
            || is_shared(self.send_trailers.bind(py))
            || is_shared(self.socket.bind(py))
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
        // Not under the lock: Python code may make the headers.
        let head = response_head(status, headers);
        let mut state = self.response.lock();
        match exc_info {
            Some(exc_info) if state.response.has_begun() => {
                drop(state);
                Err(reraised(exc_info)?)
            }
            None if state.response.head().is_some() => Err(PyAssertionError::new_err(
                "start_response was called a second time without exc_info",
            )),
            _ => {
                state.response.set_head(head?);
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
    /// Sends a 103 with these fields, unless the response has begun.
    #[pyo3(signature = (headers, /))]
    fn __call__(&self, headers: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut fields = Vec::new();
        each_header(headers, |name, value| {
            fields.push((name.to_vec(), value.to_vec()));
            Ok(())
        })?;
        let fields = fields.iter().map(|(name, value)| (&**name, &**value));
        let hints = Interim::early_hints(fields).map_err(invalid)?;
        self.0.send_early_hints(&hints)
    }
}

#[pymethods]
impl SendTrailers {
    /// Sends these fields after the body, in place of those of an earlier call.
    #[pyo3(signature = (trailers, /))]
    fn __call__(&self, trailers: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut lines = Vec::new();
        each_header(trailers, |name, value| add_line(&mut lines, name, value))?;
        self.0.lock().set_trailers(lines)
    }
}

/// The exception in `exc_info`, to be raised again.
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
                type_name(&header)
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

/// The two items of a header. A list is allowed instead of a tuple.
fn pair<'py>(header: &Bound<'py, PyAny>) -> Option<Bound<'py, PyTuple>> {
    let tuple = match header.cast::<PyTuple>() {
        Ok(tuple) => tuple.clone(),
        Err(_) => header.cast::<PySequence>().ok()?.to_tuple().ok()?,
    };
    (tuple.len() == 2).then_some(tuple)
}

/// A block of the body. It must be bytes.
pub fn block<'a, 'py>(data: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    data.cast::<PyBytes>().map_err(|_| {
        PyTypeError::new_err(format!(
            "the response body must be made of bytes, not {}",
            type_name(data)
        ))
    })
}
