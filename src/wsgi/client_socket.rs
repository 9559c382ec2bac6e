//! `gunicorn.socket`: the client's socket for an app that speaks its own
//! protocol, such as WebSocket. The Python half is `_rgunicorn.socket`.
//!
//! The object in the environ is a socket from the start, but has no descriptor
//! until the app uses it. Then the app gets the connection. Most requests do
//! not use it, and the next request gets the same object.

use super::options::AppOptions;
use super::response::SharedResponse;
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

/// True after the warning of a worker that handles one request at a time. It is
/// written once.
static WARNED: AtomicBool = AtomicBool::new(false);

/// Makes the socket objects of a worker.
pub struct ClientSockets {
    offer: Py<PyAny>,
    /// True if the worker handles one request at a time.
    serves_one: bool,
}

impl ClientSockets {
    pub fn new(py: Python<'_>, options: &AppOptions) -> PyResult<ClientSockets> {
        let module = py.import(MODULE)?;
        Ok(ClientSockets {
            offer: module
                .call_method1("offers", (options.cooperative,))?
                .unbind(),
            serves_one: !options.multithread,
        })
    }

    /// A socket object for the requests that use this response.
    pub fn offer(&self, py: Python<'_>, response: &Arc<SharedResponse>) -> PyResult<Py<PyAny>> {
        let connection = ClientConnection {
            response: Arc::clone(response),
            serves_one: self.serves_one,
        };
        self.offer.call1(py, (connection,))
    }
}

/// Ends the app's use of a socket object; if the connection was `upgraded`,
/// after a moment. Errors are ignored: only the app can cause them, and they
/// have no effect.
pub fn part(socket: &Bound<'_, PyAny>, upgraded: bool) {
    let _ = socket.call_method1(intern!(socket.py(), "_part"), (upgraded,));
}

/// An OSError with its error number, as sockets raise it.
fn os_error(error: io::Error) -> PyErr {
    let number = error.raw_os_error().unwrap_or(libc::EPIPE);
    PyOSError::new_err((number, Errno::from_raw(number).desc()))
}

/// The request's connection, for the Python half of the socket object.
#[pyclass(frozen, module = "rgunicorn")]
struct ClientConnection {
    response: Arc<SharedResponse>,
    serves_one: bool,
}

#[pymethods]
impl ClientConnection {
    /// Gives the connection to the app: a descriptor, and whether it is the
    /// client's own socket.
    fn take(&self) -> PyResult<(RawFd, bool)> {
        let (detached, upgraded) = {
            let mut response = self.response.lock();
            let detached = response.detach().map_err(os_error)?;
            (detached, response.is_upgraded())
        };
        // Not under the lock: a logger in Python releases the GIL.
        if self.serves_one && upgraded && !WARNED.swap(true, Ordering::Relaxed) {
            ::log::warn!(
                "A WebSocket keeps this worker from all other requests until it ends, or 'timeout' \
                 ends the worker: take the worker class 'gthread' or 'gevent'"
            );
        }
        Ok((detached.descriptor.into_raw_fd(), detached.is_clients))
    }

    /// Calls `act` with a descriptor of the client's own socket, which stays
    /// the server's.
    fn look<'py>(&self, act: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let socket = self.response.lock().duplicate().map_err(os_error)?;
        act.call1((socket.as_raw_fd(),))
    }

    /// The app has closed the socket, and holds no copy.
    fn closed(&self) {
        self.response.lock().app_has_closed();
    }
}
