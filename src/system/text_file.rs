//! Files in which the system lists things.

use std::fs;
use std::io;
use std::path::Path;

/// The text of a file such as those in `/proc`. What is not UTF-8 in it becomes U+FFFD:
/// they contain names of processes and sockets, which can have any bytes.
///
/// # Errors
/// The file cannot be read.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
