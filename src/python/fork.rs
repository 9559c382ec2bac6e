//! Forking a process that may have an interpreter in it.

use std::io;

use nix::unistd::{ForkResult, fork as system_fork};
use pyo3::ffi;
use pyo3::prelude::*;

use super::immortal::immortalise;

/// Forks. An interpreter in this process is told before and after it, as
/// `os.fork` does: it holds its locks meanwhile, and in the child it has one
/// thread and its own random seed.
///
/// The thread that has started the interpreter must call it, without the GIL,
/// which is free afterwards. Other threads do not exist in the child: the
/// master's status thread, which the caller holds meanwhile, and those that the
/// app or a config file has started.
///
/// # Errors
/// The system cannot make another process.
pub fn fork() -> io::Result<ForkResult> {
    // SAFETY: it has no precondition.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        // SAFETY: other threads of this process only wait meanwhile (see
        // above), so no lock is held in the child.
        return Ok(unsafe { system_fork()? });
    }
    // SAFETY: the interpreter runs. The calls come in the order of CPython's
    // documentation, with the GIL held.
    unsafe {
        let gil = ffi::PyGILState_Ensure();
        ffi::PyOS_BeforeFork();
        let result = system_fork();
        match result {
            Ok(ForkResult::Child) => ffi::PyOS_AfterFork_Child(),
            _ => ffi::PyOS_AfterFork_Parent(),
        }
        ffi::PyGILState_Release(gil);
        Ok(result?)
    }
}

/// Loads objects that forked processes share, and keeps the garbage collector
/// away from them. The interpreter must have been started.
///
/// The collector writes to every object that it checks, and objects that it
/// frees leave holes that a child would fill. Both would copy the page in each
/// child. So the collector does not run meanwhile, and afterwards all objects
/// are permanent (`gc.freeze`), as its documentation advises. Functions,
/// classes and modules become immortal.
pub fn load_to_share<T>(load: impl FnOnce() -> T) -> T {
    let collector = |py: Python<'_>, method: &str, threshold: (u32,)| {
        py.import("gc")?.call_method1(method, threshold).map(drop)
    };
    let told = |result: PyResult<()>| {
        if let Err(error) = result {
            ::log::warn!("The app's memory may not stay shared: {error}");
        }
    };
    let threshold = Python::attach(|py| {
        let gc = py.import("gc")?;
        let threshold: (u32, u32, u32) = gc.call_method0("get_threshold")?.extract()?;
        collector(py, "set_threshold", (0,))?;
        Ok::<_, PyErr>(threshold)
    });
    let loaded = load();
    Python::attach(|py| {
        told(threshold.and_then(|(first, ..)| {
            let gc = py.import("gc")?;
            immortalise(py)?;
            gc.call_method0("freeze")?;
            let (now, ..): (u32, u32, u32) = gc.call_method0("get_threshold")?.extract()?;
            // The app may have disabled it.
            if now == 0 {
                collector(py, "set_threshold", (first,))?;
            }
            Ok(())
        }));
    });
    loaded
}
