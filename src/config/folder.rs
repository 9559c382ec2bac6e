//! The folder that the app starts in.

use std::env;
use std::path::PathBuf;

use super::Settings;

impl Settings {
    /// The folder that the app starts in and that comes first on `sys.path`:
    /// `chdir`, else the current one.
    pub fn folder(&self) -> PathBuf {
        self.chdir.clone().unwrap_or_else(current_folder)
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
