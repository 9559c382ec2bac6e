//! The interpreter as a child.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Our own executable, called Python: so it is plain Python, whatever site is
/// packed into it. By this path there is nothing, so it is not the Python of a virtual
/// environment either, as the first `python` on the search path may be.
pub fn command() -> Command {
    let mut command = Command::new(crate::python::executable());
    command.arg0("/dev/null/python");
    command
}
