//! Threads that run Python code.

use nix::sys::pthread::pthread_self;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use pyo3::Python;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// The main thread of a worker, as `threading.get_ident()` gives it.
static MAIN: AtomicU64 = AtomicU64::new(0);

/// Says that this is the main thread, for [`main_ident`].
pub fn mark_main() {
    MAIN.store(ident(), Ordering::Relaxed);
}

/// The number of the main thread; 0 before [`mark_main`].
pub fn main_ident() -> u64 {
    MAIN.load(Ordering::Relaxed)
}

/// The number of this thread, as `threading.get_ident()` gives it unless gevent has
/// replaced that.
pub fn ident() -> u64 {
    pthread_self()
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
