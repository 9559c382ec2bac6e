//! Outputs: a file that appears whole or not at all, or standard output.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::stat::{Mode, umask};
use tempfile::NamedTempFile;

use super::interrupt::Temporary;

/// The prefix of files that are not complete yet.
pub const UNFINISHED: &str = ".packing-";

/// A file that is being written.
pub struct Output {
    path: PathBuf,
    file: Temporary<NamedTempFile>,
}

impl Output {
    /// Starts writing the file at `path`. Its folder is made if it does not exist.
    ///
    /// # Errors
    /// It cannot be written there: one sentence.
    pub fn new(path: &Path) -> Result<Output> {
        let shown = path.display();
        if path.is_dir() || path.as_os_str().as_bytes().ends_with(b"/") {
            bail!("'{shown}' is a folder; name another file to write");
        }
        if is_stdout(path) || path.exists() && !path.is_file() {
            bail!("'{shown}' is no file; name a file to write");
        }
        let folder = parent(path);
        let cannot = || format!("'{shown}' cannot be written");
        fs::create_dir_all(folder).with_context(cannot)?;
        let make = || {
            tempfile::Builder::new()
                .prefix(UNFINISHED)
                .tempfile_in(folder)
        };
        let file = Temporary::new(make, NamedTempFile::path).with_context(cannot)?;
        Ok(Output {
            path: path.to_owned(),
            file,
        })
    }

    /// Writes from the start of the file.
    pub fn writer(&mut self) -> BufWriter<&mut File> {
        BufWriter::with_capacity(1 << 20, self.file.as_file_mut())
    }

    /// What is written so far.
    pub fn file(&self) -> &File {
        self.file.as_file()
    }

    /// Moves the file to its path, and replaces a file there. Returns its size in
    /// bytes.
    ///
    /// # Errors
    /// The disk is full, or the folder is gone.
    pub fn finish(self, executable: bool) -> Result<u64> {
        let cannot = || format!("'{}' cannot be written", self.path.display());
        let mode = if executable { 0o777 } else { 0o666 };
        let mode = mode & !mask();
        let file = self.file.as_file();
        file.set_permissions(Permissions::from_mode(mode))
            .with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
        let size = file.metadata().with_context(cannot)?.len();
        let path = self.path.clone();
        self.file
            .keep(|file| file.persist(&path))
            .with_context(|| format!("'{}' cannot be written", path.display()))?;
        Ok(size)
    }
}

/// The folder that a file or folder is in.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The permissions that new files do not get.
fn mask() -> u32 {
    // The mask can only be read by setting it.
    let mask = umask(Mode::empty());
    umask(mask);
    mask.bits()
}

/// Whether a file name means standard output.
pub fn is_stdout(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Writes to standard output. A reader that has gone away is not an error.
///
/// # Errors
/// It cannot be written.
pub fn print(bytes: &[u8]) -> Result<()> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("Standard output cannot be written"),
    }
}

/// Writes a file, and says so; `-` is standard output. If `path` is a device or a pipe,
/// it is written to.
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
