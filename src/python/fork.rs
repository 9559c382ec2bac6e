//! Forking a process that may have an interpreter in it.

use std::io;

use nix::unistd::{ForkResult, fork as system_fork};
use pyo3::ffi;
use pyo3::prelude::*;

use super::immortal::immortalise;

/// Forks. An interpreter that runs in this process is told before and after,
/// as `os.fork` does it: it holds its locks meanwhile, and the child's has one
/// thread and a seed of its own.
///
/// To be called by the thread that started the interpreter, without the GIL;
/// nobody holds it afterwards. Other threads, which only the app or a config
/// file can have started, do not exist in the child.
///
/// # Errors
/// The system has no room for another process.
pub fn fork() -> io::Result<ForkResult> {
    // SAFETY: asks, no more.
    if unsafe { ffi::Py_IsInitialized() } == 0 {
        // SAFETY: this process has one thread, so the child is whole.
        return Ok(unsafe { system_fork()? });
    }
    // SAFETY: the interpreter runs. The calls come in the order that CPython's
    // documentation asks for, all with the GIL held.
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

/// Loads what is to be shared with forked processes, and keeps the collector
/// away from it. The interpreter must have been started.
///
/// The collector writes to every object that it looks at, and what it frees
/// leaves holes that a child would fill: both would make a copy of the page in
/// each child. So it does not run meanwhile, and afterwards takes what is there
/// for permanent (`gc.freeze`), as its documentation advises. What the program
/// is made of is not counted any more.
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
            // The app may have had its own idea.
            if now == 0 {
                collector(py, "set_threshold", (first,))?;
            }
            Ok(())
        }));
    });
    loaded
}
