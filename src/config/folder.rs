//! The folder that the program was started in.

use std::env;
use std::path::PathBuf;

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
