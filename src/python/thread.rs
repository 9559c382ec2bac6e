//! Threads that run Python code.

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use pyo3::Python;
use std::thread::Builder;

/// Bytes of stack where the system names no limit.
const USUAL: u64 = 8 << 20;

/// A thread with a stack as CPython's own threads have it on Linux: of the size
/// that the process may have for its first (`ulimit -s`). Rust's would be 2 MiB,
/// which deep recursion overruns before Python notices it.
pub fn thread(name: &str) -> Builder {
    let limit = getrlimit(Resource::RLIMIT_STACK).map_or(USUAL, |(soft, _)| soft);
    let size = match limit {
        RLIM_INFINITY => USUAL,
        limit => limit.max(USUAL),
    };
    let size = usize::try_from(size).unwrap_or(USUAL as usize);
    Builder::new().name(name.to_owned()).stack_size(size)
}

/// Runs this, in this thread, with the GIL let go.
pub fn without_gil<T>(py: Python<'_>, run: impl FnOnce() -> T) -> T {
    struct Here<T>(T);
    // SAFETY: `detach` runs it in this very thread and gives the result back
    // here; the bound is there only to keep it from using `py`.
    unsafe impl<T> Send for Here<T> {}
    let run = Here(run);
    let done = py.detach(move || {
        let Here(run) = { run };
        Here(run())
    });
    done.0
}
