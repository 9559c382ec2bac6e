//! Leaving the terminal.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use nix::sys::stat::{Mode, umask};
use nix::unistd::{ForkResult, dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::python;

/// Goes on in the background: in a session of its own, which can have no
/// terminal, with a file mask of 022 and, unless `keep_streams`, with nothing
/// to read or to print to. The process that was started ends with code 0.
///
/// # Errors
/// The system has no room for another process.
pub fn daemonize(keep_streams: bool) -> io::Result<()> {
    leave_parent()?;
    setsid()?;
    // Only the leader of a session can get a terminal; its child cannot.
    leave_parent()?;
    umask(Mode::from_bits_truncate(0o022));
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    let leave = |is_terminal: bool| !keep_streams || is_terminal;
    if leave(true) {
        dup2_stdin(null.as_fd())?;
    }
    if leave(io::stdout().is_terminal()) {
        dup2_stdout(null.as_fd())?;
    }
    if leave(io::stderr().is_terminal()) {
        dup2_stderr(null.as_fd())?;
    }
    Ok(())
}

fn leave_parent() -> io::Result<()> {
    match python::fork()? {
        ForkResult::Child => Ok(()),
        // What is registered for the end is the child's.
        // SAFETY: it takes no pointers and does not return.
        ForkResult::Parent { .. } => unsafe { nix::libc::_exit(0) },
    }
}
