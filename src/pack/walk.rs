//! The files below a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Whether symbolic links count as what they lead to, or as files.
#[derive(Clone, Copy, PartialEq)]
pub enum Links {
    Followed,
    Kept,
}

/// The paths of all files below a folder, in no order.
///
/// # Errors
/// A folder cannot be read, or a followed link leads nowhere; the error names it.
pub fn files(folder: &Path, links: Links) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = |error: io::Error| {
            let message = format!("The folder {} cannot be read: {error}", folder.display());
            io::Error::new(error.kind(), message)
        };
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            let is_folder = match links {
                Links::Followed => fs::metadata(&path)
                    .map_err(|error| named(&path, &error))?
                    .is_dir(),
                Links::Kept => entry.file_type().map_err(unreadable)?.is_dir(),
            };
            let list = if is_folder { &mut folders } else { &mut found };
            list.push(path);
        }
    }
    Ok(found)
}

/// An error with the path of the file that it is about.
pub fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
