//! The `site-packages` folders of this process, chosen before the start and
//! asked for by the bundle's `site.py`.

use std::path::PathBuf;
use std::sync::OnceLock;

static CHOSEN: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Choose them; the first word counts, as the interpreter starts once.
pub fn choose(folders: &[PathBuf]) {
    CHOSEN.get_or_init(|| folders.to_vec());
}

/// The chosen ones.
pub fn chosen() -> &'static [PathBuf] {
    CHOSEN.get().map_or(&[], Vec::as_slice)
}
