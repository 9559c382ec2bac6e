//! Threads that run Python code.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use pyo3::Python;
use std::thread::Builder;

/// The size of the stack in bytes if the system has no limit.
const USUAL: u64 = 8 << 20;

/// Starts a thread with a stack like that of CPython's own threads on Linux,
/// which has the size limit of the first thread (`ulimit -s`). Rust's default
/// is 2 MiB; deep recursion would overflow it before Python notices.
pub fn thread(name: &str) -> Builder {
    let limit = getrlimit(Resource::RLIMIT_STACK).map_or(USUAL, |(soft, _)| soft);
    let size = match limit {
        RLIM_INFINITY => USUAL,
        limit => limit.max(USUAL),
    };
    let size = usize::try_from(size).unwrap_or(USUAL as usize);
    Builder::new().name(name.to_owned()).stack_size(size)
}

/// Runs `act` in this thread with the GIL released.
pub fn without_gil<T>(py: Python<'_>, run: impl FnOnce() -> T) -> T {
    struct Here<T>(T);
    // SAFETY: `detach` runs it in this thread and gives the result back here.
    // The bound `Send` is only there so that `act` does not use `py`.
    unsafe impl<T> Send for Here<T> {}
    let run = Here(run);
    let done = py.detach(move || {
        let Here(run) = { run };
        Here(run())
    });
    done.0
}
