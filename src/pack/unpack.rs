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

/// An app's archive, ready for importing.
#[derive(Debug)]
pub enum Unpacked {
    /// Unpacked. The folder stays in the cache while this value lives, also in
    /// processes that were forked meanwhile.
    Folder(UnpackedSite),
    /// A folder with what a zip would have. It is used as it is.
    Ready(PathBuf),
    /// No folder can be written: the entries of `sys.path` are in the zip itself.
    InMemory {
        zip: PathBuf,
        /// Whether there are dependencies in `site-packages/`.
        site_packages: bool,
        /// Whole sentences for the log: the reason, and the disadvantages.
        reason: String,
    },
}

impl Unpacked {
    /// The first entry of `sys.path`: the folder or the zip.
    pub fn root(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Ready(folder) => folder,
            Self::InMemory { zip, .. } => zip,
        }
    }

    /// A folder for the files that start Python for this app. It is removed with the
    /// unpacked folder.
    pub fn launchers(&self) -> Option<PathBuf> {
        match self {
            Self::Folder(folder) => Some(folder.path().with_file_name("python")),
            Self::Ready(_) | Self::InMemory { .. } => None,
        }
    }

    /// Whole sentences for the log.
    pub fn notes(&self) -> &[String] {
        match self {
            Self::Folder(folder) => folder.notes(),
            Self::Ready(_) | Self::InMemory { .. } => &[],
        }
    }

    /// The `site-packages` folder inside, if there is one.
    pub fn site_dirs(&self) -> Vec<PathBuf> {
        let inside = self.root().join(SITE_PACKAGES);
        let there = match self {
            Self::Folder(_) | Self::Ready(_) => inside.is_dir(),
            Self::InMemory { site_packages, .. } => *site_packages,
        };
        if there { vec![inside] } else { Vec::new() }
    }
}

/// Checks `zip` and unpacks it, unless an earlier start has done so. Missing files are
/// put back.
///
/// The folders that are tried are `cache_dir` and then [`usual_places`]; those that
/// cannot be used are skipped. If several processes call this for the same archive, one
/// unpacks and the others wait. `readers` can read what is unpacked. `zip` may also be
/// an executable with a site in it. A folder is used as it is.
///
/// # Errors
/// One sentence that names the archive and the entry and says what to do, if the file
/// cannot be read, is not a whole zip, or holds something that a site must not hold.
/// Nothing of it is left on the disk then.
pub fn unpack(
    zip: &Path,
    cache_dir: Option<&Path>,
    readers: Option<Readers>,
) -> Result<Unpacked, Error> {
    let mut places = usual_places("apps");
    if let Some(given) = cache_dir {
        // Absolute, because modules keep their paths when the app changes its folder.
        places.insert(
            0,
            std::path::absolute(given).unwrap_or_else(|_| given.to_path_buf()),
        );
    }
    unpack_into(zip, &places, cache_dir.is_some(), readers).map_err(|problem| problem.of(zip))
}

/// `given`: the first place is the user's own choice, so the log warns if it cannot be
/// used.
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
        // Opening a pipe might block for ever.
        return Err(Problem::NotAZip("it is not a file".to_owned()));
    }
    let file = File::open(&zip).map_err(Problem::Unreadable)?;
    let origin = Origin::of(&zip, &file).map_err(Problem::Unreadable)?;

    // The usual case: this very file was unpacked before, so it is not hashed. If the
    // user chose a folder, only that one counts.
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

/// Checks that the file which was unpacked is the one that was hashed. If the stamp has
/// changed, the content may still be the same (a new link or new permissions also
/// change it); and the content of a young file may change without a new stamp. In both
/// cases the file is hashed again.
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

/// The places in order, each with its index. If the archive has native modules, places
/// from which they cannot be mapped come last: there they would cost memory.
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
