//! The interpreter as a child process.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Our own executable, with a name that makes it plain Python even if a site is packed
/// into it. Nothing exists at this path, so it is not taken for the Python of a virtual
/// environment, as the first `python` on PATH might be.
pub fn command() -> Command {
    let mut command = Command::new(crate::python::executable());
    command.arg0("/dev/null/python");
    command
}
