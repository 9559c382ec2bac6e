//! `gunicorn.socket`: the client's socket for an app that speaks its own
//! protocol, such as WebSocket. The Python half is `_rgunicorn.socket`.
//!
//! The object in the environ is a socket from the start and has no descriptor
//! until it is used: then the connection is given away. Most requests use none,
//! and the object serves the next one.

use super::environ::Settings;
use super::exchange::Answer;
use nix::errno::Errno;
use nix::libc;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const MODULE: &str = "_rgunicorn.socket";

/// The warning of a worker that serves one request at a time is written once.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Makes the objects of a worker.
pub struct Sockets {
    offer: Py<PyAny>,
    /// True if the app has one request at a time.
    serves_one: bool,
}

impl Sockets {
    pub fn new(py: Python<'_>, settings: &Settings) -> PyResult<Sockets> {
        let module = py.import(MODULE)?;
        Ok(Sockets {
            offer: module
                .call_method1("offers", (settings.cooperative,))?
                .unbind(),
            serves_one: !settings.multithread,
        })
    }

    /// An object for the requests that begin with this answer.
    pub fn offer(&self, py: Python<'_>, answer: &Arc<Answer>) -> PyResult<Py<PyAny>> {
        let way = Way {
            answer: Arc::clone(answer),
            serves_one: self.serves_one,
        };
        self.offer.call1(py, (way,))
    }
}

/// Ends the app's use of an object that was used, after a moment where the
/// connection has `upgraded`. What goes wrong with that is the app's doing, and
/// of no consequence.
pub fn part(socket: &Bound<'_, PyAny>, upgraded: bool) {
    let _ = socket.call_method1(intern!(socket.py(), "_part"), (upgraded,));
}

/// The error with its number, by which sockets' errors are known.
fn os_error(error: io::Error) -> PyErr {
    let number = error.raw_os_error().unwrap_or(libc::EPIPE);
    PyOSError::new_err((number, Errno::from_raw(number).desc()))
}

/// The way from the object to the request's connection.
#[pyclass(frozen, module = "rgunicorn")]
struct Way {
    answer: Arc<Answer>,
    serves_one: bool,
}

#[pymethods]
impl Way {
    /// Gives the connection away: a descriptor, and whether it is the client's
    /// own socket.
    fn take(&self) -> PyResult<(RawFd, bool)> {
        let (given, upgraded) = {
            let mut answer = self.answer.lock();
            let given = answer.detach().map_err(os_error)?;
            (given, answer.is_upgraded())
        };
        // Not under the lock: a logger in Python lets the GIL go.
        if self.serves_one && upgraded && !WARNED.swap(true, Ordering::Relaxed) {
            ::log::warn!(
                "A WebSocket keeps this worker from all other requests until it ends, or 'timeout' \
                 ends the worker: take the worker class 'gthread' or 'gevent'"
            );
        }
        Ok((given.descriptor.into_raw_fd(), given.is_clients))
    }

    /// The result of `act` with a descriptor of the client's own socket, which
    /// stays the server's.
    fn look<'py>(&self, act: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let socket = self.answer.lock().duplicate_socket().map_err(os_error)?;
        act.call1((socket.as_raw_fd(),))
    }

    /// The app has closed the socket, and has no other of the connection.
    fn closed(&self) {
        self.answer.lock().app_has_closed();
    }
}
