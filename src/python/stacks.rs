//! The Python stacks of all threads, for a process whose threads hang.

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

/// How long to wait for the GIL. A thread that runs Python code releases it
/// every 5 ms (`sys.getswitchinterval`).
const TIMEOUT: Duration = Duration::from_secs(1);

/// The stack of every thread, asyncio task and greenlet; nothing if the
/// interpreter does not run.
///
/// If C code does not release the GIL, the stacks are read without it. Then
/// they have no source lines, and only threads are shown.
pub fn stacks() -> Option<String> {
    // SAFETY: it only reads a flag.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        return None;
    }
    let (sender, receiver) = mpsc::channel();
    let asked = thread("stacks").spawn(move || {
        let _ = sender.send(with_interpreter());
    });
    let answer = asked.ok().and_then(|_| receiver.recv_timeout(TIMEOUT).ok());
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
    /// The function that `faulthandler` calls in its watchdog thread (CPython's
    /// `Include/internal/pycore_traceback.h`).
    fn _Py_DumpTracebackThreads(
        fd: c_int,
        interpreter: *mut ffi::PyInterpreterState,
        current: *mut ffi::PyThreadState,
    ) -> *const c_char;
}

fn without_interpreter() -> Option<String> {
    let file = memfd_create("stacks", MFdFlags::MFD_CLOEXEC).ok()?;
    let mut file = File::from(file);
    // SAFETY: the function is made to read the threads without the GIL. The
    // thread with the GIL has kept it for a second, in C code, so the Python
    // frames do not change.
    let error = unsafe {
        let main = ffi::PyInterpreterState_Main();
        _Py_DumpTracebackThreads(file.as_raw_fd(), main, ptr::null_mut())
    };
    if !error.is_null() {
        // SAFETY: it is a static C string.
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
            // This thread has the GIL and does not release it.
            let dumped = stacks().unwrap();
            assert!(dumped.contains("hread 0x"), "{dumped}");
        });
        assert!(stacks().is_some());
    }
}
