//! What the app sees of the worker's signals, and the handlers that it sets
//! itself. The Python half is `_rgunicorn.signals`.

use crate::worker::signals::handler::{LAST, OURS, answer, hear, is_handled, take_back};
use nix::libc::{self, c_int};
use pyo3::prelude::*;
use std::io;

/// Signals that mean a fault in the very next instruction: whoever handles them
/// must find things as they are.
const FAULTS: [c_int; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Shows the app the worker's handlers, and has the worker hear its signals
/// also where the app sets handlers of its own. To be called before the app is
/// loaded, also by the master that loads it for its workers.
pub fn show(py: Python<'_>) -> PyResult<()> {
    let ours = OURS.map(|signal| signal as c_int);
    let act = wrap_pyfunction!(act, py)?;
    let keep = wrap_pyfunction!(keep, py)?;
    py.import("_rgunicorn.signals")?
        .call_method1("show", (ours, act, keep))
        .map(drop)
}

/// Takes the app's handlers away: the interpreter is about to end.
pub fn hide(py: Python<'_>) -> PyResult<()> {
    py.import("_rgunicorn.signals")?
        .call_method0("hide")
        .map(drop)
}

/// Has the worker hear the signals that it knows, and those for which the app
/// has set a handler already, in the master.
pub fn hear_all() -> io::Result<()> {
    for signal in 1..=LAST {
        if is_ours(signal) || is_the_apps(signal) {
            hear(signal)?;
        }
    }
    Ok(())
}

fn is_ours(signal: c_int) -> bool {
    OURS.iter().any(|ours| *ours as c_int == signal)
}

fn is_the_apps(signal: c_int) -> bool {
    !FAULTS.contains(&signal) && is_handled(signal)
}

/// Does what the worker does by itself when this signal comes.
#[pyfunction]
#[pyo3(signature = (signalnum, frame = None), name = "worker_signal")]
fn act(signalnum: c_int, frame: Option<Bound<'_, PyAny>>) {
    let _ = frame;
    answer(signalnum);
}

/// Python has just changed what handles a signal; `given_back`, if that is to be
/// the worker alone.
#[pyfunction]
fn keep(signalnum: c_int, given_back: bool) -> io::Result<()> {
    if given_back {
        take_back(signalnum)
    } else if is_ours(signalnum) || is_the_apps(signalnum) {
        hear(signalnum)
    } else {
        Ok(())
    }
}
