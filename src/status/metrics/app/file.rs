//! Reads a file of `prometheus_client`, while a worker may write it.
//!
//! The file is mapped into the worker's memory. It begins with the number of bytes in
//! use (an `int`, then four bytes of padding). Each entry is the length of its key (an
//! `int`), the key (JSON), spaces up to a multiple of eight bytes, the value and a
//! time stamp (a `double` each), all in the byte order of the machine. A new entry is
//! written first, and counted in the number of bytes after that.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use thiserror::Error;

/// Larger files are not read: a metric of the app has a label with endless values then,
/// and reading them would keep the server from answering probes.
const LARGEST: u64 = 64 << 20;

/// The bytes before the first entry.
const START: usize = 8;

/// One entry of a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry<'a> {
    /// JSON: the metric's name, the sample's name, the labels, the help.
    pub key: &'a [u8],
    pub value: f64,
    /// When the value was set, in seconds since 1970; 0 if the metric does not say so.
    pub timestamp: f64,
}

/// Why a file is not read.
#[derive(Debug, Error)]
pub enum Fault {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is not a regular file")]
    NoFile,
    #[error("it is larger than 64 MiB")]
    TooLarge,
    #[error("it is cut off or damaged at byte {0}")]
    Damaged(usize),
}

/// Reads the bytes in use.
///
/// # Errors
/// See [`Fault`].
pub fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    // A worker could have put a pipe there, which must not be waited for, or a link.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Fault::NoFile);
    }
    if about.len() == 0 {
        // It was opened, and has not got its length yet.
        return Ok(Vec::new());
    }
    let used = used(&file)?;
    if used as u64 > about.len() {
        return Err(Fault::Damaged(0));
    }
    if used as u64 > LARGEST {
        return Err(Fault::TooLarge);
    }
    // Entries that come meanwhile are beyond these bytes.
    let mut bytes = vec![0; used];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The entries in the bytes of a file.
///
/// # Errors
/// The bytes are damaged.
pub fn entries(bytes: &[u8]) -> Result<Vec<Entry<'_>>, Fault> {
    let mut entries = Vec::new();
    let mut at = START;
    while at < bytes.len() {
        let (entry, next) = entry(bytes, at).ok_or(Fault::Damaged(at))?;
        entries.push(entry);
        at = next;
    }
    Ok(entries)
}

/// The number of bytes in use. It is 0 in a file that has just been made.
fn used(file: &File) -> Result<usize, Fault> {
    let mut bytes = [0; 4];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|_| Fault::Damaged(0))?;
    usize::try_from(i32::from_ne_bytes(bytes)).map_err(|_| Fault::Damaged(0))
}

/// The entry at this byte, and where the next one begins.
fn entry(bytes: &[u8], at: usize) -> Option<(Entry<'_>, usize)> {
    let length = i32::from_ne_bytes(take(bytes, at)?);
    let start = at + 4;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    let key = bytes.get(start..end)?;
    // The key has at least one space after it.
    let values = end + 8 - end % 8;
    let entry = Entry {
        key,
        value: f64::from_ne_bytes(take(bytes, values)?),
        timestamp: f64::from_ne_bytes(take(bytes, values + 8)?),
    };
    Some((entry, values + 16))
}

fn take<const LENGTH: usize>(bytes: &[u8], at: usize) -> Option<[u8; LENGTH]> {
    let part = bytes.get(at..at.checked_add(LENGTH)?)?;
    part.try_into().ok()
}
