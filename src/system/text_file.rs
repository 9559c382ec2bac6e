//! Files in which the system lists things.

use std::fs;
use std::io;
use std::path::Path;

/// The text of a file of the system, such as one in `/proc`. It may contain names of
/// processes and sockets, and these can have any bytes. What is not UTF-8 becomes U+FFFD.
///
/// # Errors
/// The file cannot be read.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    let bytes = fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
