//! Where the running file is.

use std::env;
use std::ffi::{CStr, OsStr, OsString, c_char};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::{AccessFlags, access};

/// The absolute path of the running file. It is looked up once, so ask before
/// the file may be replaced or the current folder changes.
///
/// Links that somebody has called it through stay in the path, so that it leads
/// to the next version when they do (`current/rgunicorn`). But who is called
/// `python` is a link to the file.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let real = real();
        let named = called_as().and_then(behind_python);
        named.filter(|it| is_same(it, &real)).unwrap_or(real)
    })
}

/// Whether this path leads to the running file.
pub(super) fn leads_here(path: &Path) -> bool {
    is_same(path, self::path())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| fs::canonicalize(path).ok());
    one.is_some() && one == other
}

/// Follows links whose name is Python's.
fn behind_python(mut path: PathBuf) -> Option<PathBuf> {
    // As many as Linux follows in one path.
    for _ in 0..40 {
        if !is_python_name(path.as_os_str()) || !path.is_symlink() {
            return Some(path);
        }
        let next = path.parent()?.join(fs::read_link(&path).ok()?);
        path = absolute(&next).ok()?;
    }
    None
}

/// The path of the running file without links.
fn real() -> PathBuf {
    match env::current_exe() {
        Ok(path) => without_deleted_mark(path),
        // No /proc here: go by what the kernel was asked to execute.
        Err(_) => executed().unwrap_or_else(|| PathBuf::from("/rgunicorn")),
    }
}

/// Whether a name of a program is Python's: `python`, `/usr/bin/python3`.
pub(super) fn is_python_name(name: &OsStr) -> bool {
    let base = Path::new(name).file_name().unwrap_or_default();
    base.as_bytes().starts_with(b"python")
}

/// The absolute path of the name that we were called by (`argv[0]`), its
/// symbolic links kept; none when it leads nowhere.
pub fn called_as() -> Option<PathBuf> {
    let name = env::args_os().next()?;
    let found = if name.as_bytes().contains(&b'/') {
        PathBuf::from(name)
    } else {
        on_search_path(&name)?
    };
    absolute(&found).ok().filter(|path| path.exists())
}

/// An absolute path without steps up (`..`). Symbolic links behind the last of
/// these stay.
pub fn absolute(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let parts: Vec<Component<'_>> = path.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return Ok(parts.iter().collect());
    };
    let folder = fs::canonicalize(parts[..=last].iter().collect::<PathBuf>())?;
    Ok(parts[last + 1..]
        .iter()
        .fold(folder, |path, part| path.join(part)))
}

/// The path that was given to `execve`, which unlike `argv[0]` nobody makes up.
fn executed() -> Option<PathBuf> {
    // SAFETY: asks for a value of the auxiliary vector.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    if path.is_null() {
        return None;
    }
    // SAFETY: the kernel put a C string there, for as long as the process lives.
    let path = unsafe { CStr::from_ptr(path) };
    let path = OsStr::from_bytes(path.to_bytes());
    // The kernel follows links, too, where it tells the path by /proc.
    fs::canonicalize(path).ok()
}

fn on_search_path(name: &OsStr) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok())
}

/// Linux marks the path of a file that was replaced while it runs.
fn without_deleted_mark(path: PathBuf) -> PathBuf {
    const MARK: &[u8] = b" (deleted)";
    match path.as_os_str().as_bytes().strip_suffix(MARK) {
        Some(stem) if !path.exists() => OsString::from_vec(stem.to_vec()).into(),
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_up_are_taken_and_links_kept() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let real = dir.path().canonicalize().expect("it is there");
        fs::create_dir(real.join("a")).expect("a folder");
        std::os::unix::fs::symlink("a", real.join("link")).expect("a link");
        let found = absolute(&real.join("a/../link/python")).expect("a path");
        assert_eq!(found, real.join("link/python"));
        let found = absolute(&real.join("link/")).expect("a path");
        assert_eq!(found.as_os_str(), real.join("link").as_os_str());
        assert!(absolute(&real.join("none/../a")).is_err());
    }

    #[test]
    fn names_that_start_with_python_are_python() {
        for name in ["python", "/usr/bin/python3", "env/bin/python3.13"] {
            assert!(is_python_name(OsStr::new(name)));
        }
        assert!(!is_python_name(OsStr::new("/opt/python/rgunicorn")));
    }

    #[test]
    fn a_replaced_file_keeps_its_path() {
        let marked = PathBuf::from("/nowhere/rgunicorn (deleted)");
        assert_eq!(
            without_deleted_mark(marked),
            Path::new("/nowhere/rgunicorn")
        );
        let plain = PathBuf::from("/nowhere/rgunicorn");
        assert_eq!(without_deleted_mark(plain.clone()), plain);
    }
}
