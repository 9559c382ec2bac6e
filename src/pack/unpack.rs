//! From a zip to a folder: an app's archive is checked, then unpacked once, by
//! content hash, into a private cache folder that workers and restarts share.
//!
//! Real sites look for templates, translations and data as files, so a folder
//! is what makes a zip behave like one. Where nothing can be written the app
//! is imported from the archive itself ([`Unpacked::InMemory`]).

mod appended;
mod cache;
mod check;
mod compiled;
mod error;
mod extract;
mod give_back;
mod label;
mod manifest;
mod mend;
mod output;
mod text;
mod tree;

pub mod inspect;
mod interrupt;
pub mod make;

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};
use sha2::{Digest, Sha256};

pub use cache::{Folder, hold};
use cache::{Origin, Place};
use check::Archive;
pub use error::Error;
use error::{Failure, Problem};
pub use give_back::give_back;
pub use label::Label;

use crate::cache::{Readers, usual_places};
use crate::carried::packed;
use crate::python;

/// Where in an app's archive (or folder) its dependencies may live.
const SITE_PACKAGES: &str = "site-packages";

/// An app's archive, ready to be imported from.
#[derive(Debug)]
pub enum Unpacked {
    /// Unpacked; the folder stays in the cache for as long as this value (or a
    /// process forked while it lived) does.
    Folder(Folder),
    /// It is a folder, with what a zip would have, and is used as it is.
    Ready(PathBuf),
    /// No place could be written: `sys.path` entries are the zip itself.
    InMemory {
        zip: PathBuf,
        /// Whether dependencies lie under `site-packages/`.
        site_packages: bool,
        /// Whole sentences for the log: why, and what that costs.
        reason: String,
    },
}

impl Unpacked {
    /// What goes first on `sys.path`: the folder, or the zip.
    pub fn root(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Ready(folder) => folder,
            Self::InMemory { zip, .. } => zip,
        }
    }

    /// Where what starts Python for this app may be kept; it goes when the
    /// unpacked folder goes.
    pub fn launchers(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.path().with_file_name("python")),
            Self::Ready(_) | Self::InMemory { .. } => None,
        }
    }

    /// What the log should know: whole sentences.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Folder(folder) => folder.notes(),
            Self::Ready(_) | Self::InMemory { .. } => &[],
        }
    }

    /// The `site-packages` inside, if there is one.
    pub fn site_dirs(&self) -> Vec<PathBuf> {
        let inside = self.root().join(SITE_PACKAGES);
        let there = match self {
            Self::Folder(_) | Self::Ready(_) => inside.is_dir(),
            Self::InMemory { site_packages, .. } => *site_packages,
        };
        if there { vec![inside] } else { Vec::new() }
    }
}

/// Checks that a pack which was just written, and is to be called so, can be served.
///
/// # Errors
/// One sentence that names the entry and the mend.
pub fn check_whole(path: &Path, file: &File) -> Result<(), Error> {
    let opened = start(path, file).and_then(|start| Archive::open(file, start));
    opened.map(drop).map_err(|problem| Error {
        zip: path.to_owned(),
        problem,
    })
}

/// The running executable, if a site was packed into it.
pub fn own_site() -> Option<&'static Path> {
    packed::is_packed().then(python::executable)
}

/// Checks `zip` and unpacks it, unless an earlier start already has; what that
/// has unpacked and is missing by now is put back.
///
/// The places tried are `cache_dir`, then those of [`usual_places`]; a
/// place that cannot be used is passed over. Several processes may call this
/// for the same archive at once: one unpacks, the others wait for it. `readers`
/// can read what is unpacked. An executable with a site in it is a zip, too. A
/// folder needs no unpacking.
///
/// # Errors
/// One sentence that names the archive, the entry and the mend, when the file
/// cannot be read, is not a whole zip, or holds something that a site's archive
/// has no business to hold. Nothing of it is left on the disk then.
pub fn unpack(
    zip: &Path,
    cache_dir: Option<&Path>,
    readers: Option<Readers>,
) -> Result<Unpacked, Error> {
    let mut places = usual_places("apps");
    if let Some(given) = cache_dir {
        // Absolute, because modules keep their paths when the app changes
        // folders.
        places.insert(
            0,
            std::path::absolute(given).unwrap_or_else(|_| given.to_path_buf()),
        );
    }
    unpack_into(zip, &places, cache_dir.is_some(), readers).map_err(|problem| Error {
        zip: zip.to_path_buf(),
        problem,
    })
}

/// `given`: the first place is the user's own choice, and passing over it is
/// worth a warning.
fn unpack_into(
    zip: &Path,
    places: &[PathBuf],
    given: bool,
    readers: Option<Readers>,
) -> Result<Unpacked, Problem> {
    let zip = zip.canonicalize().or_else(|error| {
        let repeated = cache::repeated_by_a_child(zip);
        repeated.map_or(Err(error), |zip| zip.canonicalize())
    });
    let zip = zip.map_err(Problem::Unreadable)?;
    let meta = zip.metadata().map_err(Problem::Unreadable)?;
    if meta.is_dir() {
        return Ok(Unpacked::Ready(zip));
    }
    if !meta.is_file() {
        // Opening a pipe might wait for ever.
        return Err(Problem::NotAZip("it is not a file".to_owned()));
    }
    let file = File::open(&zip).map_err(Problem::Unreadable)?;
    let origin = Origin::of(&zip, &file).map_err(Problem::Unreadable)?;

    // The usual start: this very file was unpacked before. No hashing then.
    // Where the user chose the place, what lies elsewhere does not count.
    let known = if given { &places[..1] } else { places };
    for path in known {
        let place = Place::existing(path).and_then(|place| match readers {
            Some(_) => Place::open(path, readers).ok(),
            None => Some(place),
        });
        let folder = place.and_then(|place| place.find(&origin));
        if let Some(folder) = folder.and_then(|it| it.shared(readers).ok()) {
            return Ok(Unpacked::Folder(folder));
        }
    }

    let start = start(&zip, &file)?;
    let mut archive = Archive::open(&file, start)?;
    let hash = content_hash(&file, start).map_err(Problem::Unreadable)?;
    let mut passed_over = Vec::new();
    for (nth, path) in best_first(places, archive.has_native_code()) {
        let place = Place::open(path, readers).map_err(Failure::Place);
        let folder = place.and_then(|place| {
            place.obtain(&hash, &origin, &mut archive, || {
                check_unchanged(&zip, &file, start, &origin, &hash)
            })
        });
        match folder.and_then(|it| it.shared(readers).map_err(Failure::Place)) {
            Ok(folder) => return Ok(Unpacked::Folder(folder)),
            Err(Failure::Archive(problem)) => return Err(problem),
            Err(Failure::Place(error)) => {
                if given && nth == 0 {
                    ::log::warn!(
                        "Cannot unpack into {} ({error}); trying elsewhere",
                        path.display()
                    );
                }
                passed_over.push(format!("{} ({error})", path.display()));
            }
        }
    }
    Ok(Unpacked::InMemory {
        site_packages: archive.has_folder(SITE_PACKAGES),
        reason: in_memory_reason(&zip, &passed_over, &archive),
        zip,
    })
}

/// What was hashed must be what was unpacked. A new stamp alone says nothing of
/// the content, because a link or a change of permissions makes one too; and a
/// young file may have changed within a tick, without one. Then it is read again.
fn check_unchanged(
    zip: &Path,
    file: &File,
    start: u64,
    before: &Origin,
    hash: &str,
) -> Result<(), Problem> {
    let now = Origin::of(zip, file).map_err(Problem::Unreadable)?;
    if before.is_settled() && now.is_same_file(before) {
        return Ok(());
    }
    if content_hash(file, start).map_err(Problem::Unreadable)? == hash {
        return Ok(());
    }
    Err(Problem::Changing)
}

/// The places in order, each with its number; when the archive holds native
/// modules, those that they cannot be mapped from, but cost memory, come last.
fn best_first(places: &[PathBuf], native: bool) -> Vec<(usize, &Path)> {
    let mut order: Vec<_> = places.iter().map(PathBuf::as_path).enumerate().collect();
    if native {
        order.sort_by_key(|(_, path)| is_noexec(path));
    }
    order
}

fn is_noexec(path: &Path) -> bool {
    path.ancestors()
        .find_map(|existing| statvfs(existing).ok())
        .is_some_and(|fs| fs.flags().contains(FsFlags::ST_NOEXEC))
}

fn in_memory_reason(zip: &Path, passed_over: &[String], archive: &Archive<'_>) -> String {
    let native = match archive.has_native_code() {
        true => ", its native modules (.so) are held in memory by each worker",
        false => "",
    };
    let compiled = match archive.is_packed() {
        true => "",
        false => ", and every worker compiles the modules anew",
    };
    format!(
        "Importing from {} in memory, because no place to unpack it can be written: {}. \
         Files beside its modules cannot be opened by their path{native}{compiled}; set \
         app_cache_dir to a writable folder to mend this.",
        zip.display(),
        passed_over.join(", "),
    )
}

/// Where the archive begins in the file: behind the program, if it is one.
fn start(path: &Path, file: &File) -> Result<u64, Problem> {
    let mut reader = file;
    let is_program = appended::end_of_program(&mut reader)?.is_some();
    match appended::locate(&mut reader)? {
        Some(start) => Ok(start),
        None if !is_program => Ok(0),
        None if own_site().is_some_and(|own| own.canonicalize().is_ok_and(|own| own == path)) => {
            Err(Problem::CutOff)
        }
        None => Err(Problem::Bare),
    }
}

/// SHA-256 of the file from `start` on, as 32 hexadecimal digits: half of it is plenty
/// for a name among a handful of folders that only we write.
fn content_hash(mut file: &File, start: u64) -> io::Result<String> {
    let mut hasher = Sha256::new();
    file.seek(SeekFrom::Start(start))?;
    io::copy(&mut file, &mut HashWriter(&mut hasher))?;
    Ok(text::hexadecimal(&hasher.finalize()[..16]))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
