//! Puts back what an unpacked app has lost: files that were deleted, such as
//! by a cleaner that goes by their age, or cut.
//!
//! Servers may run from the folder meanwhile, so every file appears whole and
//! at once, and whoever has the old one open keeps it. What the app has written
//! is left alone.

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

/// Mends the app in `site`, with `spare`, an empty folder of the same file
/// system, to unpack into. Gives the paths of what was put back, and updates
/// the manifest.
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
    // As when all is unpacked: not to be found with its bytes missing after a
    // power cut.
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

/// Whether a file is the beginning of another: then it was cut, and else the
/// app has written it.
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
