//! Where what was made goes: a file that appears whole, or standard output.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};

use super::super::make::output::Output;

/// Whether a file's name stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes to standard output; that nobody wants to read on is no error.
///
/// # Errors
/// It cannot be written.
pub fn print(bytes: &[u8]) -> Result<()> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("Standard output cannot be written"),
    }
}

/// Writes a file, and says so; `-` is standard output. What is there and no file, such as a device, is written to.
///
/// # Errors
/// One sentence that names the file; nothing of it is left then.
pub fn write(path: &Path, bytes: &[u8], what: &str) -> Result<()> {
    if is_stdout(path) {
        return print(bytes);
    }
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        let device = OpenOptions::new().write(true).open(path);
        return device
            .and_then(|mut device| device.write_all(bytes))
            .with_context(|| format!("'{}' cannot be written", path.display()));
    }
    let mut file = Output::new(path)?;
    file.writer().write_all(bytes)?;
    file.finish(false)?;
    eprintln!("Wrote {what} to {}", path.display());
    Ok(())
}
