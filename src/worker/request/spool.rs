//! A file without a name, for bytes that memory has no room for.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The file, and how much was written to it.
#[derive(Debug)]
pub struct Spool {
    file: File,
    written: u64,
}

impl Spool {
    /// In this folder, else in the usual one.
    ///
    /// # Errors
    /// No file can be made there.
    pub fn new(folder: Option<&Path>) -> io::Result<Spool> {
        let file = match folder {
            Some(folder) => tempfile::tempfile_in(folder)?,
            None => tempfile::tempfile()?,
        };
        Ok(Spool { file, written: 0 })
    }

    /// How many bytes it holds.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Puts bytes at the end, and gives where they begin.
    ///
    /// # Errors
    /// They cannot all be written: the disk is full, say. Then none of them
    /// counts.
    pub fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.written;
        self.file.write_all_at(bytes, start)?;
        self.written += bytes.len() as u64;
        Ok(start)
    }

    /// Fills `into` with the bytes from `offset` on.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }
}

impl AsFd for Spool {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
