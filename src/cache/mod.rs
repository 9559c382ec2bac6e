//! Private folders on the disk for what can be made anew: unpacked apps, and
//! files of the executable that something wants to find on a disk.
//!
//! Processes share them, of several servers too, so what appears in them
//! appears whole and at once.

mod trust;

use std::env;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nix::unistd::{Gid, Uid, geteuid};

/// The folder that the user has chosen (`app_cache_dir`).
static CHOSEN: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Lets [`places`] begin with this folder, an absolute path.
pub fn choose(folder: Option<PathBuf>) {
    *CHOSEN.lock().unwrap_or_else(PoisonError::into_inner) = folder;
}

/// The places for things of this kind, best first: what the user has chosen,
/// then the usual ones.
pub fn places(kind: &str) -> Vec<PathBuf> {
    let chosen = CHOSEN.lock().unwrap_or_else(PoisonError::into_inner);
    let chosen = chosen.iter().map(|folder| folder.join(kind));
    chosen.chain(usual_places(kind)).collect()
}

/// The usual places for things of this kind: the user's cache (XDG Base
/// Directory Specification), then what survives a reboot, then what does not.
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

/// The place at an absolute path, without symbolic links, if it is there
/// already and fit for use.
pub fn existing(path: &Path) -> Option<PathBuf> {
    let path = trust::follow(path).ok()?;
    trust::check_private(&path).ok()?;
    Some(path)
}

/// Makes the place at an absolute path where it is missing, and gives its path
/// without symbolic links.
///
/// # Errors
/// When it cannot be made, or belongs to or may be written or replaced by
/// others: who can do that can run code as us.
pub fn open(path: &Path) -> io::Result<PathBuf> {
    private_folder(&trust::follow(path)?)?;
    // Others may have been there first.
    let path = trust::follow(path)?;
    trust::check_private(&path)?;
    Ok(path)
}

/// Who shall read what we keep: the user and the group that workers become.
#[derive(Clone, Copy, Debug)]
pub struct Readers {
    pub user: Uid,
    pub group: Gid,
}

/// Makes the place at an absolute path, as [`open`] does, so that these readers
/// can go through it.
///
/// # Errors
/// As there; and when a folder on the way is closed to them.
pub fn open_to(path: &Path, readers: Readers) -> io::Result<PathBuf> {
    // Ours to open are the place, and the folder of this program that it is in.
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

/// Lets this group read and enter a folder of ours, and others as well where
/// another group may already.
pub fn open_folder_to(folder: &Path, group: Gid) -> io::Result<()> {
    let meta = fs::metadata(folder)?;
    let shared = meta.mode() & 0o010 != 0 && meta.gid() != group.as_raw();
    if !shared {
        chown(folder, None, Some(group.as_raw()))?;
    }
    add_permission(folder, if shared { 0o055 } else { 0o050 })
}

/// Whether they cannot go through a folder, if it is there.
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

/// Makes a folder for us alone, with those that it is in, unless it is there.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A folder in the first of these places that can be used. It is filled by
/// `fill` unless it is there and found whole, and appears at once; what is not
/// whole any more (cleaners go by the age of files) is made anew.
///
/// # Errors
/// No place can be used; this is what was wrong with the last.
pub fn filled(
    places: &[PathBuf],
    name: &str,
    is_whole: impl Fn(&Path) -> bool,
    fill: impl Fn(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let mut error = io::Error::from(ErrorKind::NotFound);
    for place in places {
        // One that is there may lie where nothing can be written.
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

/// Works in a folder that nobody looks at, and that is gone afterwards. Only one
/// process at a time may do so: what is there already is from one that was
/// killed.
pub fn in_unfinished_folder<T, E: From<io::Error>>(
    folder: &Path,
    work: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    remove(folder)?;
    let done = work(folder);
    // The next to come tries again where this fails.
    let _ = remove(folder);
    done
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Bytes as hexadecimal digits, two for each.
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
