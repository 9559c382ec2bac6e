//! The exit codes of the server's processes, as Gunicorn has them.

/// A worker has not come up.
pub const WORKER_BOOT_ERROR: i32 = 3;

/// A worker has found no app in the module.
pub const APP_LOAD_ERROR: i32 = 4;

/// A child could not become another program, as a shell tells it.
pub const NOT_EXECUTED: i32 = 127;

/// Something went wrong while the server ran (Gunicorn's -1).
pub const FAILED: i32 = 255;

/// Ends this process at once: what was registered for the end of the process
/// that it was forked from does not run.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: it takes no pointers and does not return.
    unsafe { nix::libc::_exit(code) }
}
