//! The Python stacks of all threads, for a process whose threads are stuck.

use std::ffi::{CStr, c_char, c_int};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::memfd::{MFdFlags, memfd_create};
use pyo3::ffi;
use pyo3::prelude::*;

use super::thread;

/// How long the interpreter is waited for. A thread that runs Python code gives
/// it away every 5 ms (`sys.getswitchinterval`).
const PATIENCE: Duration = Duration::from_secs(1);

/// What every thread is doing, and every asyncio task and greenlet; nothing if
/// the interpreter does not run.
///
/// With the interpreter if it is to be had; if some C code keeps it, without:
/// then the stacks have no source lines, and only threads are told of.
pub fn stacks() -> Option<String> {
    // SAFETY: it only reads a flag.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return None;
    }
    let (sender, receiver) = mpsc::channel();
    let asked = thread("stacks").spawn(move || {
        let _ = sender.send(with_interpreter());
    });
    let answer = asked
        .ok()
        .and_then(|_| receiver.recv_timeout(PATIENCE).ok());
    answer.flatten().or_else(without_interpreter)
}

fn with_interpreter() -> Option<String> {
    let text = |py: Python<'_>| -> PyResult<String> {
        py.import("_rgunicorn.stacks")?
            .call_method0("text")?
            .extract()
    };
    Python::try_attach(|py| text(py).ok()).flatten()
}

unsafe extern "C" {
    /// What `faulthandler` calls in its own watchdog thread
    /// (CPython's `Include/internal/pycore_traceback.h`).
    fn _Py_DumpTracebackThreads(
        fd: c_int,
        interpreter: *mut ffi::PyInterpreterState,
        current: *mut ffi::PyThreadState,
    ) -> *const c_char;
}

fn without_interpreter() -> Option<String> {
    let file = memfd_create("stacks", MFdFlags::MFD_CLOEXEC).ok()?;
    let mut file = File::from(file);
    // SAFETY: it walks the threads without the GIL, as it is made for. Whoever
    // has the GIL has kept it for a second, in C code, so the Python frames
    // stand still.
    let error = unsafe {
        let main = ffi::PyInterpreterState_Main();
        _Py_DumpTracebackThreads(file.as_raw_fd(), main, ptr::null_mut())
    };
    if !error.is_null() {
        // SAFETY: it is a C string that lives as long as the program.
        return Some(
            unsafe { CStr::from_ptr(error) }
                .to_string_lossy()
                .into_owned(),
        );
    }
    let mut text = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut text))
        .ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_told_with_the_interpreter_and_without() {
        crate::python::start_once();
        Python::attach(|py| {
            let code = c"import _rgunicorn.stacks\ndef somewhere(): return _rgunicorn.stacks.text()\nsaid = somewhere()";
            let names = pyo3::types::PyDict::new(py);
            py.run(code, Some(&names), None).unwrap();
            let said: String = names.get_item("said").unwrap().unwrap().extract().unwrap();
            assert!(said.contains("in somewhere"), "{said}");
            // This thread has the interpreter and does not give it away.
            let dumped = stacks().unwrap();
            assert!(dumped.contains("hread 0x"), "{dumped}");
        });
        assert!(stacks().is_some());
    }
}
