//! What can be wrong with an app's archive: for each problem one sentence that says
//! what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::appended::AppendedFault;

/// Why an archive cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("Cannot use {}: {problem}.", zip.display())]
pub struct Error {
    zip: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("it cannot be read ({0}); check its path and permissions")]
    Unreadable(io::Error),
    #[error("it is not a whole zip archive ({0}); build or copy it again")]
    NotAZip(String),
    #[error(transparent)]
    Appended(#[from] AppendedFault),
    #[error("it is a program without a site in it; make one that has it by 'rgunicorn pack'")]
    Bare,
    #[error(
        "the site that was packed into it is gone, as when somebody strips the file; \
         copy it again, or pack it again"
    )]
    CutOff,
    #[error("it is being written to; copy it under another name and rename it when it is whole")]
    Changing,
    #[error(
        "it unpacks to {unpacked} bytes, which is more than {limit}; \
         leave large data out of the archive"
    )]
    TooLarge { unpacked: u64, limit: u64 },
    #[error(
        "its {packed} bytes unpack to {unpacked}, as only a zip bomb's would; \
         leave such data out of the archive"
    )]
    Bomb { packed: u64, unpacked: u64 },
    #[error(
        "it holds {count} entries, which is more than {limit}; leave out what the app does not need"
    )]
    TooManyEntries { count: usize, limit: usize },
    #[error("its entry {name:?} {fault}")]
    Entry { name: String, fault: EntryFault },
}

/// What is wrong with one entry.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryFault {
    #[error("has no name; build the zip again")]
    Nameless,
    #[error("climbs out of the archive; give it a path below the app's folder")]
    ClimbsOut,
    #[error("has an absolute path; build the zip with paths relative to the app's folder")]
    Absolute,
    #[error("has a backslash in its name; build the zip with \"/\" between folders")]
    Backslash,
    #[error("has a NUL byte in its name; rename the file and build the zip again")]
    Nul,
    #[error("has a path that is too long; rename the file and build the zip again")]
    LongName,
    #[error("has more than 16 MiB, as no such file of a package has; install the package again")]
    LongText,
    #[error("is a symbolic link; put the file itself in its place")]
    Link,
    #[error("is neither a file nor a folder; leave it out")]
    Special,
    #[error("is there twice; build the zip again with each file once")]
    Twice,
    #[error("is a file and a folder at once; rename one of them")]
    FileAndFolder,
    #[error("is encrypted; build the zip without a password")]
    Encrypted,
    #[error("is compressed with {0}; build the zip with deflate or stored entries")]
    Compression(String),
    #[error("shares its bytes with another entry; build the zip again")]
    Overlap,
    #[error("unpacks to another size than it declares; build or copy the zip again")]
    Size,
    #[error("is damaged ({0}); build or copy the zip again")]
    Damaged(String),
}

impl Problem {
    /// The problem as an error about the file at `path`.
    pub(super) fn of(self, path: &Path) -> Error {
        Error {
            zip: path.to_owned(),
            problem: self,
        }
    }
}

impl EntryFault {
    /// The fault as a problem of the archive, in the entry of this name.
    pub(super) fn of(self, name: &str) -> Problem {
        Problem::Entry {
            name: name.to_owned(),
            fault: self,
        }
    }
}

/// Why unpacking stopped. A problem of the archive is final; with a problem of a cache
/// folder the next folder is tried.
#[derive(Debug)]
pub(super) enum Failure {
    Archive(Problem),
    Place(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Place(error)
    }
}
