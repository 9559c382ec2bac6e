//! The path of the running file.

use std::env;
use std::ffi::{CStr, OsStr, OsString, c_char};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use nix::unistd::{AccessFlags, access};

/// The absolute path of the running file. It is determined in the first call,
/// which must come before the file is replaced or the current folder changes.
///
/// Symbolic links in the path stay, so that the path leads to a new version
/// when they do (`current/rgunicorn`). But a link with the name `python` is
/// followed.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let real = real();
        let named = called_as().and_then(behind_python);
        named.filter(|it| is_same(it, &real)).unwrap_or(real)
    })
}

/// True if this path leads to the running file.
pub(super) fn leads_here(path: &Path) -> bool {
    is_same(path, self::path())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| fs::canonicalize(path).ok());
    one.is_some() && one == other
}

/// Follows links with Python's name.
fn behind_python(mut path: PathBuf) -> Option<PathBuf> {
    // The number of links that Linux follows in one path.
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
        // Without /proc, the path that the kernel was asked to execute.
        Err(_) => executed().unwrap_or_else(|| PathBuf::from("/rgunicorn")),
    }
}

/// True for a program name of Python: `python`, `/usr/bin/python3`.
pub(super) fn is_python_name(name: &OsStr) -> bool {
    let base = Path::new(name).file_name().unwrap_or_default();
    base.as_bytes().starts_with(b"python")
}

/// The absolute path of `argv[0]`, with its symbolic links; nothing if there is
/// no such file.
pub fn called_as() -> Option<PathBuf> {
    let name = env::args_os().next()?;
    let found = if name.as_bytes().contains(&b'/') {
        PathBuf::from(name)
    } else {
        on_search_path(&name)?
    };
    absolute(&found).ok().filter(|path| path.exists())
}

/// An absolute path without `..`. Symbolic links after the last `..` stay.
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

/// The path that was given to `execve`. The caller cannot invent it, unlike
/// `argv[0]`.
fn executed() -> Option<PathBuf> {
    // SAFETY: it only reads a value of the auxiliary vector.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) } as *const c_char;
    if path.is_null() {
        return None;
    }
    // SAFETY: the kernel has put a C string there, which lives as long as the
    // process.
    let path = unsafe { CStr::from_ptr(path) };
    let path = OsStr::from_bytes(path.to_bytes());
    // A path from /proc has no links, either.
    fs::canonicalize(path).ok()
}

fn on_search_path(name: &OsStr) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok())
}

/// Linux marks the path of a running file that was replaced.
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
