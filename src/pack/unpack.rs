//! From a zip to a folder: the archive of an app is checked, then unpacked once, by
//! content hash, into a private cache folder that workers and restarts share.
//!
//! Real sites open templates, translations and data as files, so an unpacked folder
//! is what makes a zip work like a folder. Where nothing can be written, the app is
//! imported from the archive itself ([`Unpacked::InMemory`]).

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::cache::{self, Origin, Place, UnpackedSite};
use super::check::Archive;
use super::error::{Error, Failure, Problem};
use super::hash::HashingWriter;
use super::locate::archive_start;
use super::tree::SITE_PACKAGES;
use crate::cache::{Readers, usual_places};

/// An app's archive, ready to be imported from.
#[derive(Debug)]
pub enum Unpacked {
    /// Unpacked; the folder stays in the cache for as long as this value (or a
    /// process forked while it lived) does.
    Folder(UnpackedSite),
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
    unpack_into(zip, &places, cache_dir.is_some(), readers).map_err(|problem| problem.of(zip))
}

/// `given`: the first place is the user's own choice, and passing over it is
/// worth a warning.
pub(super) fn unpack_into(
    zip: &Path,
    places: &[PathBuf],
    given: bool,
    readers: Option<Readers>,
) -> Result<Unpacked, Problem> {
    let zip = zip.canonicalize().or_else(|error| {
        let repeated = cache::origin_of_relative_path(zip);
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

    let start = archive_start(&zip, &file)?;
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
pub(super) fn check_unchanged(
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

/// SHA-256 of the file from `start` on, as 32 hexadecimal digits. Half of the hash is
/// enough for a name among a few folders that only this user writes.
pub(super) fn content_hash(mut file: &File, start: u64) -> io::Result<String> {
    let mut hashing = HashingWriter::new(io::sink());
    file.seek(SeekFrom::Start(start))?;
    io::copy(&mut file, &mut hashing)?;
    let (_, mut hash) = hashing.finish();
    hash.truncate(32);
    Ok(hash)
}
