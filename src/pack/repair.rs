//! Puts back files that an unpacked app has lost: deleted files (some programs delete
//! files by their age) and files that were cut.
//!
//! Servers may run from the folder at the same time. So each file is replaced in one
//! step, and a process that has the old file open keeps it. Files that the app wrote
//! stay.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use nix::unistd::syncfs;

use super::check::Archive;
use super::error::{Failure, Problem};
use super::extract;
use super::manifest::{Damage, Manifest};
use crate::cache::private_folder;

/// Repairs the app in `site`. `spare` is an empty folder on the same file system to
/// unpack into. Returns the paths of what was put back, and updates the manifest.
pub(super) fn repair(
    site: &Path,
    spare: &Path,
    manifest: &mut Manifest,
    archive: &mut Archive<'_>,
    unchanged: impl FnOnce() -> Result<(), Problem>,
) -> Result<Vec<String>, Failure> {
    private_folder(site)?;
    let damaged = manifest.damaged(site)?;
    if damaged.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashMap<&str, Damage> = damaged.iter().map(|(path, it)| (&**path, *it)).collect();
    extract::into(spare, archive, |entry| wanted.contains_key(&*entry.path))?;
    unchanged().map_err(Failure::Archive)?;
    // After a power cut no file must exist without its bytes.
    syncfs(&File::open(spare)?).map_err(io::Error::from)?;
    let mut repaired = Vec::new();
    for (path, damage) in damaged {
        let (there, whole) = (site.join(&path), spare.join(&path));
        if damage == Damage::Shorter && !is_beginning(&there, &whole)? {
            manifest.accept_size(&path, fs::metadata(&there)?.len());
            continue;
        }
        if whole.is_dir() {
            extract::make_dirs(&there)?;
        } else {
            extract::make_dirs(there.parent().unwrap_or(site))?;
            fs::rename(whole, there)?;
        }
        repaired.push(path);
    }
    extract::keep_compiled_valid(archive, site)?;
    Ok(repaired)
}

/// Whether a file is the beginning of another. Then it was cut; else the app wrote it.
fn is_beginning(short: &Path, whole: &Path) -> io::Result<bool> {
    const CHUNK: usize = 64 << 10;
    let (mut short, mut whole) = (File::open(short)?, File::open(whole)?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    loop {
        ours.clear();
        let count = short.by_ref().take(CHUNK as u64).read_to_end(&mut ours)?;
        if count == 0 {
            return Ok(true);
        }
        theirs.resize(count, 0);
        match whole.read_exact(&mut theirs) {
            Ok(()) if ours == theirs => {}
            Ok(()) => return Ok(false),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
