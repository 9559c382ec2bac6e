//! Where what was made goes: a file that appears whole, or standard output.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

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

/// Writes a file beside its place and moves it there, and says so; `-` is
/// standard output. What is there and no file, such as a device, is written to.
///
/// # Errors
/// One sentence that names the file; nothing of it is left then.
pub fn write(path: &Path, bytes: &[u8], what: &str) -> Result<()> {
    if is_stdout(path) {
        return print(bytes);
    }
    replace(path, bytes).with_context(|| {
        format!(
            "{} cannot be written; name a file in a folder that is there and yours to write",
            path.display()
        )
    })?;
    eprintln!("Wrote {what} to {}", path.display());
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    // A link stays one.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .prefix(".rgunicorn-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}
