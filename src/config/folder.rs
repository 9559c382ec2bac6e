//! The folder that the app starts in.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use super::Settings;
use super::check::name_and_value;

impl Settings {
    /// The folder that the app starts in and that comes first on `sys.path`:
    /// `chdir`, else the current one.
    pub fn folder(&self) -> PathBuf {
        self.chdir.clone().unwrap_or_else(current_folder)
    }
}

impl Settings {
    /// The names and values that `raw_env` adds to the environment.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.raw_env.iter().filter_map(|it| name_and_value(it))
    }
}

/// The current folder as the shell names it: through links, when `$PWD` names
/// the same folder, so that a site behind a link keeps its path.
pub fn current_folder() -> PathBuf {
    let real = env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    match env::var_os("PWD").map(PathBuf::from) {
        Some(named) if named.is_absolute() && named.canonicalize().is_ok_and(|it| it == real) => {
            named
        }
        _ => real,
    }
}
