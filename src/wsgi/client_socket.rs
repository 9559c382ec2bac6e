//! `gunicorn.socket`: the client's socket for an app that speaks its own
//! protocol, such as WebSocket. The Python half is `_rgunicorn.socket`.
//!
//! The object in the environ is a socket from the start and has no descriptor
//! until it is used: then the connection is given away. Most requests use none,
//! and the object serves the next one.

use super::response::SharedResponse;
use super::settings::Settings;
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
pub struct ClientSockets {
    offer: Py<PyAny>,
    /// True if the app has one request at a time.
    serves_one: bool,
}

impl ClientSockets {
    pub fn new(py: Python<'_>, settings: &Settings) -> PyResult<ClientSockets> {
        let module = py.import(MODULE)?;
        Ok(ClientSockets {
            offer: module
                .call_method1("offers", (settings.cooperative,))?
                .unbind(),
            serves_one: !settings.multithread,
        })
    }

    /// An object for the requests that begin with this response.
    pub fn offer(&self, py: Python<'_>, response: &Arc<SharedResponse>) -> PyResult<Py<PyAny>> {
        let connection = ClientConnection {
            response: Arc::clone(response),
            serves_one: self.serves_one,
        };
        self.offer.call1(py, (connection,))
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

/// The request's connection as the object knows it.
#[pyclass(frozen, module = "rgunicorn")]
struct ClientConnection {
    response: Arc<SharedResponse>,
    serves_one: bool,
}

#[pymethods]
impl ClientConnection {
    /// Gives the connection away: a descriptor, and whether it is the client's
    /// own socket.
    fn take(&self) -> PyResult<(RawFd, bool)> {
        let (detached, upgraded) = {
            let mut response = self.response.lock();
            let detached = response.detach().map_err(os_error)?;
            (detached, response.is_upgraded())
        };
        // Not under the lock: a logger in Python lets the GIL go.
        if self.serves_one && upgraded && !WARNED.swap(true, Ordering::Relaxed) {
            ::log::warn!(
                "A WebSocket keeps this worker from all other requests until it ends, or 'timeout' \
                 ends the worker: take the worker class 'gthread' or 'gevent'"
            );
        }
        Ok((detached.descriptor.into_raw_fd(), detached.is_clients))
    }

    /// The result of `act` with a descriptor of the client's own socket, which
    /// stays the server's.
    fn look<'py>(&self, act: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let socket = self.response.lock().duplicate().map_err(os_error)?;
        act.call1((socket.as_raw_fd(),))
    }

    /// The app has closed the socket, and has no other of the connection.
    fn closed(&self) {
        self.response.lock().app_has_closed();
    }
}
