//! Where the running file is.

use std::env;
use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The absolute path of the running file. It is looked up once, so ask before
/// the file may be replaced or the current folder changes.
pub fn path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match env::current_exe() {
        Ok(path) => without_deleted_mark(path),
        // No /proc here: go by what the kernel was asked to execute.
        Err(_) => executed().unwrap_or_else(|| PathBuf::from("/rgunicorn")),
    })
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
    std::path::absolute(found).ok().filter(|path| path.exists())
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
    std::path::absolute(path).ok().filter(|path| path.exists())
}

fn on_search_path(name: &OsStr) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
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
