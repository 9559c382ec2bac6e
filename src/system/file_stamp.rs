//! Whether a file is still the one that it was.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What tells one content of a file from another: its inode, its size, and when
/// it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    inode: u64,
    length: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl FileStamp {
    /// Nothing for a file that is not there.
    pub fn of(file: &Path) -> Option<FileStamp> {
        let metadata = fs::metadata(file).ok()?;
        Some(FileStamp {
            inode: metadata.ino(),
            length: metadata.len(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }
}
