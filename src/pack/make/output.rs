//! Files that appear whole, or not at all.

use std::fs::{self, File, Permissions};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

/// What the names of files begin with that are not whole yet.
pub const UNFINISHED: &str = ".packing-";

/// A file that is being made.
pub struct Output {
    path: PathBuf,
    file: NamedTempFile,
}

impl Output {
    /// Begins to make the file at `path`, in its folder, which is made if need be.
    ///
    /// # Errors
    /// There it cannot be written: one sentence.
    pub fn new(path: &Path) -> Result<Output> {
        let shown = path.display();
        if path.is_dir() {
            bail!("'{shown}' is a folder; name another file to write");
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let cannot = || format!("'{shown}' cannot be written");
        fs::create_dir_all(folder).with_context(cannot)?;
        let file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempfile_in(folder)
            .with_context(cannot)?;
        Ok(Output {
            path: path.to_owned(),
            file,
        })
    }

    /// Where to write it, from its start.
    pub fn writer(&mut self) -> BufWriter<&mut File> {
        BufWriter::with_capacity(1 << 20, self.file.as_file_mut())
    }

    /// Puts it in its place, instead of a file that was there. Gives its size in
    /// bytes.
    ///
    /// # Errors
    /// The disk is full, or its folder has gone.
    pub fn finish(self, executable: bool) -> Result<u64> {
        let cannot = || format!("'{}' cannot be written", self.path.display());
        let mode = if executable { 0o755 } else { 0o644 };
        let file = self.file.as_file();
        file.set_permissions(Permissions::from_mode(mode))
            .with_context(cannot)?;
        file.sync_all().with_context(cannot)?;
        let size = file.metadata().with_context(cannot)?.len();
        let path = self.path.clone();
        self.file
            .persist(&path)
            .with_context(|| format!("'{}' cannot be written", path.display()))?;
        Ok(size)
    }
}
