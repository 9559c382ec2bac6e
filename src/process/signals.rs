//! What signals do to this process, in all commands.
//!
//! **A write beyond the limit for files** (`ulimit -f`) is an error like that of
//! a full disk, and does not end the process.
//!
//! **Handlers run on the stack of their thread.** Rust's runtime gives each of
//! its threads a second stack, for the handler that reports a stack overflow.
//! It is hardly larger than what the kernel writes for one signal, and the
//! handlers of Python and of Go ask for it, too (`SA_ONSTACK`). Signals that come
//! together nest there and overrun it, which is a segmentation fault. So there must
//! be no such stack.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{mem, ptr};

use nix::libc;
use nix::sys::signal::{SigSet, Signal};

const FAULTS: [libc::c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];

/// Run by the C library before `main`, and so before Rust's runtime is set up.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = take_faults;

/// Rust's runtime makes no second stacks, now or for later threads, if faults are
/// handled by others.
extern "C" fn take_faults() {
    for fault in FAULTS {
        // SAFETY: no code of ours is set to run. A fault in the meantime still
        // ends the process: the kernel lets nobody ignore it.
        unsafe { libc::signal(fault, libc::SIG_IGN) };
    }
}

/// Must be called first in `main`: Rust's runtime is set up by then.
pub fn prepare_signals() {
    // SAFETY: neither action runs code of ours.
    unsafe {
        for fault in FAULTS {
            libc::signal(fault, libc::SIG_DFL);
        }
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Whether this process ignores a signal.
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: it only tells, into a structure for which all zeros are valid.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        libc::sigaction(signal as libc::c_int, ptr::null(), &mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

/// Blocks no signals in a child, whichever this process blocks.
pub fn unblock_in(command: &mut Command) {
    // SAFETY: all that runs in the forked process is `pthread_sigmask`, which may
    // (signal-safety(7)).
    unsafe { command.pre_exec(|| Ok(SigSet::empty().thread_set_mask()?)) };
}
