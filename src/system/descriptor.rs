//! File descriptors.

use nix::fcntl::OFlag;
use nix::unistd::dup3_raw;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Puts `new` in the place of `old`, under the same number: whoever holds the
/// descriptor of `old` goes on with `new`.
///
/// # Errors
/// The system has no room for it; `old` stays.
pub fn replace(old: &File, new: File) -> io::Result<()> {
    // SAFETY: the descriptor that is replaced is owned by `old`, which goes on
    // to own the new file under the same number.
    let same = unsafe { dup3_raw(new, old.as_raw_fd(), OFlag::O_CLOEXEC)? };
    std::mem::forget(same);
    Ok(())
}
