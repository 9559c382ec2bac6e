//! The interpreter's end.

use std::sync::mpsc;
use std::time::Duration;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::thread;

/// How long the functions of `atexit` may take in a process that does not wait
/// for its threads.
const PATIENCE: Duration = Duration::from_secs(1);

/// Ends the interpreter as Python ends: waits for its threads, runs what
/// `atexit` has, flushes its streams. To be called once, by the thread that
/// started it; does nothing if it was not started. Python objects that are
/// still held must not be used afterwards.
pub fn finish() {
    // SAFETY: this is the thread that started the interpreter and it holds no
    // reference into it; the GIL is taken before, and there is nothing to give
    // it back to afterwards.
    unsafe {
        if ffi::Py_IsInitialized() != 0 {
            ffi::PyGILState_Ensure();
            ffi::Py_FinalizeEx();
        }
    }
}

/// Runs what `atexit` has and flushes Python's streams, in a process that is
/// about to end while its threads are still at work. Without it if some C code
/// keeps the interpreter, or if it takes too long.
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
            // What the functions raise is told by `atexit` itself; and a stream
            // that is closed needs no flush.
            let _ = py.run(code, Some(&PyDict::new(py)), None);
        });
    };
    let started = thread("atexit").spawn(run);
    if started.is_ok() {
        let _ = receiver.recv_timeout(PATIENCE);
    }
}
