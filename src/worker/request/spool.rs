//! A file without a name, for bytes above a limit of memory.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A temporary file and its size.
#[derive(Debug)]
pub struct Spool {
    file: File,
    written: u64,
}

impl Spool {
    /// A new file in this folder, or in the system's folder for temporary
    /// files.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(folder: Option<&Path>) -> io::Result<Spool> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Ok(Spool { file, written: 0 })
    }

    /// The bytes in the file.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Appends bytes, and gives their offset.
    ///
    /// # Errors
    /// Not all bytes can be written, for instance because the disk is full.
    /// Then none of them counts.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.written;
        self.file.write_all_at(bytes, start)?;
        self.written += bytes.len() as u64;
        Ok(start)
    }

    /// Fills `into` with the bytes at `offset`.
    ///
    /// # Errors
    /// The bytes cannot be read.
    pub fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }
}

impl AsFd for Spool {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
