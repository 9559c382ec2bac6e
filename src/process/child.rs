//! The children of this process that have ended.

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

/// What a shell adds to the number of a signal that has ended a program.
const SIGNALLED: c_int = 128;

/// Takes the next child that has ended, with its status; nothing when there is
/// none. A child that a real-time signal has ended has the exit code that a shell
/// would give, because such signals have no name.
pub fn reap() -> Option<(Pid, WaitStatus)> {
    let mut status = 0;
    loop {
        // SAFETY: it writes to a live local.
        let waited = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
        let pid = match Errno::result(waited) {
            Err(Errno::EINTR) => continue,
            Err(_) | Ok(0) => return None,
            Ok(pid) => Pid::from_raw(pid),
        };
        let named = WaitStatus::from_raw(pid, status);
        let by_number = WaitStatus::Exited(pid, SIGNALLED + libc::WTERMSIG(status));
        return Some((pid, named.unwrap_or(by_number)));
    }
}
