//! Private folders on the disk for what can be made again: unpacked apps, and files of
//! the executable that must be on a disk.
//!
//! Several processes share them, also of different servers, so everything in them
//! appears complete and in one step.

mod trust;

use crate::system::lock;
use std::env;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::unistd::{Gid, Uid, geteuid};

/// The folder that the user has chosen (`app_cache_dir`).
static CHOSEN: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Makes [`places`] begin with this folder, an absolute path.
pub fn choose(folder: Option<PathBuf>) {
    *lock(&CHOSEN) = folder;
}

/// The folders for things of this kind, best first: the user's choice, then the usual
/// ones.
pub fn places(kind: &str) -> Vec<PathBuf> {
    let chosen = lock(&CHOSEN);
    let chosen = chosen.iter().map(|folder| folder.join(kind));
    chosen.chain(usual_places(kind)).collect()
}

/// The usual folders for things of this kind: the user's cache (XDG Base Directory
/// Specification), then folders that survive a reboot, then those that do not.
pub fn usual_places(kind: &str) -> Vec<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let user_cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    let shared = format!("rgunicorn-{}", geteuid());
    user_cache
        .map(|cache| cache.join("rgunicorn"))
        .into_iter()
        .chain(["/var/tmp", "/dev/shm", "/tmp"].map(|tmp| Path::new(tmp).join(&shared)))
        .map(|place| place.join(kind))
        .collect()
}

/// The folder at an absolute path, without symbolic links. `None` if it does not exist
/// or cannot be used.
pub fn existing(path: &Path) -> Option<PathBuf> {
    let path = trust::follow(path).ok()?;
    trust::check_private(&path).ok()?;
    Some(path)
}

/// Makes the folder at an absolute path if it is missing. Returns its path without
/// symbolic links.
///
/// # Errors
/// It cannot be made, or others own it or may write to it or replace it: they could
/// then run code as this user.
pub fn open(path: &Path) -> io::Result<PathBuf> {
    private_folder(&trust::follow(path)?)?;
    // Another user may have made it first.
    let path = trust::follow(path)?;
    trust::check_private(&path)?;
    Ok(path)
}

/// Who can read what is kept: the user and the group that workers change to.
#[derive(Clone, Copy, Debug)]
pub struct Readers {
    pub user: Uid,
    pub group: Gid,
}

/// Makes the folder at an absolute path as [`open`] does, and lets these readers enter
/// it.
///
/// # Errors
/// As [`open`]; also if the readers cannot enter one of its parents.
pub fn open_to(path: &Path, readers: Readers) -> io::Result<PathBuf> {
    // Only the folder itself and the parents that this program made may be changed.
    let ours = |folder: &&Path| {
        let name = folder.file_name().unwrap_or_default();
        *folder == path || name.as_bytes().starts_with(b"rgunicorn")
    };
    let mut others = path.ancestors().skip_while(ours);
    if let Some(parent) = others.clone().next() {
        // An empty root has no /var/tmp.
        fs::create_dir_all(parent)?;
    }
    if let Some(closed) = others.find(|it| is_closed(it, readers)) {
        let message = format!("'{}' is closed to the workers' user", closed.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, message));
    }
    let place = open(path)?;
    for folder in place.ancestors().take_while(ours) {
        add_permission(folder, 0o011)?;
    }
    Ok(place)
}

/// Lets this group read and enter a folder of ours. If another group has this
/// permission already, it is given to everybody.
pub fn open_folder_to(folder: &Path, group: Gid) -> io::Result<()> {
    let meta = fs::metadata(folder)?;
    let shared = meta.mode() & 0o010 != 0 && meta.gid() != group.as_raw();
    if !shared {
        chown(folder, None, Some(group.as_raw()))?;
    }
    add_permission(folder, if shared { 0o055 } else { 0o050 })
}

/// Whether the readers cannot enter a folder. False if it does not exist.
fn is_closed(folder: &Path, readers: Readers) -> bool {
    fs::metadata(folder).is_ok_and(|meta| {
        let class = if meta.uid() == readers.user.as_raw() {
            0o100
        } else if meta.gid() == readers.group.as_raw() {
            0o010
        } else {
            0o001
        };
        meta.mode() & class == 0 && !readers.user.is_root()
    })
}

fn add_permission(folder: &Path, bits: u32) -> io::Result<()> {
    let mode = fs::metadata(folder)?.mode() & 0o7777;
    if mode & bits == bits {
        return Ok(());
    }
    fs::set_permissions(folder, Permissions::from_mode(mode | bits))
}

/// Makes a folder and its parents for this user alone, unless it exists.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A folder in the first of these places that can be used. Unless it exists and is
/// whole, `fill` fills it, and it appears in one step. A folder that is not whole any
/// more (some programs delete old files) is made again.
///
/// # Errors
/// No place can be used; the error of the last one.
pub fn filled(
    places: &[PathBuf],
    name: &str,
    is_whole: impl Fn(&Path) -> bool,
    fill: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let mut error = io::Error::from(ErrorKind::NotFound);
    for place in places {
        // An existing folder may be where nothing can be written.
        let known = existing(place).map(|place| place.join(name));
        if let Some(folder) = known.filter(|it| is_whole(it)) {
            return Ok(folder);
        }
        match open(place).and_then(|place| fill_in(&place, name, &is_whole, &fill)) {
            Ok(folder) => return Ok(folder),
            Err(other) => error = other,
        }
    }
    Err(error)
}

fn fill_in(
    place: &Path,
    name: &str,
    is_whole: impl Fn(&Path) -> bool,
    fill: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let lock = File::open(place)?;
    lock.lock()?;
    let folder = place.join(name);
    if is_whole(&folder) {
        return Ok(folder);
    }
    in_unfinished_folder(&place.join(format!(".{name}")), |unfinished| {
        private_folder(unfinished)?;
        fill(unfinished)?;
        remove(&folder)?;
        fs::rename(unfinished, &folder)
    })?;
    Ok(folder)
}

/// Works in a temporary folder, which is removed afterwards. Only one process at a time
/// may do so: if the folder exists, it is from a process that was killed.
pub fn in_unfinished_folder<T, E: From<io::Error>>(
    folder: &Path,
    work: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    remove(folder)?;
    let done = work(folder);
    // If this fails, the next call tries again.
    let _ = remove(folder);
    done
}

/// Removes a folder with everything in it, if it exists.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_filled_once_and_again_when_it_is_not_whole() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let places = [PathBuf::from("/proc/none"), place.path().join("a/b")];
        let is_whole = |folder: &Path| folder.join("file").is_file();
        let fill = |folder: &Path| fs::write(folder.join("file"), "text");
        let folder = filled(&places, "it", is_whole, fill).expect("a folder");
        assert_eq!(folder, place.path().join("a/b/it"));
        let never = |_: &Path| -> io::Result<()> { panic!("it is there") };
        filled(&places, "it", is_whole, never).expect("the same");
        fs::remove_file(folder.join("file")).expect("damage");
        filled(&places, "it", is_whole, fill).expect("a new one");
        assert!(is_whole(&folder));
        let names = fs::read_dir(place.path().join("a/b")).expect("the place");
        assert_eq!(names.count(), 1);
    }

    #[test]
    fn nothing_is_left_of_what_cannot_be_filled() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let places = [place.path().to_owned()];
        let fill = |folder: &Path| {
            fs::write(folder.join("file"), "text")?;
            Err(ErrorKind::StorageFull.into())
        };
        let error = filled(&places, "it", |_| false, fill).expect_err("no room");
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        let names = fs::read_dir(place.path()).expect("the place");
        assert_eq!(names.count(), 0);
    }
}
