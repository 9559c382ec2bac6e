//! The interpreter's end.

use pyo3::ffi;

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
