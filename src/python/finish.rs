//! The interpreter's end.

use std::sync::mpsc;
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::thread;

/// The time limit of the functions of `atexit`, in a process that does not wait
/// for its threads.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Ends the interpreter as Python does: waits for its threads, runs the
/// functions of `atexit`, flushes its streams. The thread that has started the
/// interpreter must call it, once. Does nothing without an interpreter. Python
/// objects must not be used afterwards.
pub fn finish() {
    // SAFETY: this thread has started the interpreter and has no reference into
    // it. The GIL is taken before, and there is no interpreter to release it to
    // afterwards.
    unsafe {
        if ffi::Py_IsInitialized() != 0 {
            ffi::PyGILState_Ensure();
            ffi::Py_FinalizeEx();
        }
    }
}

/// Runs the functions of `atexit` and flushes Python's streams, in a process
/// that ends while its threads still work. Gives up if C code does not release
/// the GIL, or if it takes too long.
pub fn run_exit_functions() {
    // SAFETY: it only reads a flag.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return;
    }
    let (sender, receiver) = mpsc::channel::<()>();
    let run = move || {
        let _done_when_dropped = sender;
        Python::try_attach(|py| {
            let code = c"
import atexit, sys
atexit._run_exitfuncs()
for stream in (sys.stdout, sys.stderr):
    if stream is not None:
        stream.flush()";
            // `atexit` itself prints exceptions of the functions. A closed
            // stream needs no flush.
            let _ = py.run(code, Some(&PyDict::new(py)), None);
        });
    };
    let started = thread("atexit").spawn(run);
    if started.is_ok() {
        let _ = receiver.recv_timeout(TIMEOUT);
    }
}
