//! Writes the entries of a checked archive into a folder.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::check::{Archive, Entry};
use super::compiled;
use super::error::{EntryFault, Failure, Problem};
use super::interrupt;

/// Writes those entries that are `wanted` below `folder`, which exists and is empty.
///
/// Files keep their times and executable bits. Sizes and checksums must be those that
/// the archive declares.
pub(super) fn into(
    folder: &Path,
    archive: &mut Archive<'_>,
    wanted: impl Fn(&Entry) -> bool,
) -> Result<(), Failure> {
    let Archive { zip, entries } = archive;
    let mut buffer = vec![0; 128 << 10];
    for entry in entries.iter().filter(|entry| wanted(entry)) {
        let _blocked = interrupt::block();
        let path = folder.join(&entry.path);
        if entry.is_dir {
            make_dirs(&path)?;
            continue;
        }
        let mut packed = zip
            .by_index(entry.index)
            .map_err(|error| Failure::Archive(entry.damaged(&error)))?;
        let mut file = create(&path, entry.executable)?;
        copy(entry, &mut packed, &mut file, &mut buffer)?;
        if let Some(modified) = entry.modified {
            file.set_modified(modified)?;
        }
    }
    Ok(())
}

/// Keeps the compiled modules of the archive, which was extracted to `folder`, valid.
pub(super) fn keep_compiled_valid(archive: &Archive<'_>, folder: &Path) -> io::Result<()> {
    let mut files = archive.entries.iter().filter(|entry| !entry.is_dir);
    files.try_for_each(|entry| compiled::match_source_time(folder, &entry.path))
}

fn copy(
    entry: &Entry,
    packed: &mut impl Read,
    file: &mut File,
    buffer: &mut [u8],
) -> Result<(), Failure> {
    let mut left = entry.size;
    loop {
        let count = match packed.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.raw_os_error().is_some() => {
                return Err(Failure::Archive(Problem::Unreadable(error)));
            }
            Err(error) => return Err(Failure::Archive(entry.damaged(&error))),
        };
        // Stops a zip bomb before its bytes reach the disk.
        left = left
            .checked_sub(count as u64)
            .ok_or_else(|| Failure::Archive(EntryFault::Size.of(&entry.path)))?;
        file.write_all(&buffer[..count])?;
    }
    if left != 0 {
        return Err(Failure::Archive(EntryFault::Size.of(&entry.path)));
    }
    Ok(())
}

fn create(path: &Path, executable: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(if executable { 0o755 } else { 0o644 });
    match options.open(path) {
        // An archive need not have entries for folders.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_dirs(path.parent().unwrap_or(path))?;
            options.open(path)
        }
        opened => opened,
    }
}

/// Makes a folder of the app and its parents.
pub(super) fn make_dirs(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}
