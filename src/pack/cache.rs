//! The cache of unpacked apps: a private folder that concurrent starts share.
//!
//! ```text
//! <place>/                 mode 0700; locked while a process unpacks or removes
//!   <hash>/                shared lock of every process that uses it
//!     site/                the app, as it was in the zip
//!     files                the list of its files, which each start checks
//!     unpacked             written last; files with a later ctime are the app's own
//!     origin               the file that it came from
//!     python/              paths that start Python for this app
//!   .unpacking/            unfinished; the next start removes it
//! ```
//! The locks are `flock`s on the folders themselves: a killed process leaves none
//! behind, and child processes keep them.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::unistd::syncfs;

use super::check::Archive;
use super::error::{Failure, Problem};
use super::extract;
use super::manifest::Manifest;
use super::repair::repair;
use super::walk::{self, Links};
use crate::cache::{self, Readers, private_folder, remove};

const UNFINISHED: &str = ".unpacking";
const SITE: &str = "site";
const UNPACKED: &str = "unpacked";
const ORIGIN: &str = "origin";

/// An unpacked app. It is not removed from the cache while this value lives.
#[derive(Debug)]
pub struct UnpackedSite {
    path: PathBuf,
    /// What this start did to the cache, for the log.
    notes: Vec<String>,
    _in_use: File,
}

impl UnpackedSite {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whole sentences for the log.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Lets the readers read it. They can already enter the folders above it.
    pub(super) fn shared(self, readers: Option<Readers>) -> io::Result<Self> {
        if let Some(readers) = readers {
            let entry = self.path.parent().unwrap_or(&self.path);
            for folder in [entry, &self.path] {
                cache::open_folder_to(folder, readers.group)?;
            }
        }
        Ok(self)
    }

    /// `None` if there is no such folder, or another process is removing it.
    fn lock(entry: &Path) -> Option<Self> {
        let in_use = File::open(entry).ok()?;
        in_use.try_lock_shared().ok()?;
        // It may have been removed between the two lines above.
        let held = in_use.metadata().ok()?;
        let there = fs::symlink_metadata(entry).ok()?;
        let path = entry.join(SITE);
        (held.ino() == there.ino() && path.is_dir()).then_some(Self {
            path,
            notes: Vec::new(),
            _in_use: in_use,
        })
    }
}

/// Keeps the unpacked app in this folder from being removed while the value lives;
/// `None` if the folder is not one of an unpacked app.
pub fn lock_unpacked(site: &Path) -> Option<UnpackedSite> {
    if site.file_name() != Some(OsStr::new(SITE)) {
        return None;
    }
    UnpackedSite::lock(site.parent()?)
}

/// The file that an unpacked app came from.
#[derive(Debug)]
pub(super) struct Origin {
    zip: PathBuf,
    /// Device, inode, size, mtime and ctime (in nanoseconds) as text. It is the same as
    /// long as nobody touches the file.
    stamp: String,
    /// Whether the file was old enough that any later change shows in its stamp. A
    /// younger file might change within one tick of the file system's clock.
    settled: bool,
}

impl Origin {
    /// `zip` is the canonical path of `file`.
    pub(super) fn of(zip: &Path, file: &File) -> io::Result<Self> {
        const SETTLED: Duration = Duration::from_secs(1);
        let meta = file.metadata()?;
        let stamp = format!(
            "{} {} {} {}.{:09} {}.{:09}",
            meta.dev(),
            meta.ino(),
            meta.len(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        );
        let age = SystemTime::now().duration_since(changed(&meta));
        Ok(Self {
            zip: zip.to_path_buf(),
            stamp,
            settled: age.is_ok_and(|age| age > SETTLED),
        })
    }

    /// Whether an equal stamp means equal content.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        self.zip == other.zip && self.stamp == other.stamp
    }

    /// Whether the file is missing or is not the same any more.
    fn is_gone(&self) -> bool {
        File::open(&self.zip)
            .and_then(|file| Self::of(&self.zip, &file))
            .map_or(true, |now| !now.is_same_file(self))
    }

    fn read(entry: &Path) -> Option<Self> {
        let text = fs::read(entry.join(ORIGIN)).ok()?;
        // The path is last because it may hold any byte but NUL.
        let mut parts = text.splitn(3, |byte| *byte == b'\n');
        let stamp = String::from_utf8(parts.next()?.to_vec()).ok()?;
        let settled = parts.next()? == b"settled";
        let zip = PathBuf::from(OsString::from_vec(parts.next()?.to_vec()));
        Some(Self {
            zip,
            stamp,
            settled,
        })
    }

    fn write(&self, entry: &Path) -> io::Result<()> {
        let settled: &[u8] = if self.settled { b"settled" } else { b"young" };
        let parts = [
            self.stamp.as_bytes(),
            settled,
            self.zip.as_os_str().as_bytes(),
        ];
        let new = entry.join(".origin");
        fs::write(&new, parts.join(&b'\n'))?;
        fs::rename(new, entry.join(ORIGIN))
    }
}

/// The archive that a relative path means if nothing is at that path. The app runs in
/// the folder that its archive was unpacked to. A child process of the app that gets
/// the server's own arguments looks for a relative path there, and not in the folder
/// where the server was started.
pub(super) fn origin_of_relative_path(path: &Path) -> Option<PathBuf> {
    let sites = path
        .ancestors()
        .filter(|it| it.file_name() == Some(SITE.as_ref()));
    let (site, origin) = sites
        .filter_map(|site| Some((site, Origin::read(site.parent()?)?)))
        .next()?;
    // The child's current folder is one of the site's folders.
    let folders = path.ancestors().skip(1);
    let mut folders = folders
        .take_while(|folder| folder.starts_with(site))
        .filter(|folder| folder.is_dir());
    let is_it = |folder: &Path| {
        let words = path.strip_prefix(folder).ok()?.components();
        let words = words.skip_while(|it| *it == Component::ParentDir);
        Some(origin.zip.ends_with(words.collect::<PathBuf>()))
    };
    folders
        .any(|folder| is_it(folder) == Some(true))
        .then_some(origin.zip)
}

fn changed(meta: &fs::Metadata) -> SystemTime {
    let seconds = Duration::from_secs(meta.ctime().try_into().unwrap_or(0));
    let nanos = Duration::from_nanos(meta.ctime_nsec().try_into().unwrap_or(0));
    SystemTime::UNIX_EPOCH + seconds + nanos
}

/// A cache folder that only this user can write.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
}

impl Place {
    /// The folder, if it exists and can be used.
    pub(super) fn existing(path: &Path) -> Option<Self> {
        let path = cache::existing(path)?;
        Some(Self { path })
    }

    /// Makes the folder if it is missing. The path is absolute. Readers can go through
    /// it.
    ///
    /// # Errors
    /// It cannot be made, or others own it or may write to it or replace it: they could
    /// then run code as this user.
    pub(super) fn open(path: &Path, readers: Option<Readers>) -> io::Result<Self> {
        let path = match readers {
            Some(readers) => cache::open_to(path, readers)?,
            None => cache::open(path)?,
        };
        Ok(Self { path })
    }

    /// The app that was unpacked from exactly this file; the file is not read. `None`
    /// if some of it is missing.
    pub(super) fn find(&self, origin: &Origin) -> Option<UnpackedSite> {
        let recorded = |entry: &PathBuf| {
            Origin::read(entry).is_some_and(|old| old.is_settled() && old.is_same_file(origin))
        };
        let entry = self.entries().find(recorded)?;
        let folder = UnpackedSite::lock(&entry)?;
        let is_whole = Manifest::read(&entry)?.is_whole(&folder.path);
        is_whole.then_some(folder)
    }

    /// The folder of the app with this content hash. The archive is unpacked into it if
    /// no process has done so yet; missing files are put back.
    ///
    /// `unchanged` checks that the archive is still what was hashed.
    pub(super) fn obtain(
        &self,
        hash: &str,
        origin: &Origin,
        archive: &mut Archive<'_>,
        unchanged: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<UnpackedSite, Failure> {
        let lock = File::open(&self.path)?;
        lock.lock()?;
        let entry = self.path.join(hash);
        let repaired = if entry.is_dir() {
            self.repair(&entry, archive, unchanged)?
        } else {
            self.fill(&entry, archive, unchanged)?;
            None
        };
        let mut folder = UnpackedSite::lock(&entry)
            .ok_or_else(|| io::Error::other(format!("{} cannot be locked", entry.display())))?;
        origin.write(&entry)?;
        folder.notes.extend(repaired);
        folder.notes.extend(self.prune());
        Ok(folder)
    }

    /// `entry` appears complete or not at all.
    fn fill(
        &self,
        entry: &Path,
        archive: &mut Archive<'_>,
        unchanged: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<(), Failure> {
        self.in_unfinished_folder(|unfinished| {
            let site = unfinished.join(SITE);
            private_folder(&site)?;
            extract::into(&site, archive, |_| true)?;
            extract::keep_compiled_valid(archive, &site)?;
            unchanged().map_err(Failure::Archive)?;
            Manifest::of(&archive.entries).write(unfinished)?;
            let unpacked = File::create(unfinished.join(UNPACKED))?;
            // After a power cut the folder must not exist with empty files in it.
            syncfs(&unpacked).map_err(io::Error::from)?;
            Ok(fs::rename(unfinished, entry)?)
        })
    }

    /// Puts back what is missing or was cut. Returns a sentence about it.
    fn repair(
        &self,
        entry: &Path,
        archive: &mut Archive<'_>,
        unchanged: impl FnOnce() -> Result<(), Problem>,
    ) -> Result<Option<String>, Failure> {
        let site = entry.join(SITE);
        let known = Manifest::read(entry);
        let is_known = known.is_some();
        let mut manifest = known.unwrap_or_else(|| Manifest::of(&archive.entries));
        if manifest.is_whole(&site) {
            if !is_known {
                manifest.write(entry)?;
            }
            return Ok(None);
        }
        let is_ours = matches!(written_since(entry), Ok(None));
        let repaired = self.in_unfinished_folder(|unfinished| {
            private_folder(unfinished)?;
            repair(&site, unfinished, &mut manifest, archive, unchanged)
        })?;
        manifest.write(entry)?;
        if is_ours {
            // The app did not write what was put back.
            File::create(entry.join(UNPACKED))?.set_modified(SystemTime::now())?;
        }
        Ok(repaired.first().map(|first| {
            let more = match repaired.len() {
                1 => String::new(),
                count => format!(" and {} more", count - 1),
            };
            format!(
                "Put back what was missing or cut in {}: {}{more}",
                site.display(),
                first.escape_debug()
            )
        }))
    }

    /// Works in a temporary folder, which is removed afterwards. The cache folder is
    /// locked.
    fn in_unfinished_folder<T>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        cache::in_unfinished_folder(&self.path.join(UNFINISHED), work)
    }

    /// Removes apps whose archives were replaced or deleted, except those that are in
    /// use and those that the app wrote own files into. Returns sentences about what
    /// had to stay.
    fn prune(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for entry in self.entries() {
            if !Origin::read(&entry).is_some_and(|origin| origin.is_gone()) {
                continue;
            }
            let Ok(lock) = File::open(&entry) else {
                continue;
            };
            if lock.try_lock().is_err() {
                continue;
            }
            notes.extend(match written_since(&entry) {
                Ok(None) => self
                    .remove(&entry)
                    .err()
                    .map(|error| format!("Cannot remove {} ({error})", entry.display())),
                Ok(Some(file)) => Some(format!(
                    "Kept {}: the app wrote {} there; move its data out of the app's own folder",
                    entry.display(),
                    file.display()
                )),
                Err(error) => Some(format!("Cannot look into {} ({error})", entry.display())),
            });
        }
        notes
    }

    /// Removes an entry after it was renamed. If the process is killed halfway, the
    /// rest must not look like an app that has written files.
    fn remove(&self, entry: &Path) -> io::Result<()> {
        let name = self.path.join(UNFINISHED);
        remove(&name)?;
        fs::rename(entry, &name)?;
        remove(&name)
    }

    fn entries(&self) -> impl Iterator<Item = PathBuf> {
        fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| !entry.file_name().as_bytes().starts_with(b"."))
            .map(|entry| entry.path())
    }
}

/// A file below `entry` that was made or changed after unpacking, except compiled
/// modules. If the time of unpacking is not known, any file counts.
fn written_since(entry: &Path) -> io::Result<Option<PathBuf>> {
    let unpacked = match fs::metadata(entry.join(UNPACKED)) {
        Ok(meta) => changed(&meta),
        Err(error) if error.kind() == io::ErrorKind::NotFound => SystemTime::UNIX_EPOCH,
        Err(error) => return Err(error),
    };
    let site = entry.join(SITE);
    if !site.is_dir() {
        return Ok(None);
    }
    let is_compiled = |file: &Path| file.components().any(|it| it.as_os_str() == "__pycache__");
    let inside = |file: &Path| file.strip_prefix(&site).is_ok_and(|it| !is_compiled(it));
    for file in walk::files(&site, Links::Kept)? {
        if inside(&file) && changed(&fs::symlink_metadata(&file)?) > unpacked {
            return Ok(Some(file));
        }
    }
    Ok(None)
}
