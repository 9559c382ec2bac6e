//! The interpreter as a child.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Our own executable, called Python: so it is plain Python, whatever site is
/// packed into it.
pub fn command() -> Command {
    let mut command = Command::new(crate::python::executable());
    command.arg0("python");
    command
}
