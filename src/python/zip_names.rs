//! The names in a zip, as the person who made it knows them.
//!
//! A flag says that a name is UTF-8; without it, a name is in the code page of
//! the first PCs (APPNOTE, appendix D). The `zip` of Unix systems leaves the flag
//! out where the locale is not UTF-8, and so does the archiver of macOS, and
//! both write the bytes that the file system has.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::read::ZipFile;
use zip::{HasZipMetadata, System, ZipArchive};

/// An entry's name. A name that was written on Unix and is valid UTF-8 is
/// UTF-8, with the flag or without. (The zip library finds entries by their
/// bytes, so also by such names.)
pub fn name<'a, R: Read>(entry: &'a ZipFile<'_, R>) -> &'a str {
    let unix = matches!(entry.get_metadata().system, System::Unix | System::OsDarwin);
    match str::from_utf8(entry.name_raw()) {
        Ok(name) if unix => name,
        _ => entry.name(),
    }
}

/// The names of all entries of a zip, in the order of its directory; nothing if
/// they are ASCII, or if the zip cannot be read.
pub fn of_file(zip: &Path) -> Option<Vec<String>> {
    let file = BufReader::new(File::open(zip).ok()?);
    let mut archive = ZipArchive::new(file).ok()?;
    if archive.file_names().all(str::is_ascii) {
        return None;
    }
    (0..archive.len())
        .map(|index| Some(name(&archive.by_index_raw(index).ok()?).to_owned()))
        .collect()
}
