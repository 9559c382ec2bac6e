//! The `site-packages` folders of this process, and those whose `sitecustomize`
//! is run. They are chosen before the start, and the bundle's `site.py` asks
//! for them.

use std::path::PathBuf;
use std::sync::OnceLock;

static CHOSEN: OnceLock<[Vec<PathBuf>; 2]> = OnceLock::new();

/// Chooses them. Only the first call counts, because the interpreter starts
/// once.
pub fn choose(site_dirs: &[PathBuf], customizing: &[PathBuf]) {
    CHOSEN.get_or_init(|| [site_dirs.to_vec(), customizing.to_vec()]);
}

/// The chosen `site-packages` folders.
pub fn chosen() -> &'static [PathBuf] {
    CHOSEN.get().map_or(&[], |[folders, _]| folders)
}

/// The folders whose `sitecustomize` is run.
pub fn customizing() -> &'static [PathBuf] {
    CHOSEN.get().map_or(&[], |[_, folders]| folders)
}
