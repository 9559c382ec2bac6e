//! The dependencies of a project: which they are, and installing them.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Options;

/// Dependencies that are installed.
#[derive(Debug, Default)]
pub struct Dependencies {
    /// The finished `site-packages`; nothing if there are none.
    pub folder: Option<PathBuf>,
    /// The files that name them, as in `uv.lock`.
    pub source: Option<String>,
    /// Whole sentences for the user.
    pub notes: Vec<String>,
}

/// Installs them. `finish` is called with the new folder before it is kept.
///
/// # Errors
/// One sentence with its mend.
pub fn install(
    _project: &Path,
    _options: &Options,
    _say: &dyn Fn(&str),
    _finish: &dyn Fn(&Path) -> Result<()>,
) -> Result<Dependencies> {
    Ok(Dependencies::default())
}
