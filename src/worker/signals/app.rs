//! The worker's signals as the app sees them, and the handlers that the app
//! sets itself. The Python half is `_rgunicorn.signals`.

use crate::worker::signals::handler::{
    LAST_SIGNAL, WORKER_SIGNALS, handle_as_worker, has_handler, install, reset,
};
use nix::libc::{self, c_int};
use pyo3::prelude::*;
use std::io;

/// Signals for a fault in the current instruction. The app's handlers of these
/// stay as they are, since they must see the state of the fault.
const FAULTS: [c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Makes the worker's handlers visible to the app, and keeps the worker's
/// handler first when the app sets handlers of its own. To be called before the
/// app is loaded, also by a master that loads it for its workers.
pub fn show(py: Python<'_>) -> PyResult<()> {
    let worker_signals = WORKER_SIGNALS.map(|signal| signal as c_int);
    let act = wrap_pyfunction!(act, py)?;
    let keep = wrap_pyfunction!(keep, py)?;
    py.import("_rgunicorn.signals")?
        .call_method1("show", (worker_signals, act, keep))
        .map(drop)
}

/// Removes the app's handlers, since the interpreter is about to end.
pub fn hide(py: Python<'_>) -> PyResult<()> {
    py.import("_rgunicorn.signals")?
        .call_method0("hide")
        .map(drop)
}

/// Installs the worker's handler for the worker's signals, and for those that
/// already have a handler of the app, set in the master.
pub fn install_all() -> io::Result<()> {
    for signal in 1..=LAST_SIGNAL {
        if is_worker_signal(signal) || has_app_handler(signal) {
            install(signal)?;
        }
    }
    Ok(())
}

fn is_worker_signal(signal: c_int) -> bool {
    WORKER_SIGNALS.iter().any(|it| *it as c_int == signal)
}

fn has_app_handler(signal: c_int) -> bool {
    !FAULTS.contains(&signal) && has_handler(signal)
}

/// Does what the worker does for this signal. (Python code sees it as the
/// signal's handler.)
#[pyfunction]
#[pyo3(signature = (signalnum, frame = None), name = "worker_signal")]
fn act(signalnum: c_int, frame: Option<Bound<'_, PyAny>>) {
    let _ = frame;
    handle_as_worker(signalnum);
}

/// Called after Python code has changed the handler of a signal. `given_back`
/// is true if the worker alone must handle the signal now.
#[pyfunction]
fn keep(signalnum: c_int, given_back: bool) -> io::Result<()> {
    if given_back {
        reset(signalnum)
    } else if is_worker_signal(signalnum) || has_app_handler(signalnum) {
        install(signalnum)
    } else {
        Ok(())
    }
}
