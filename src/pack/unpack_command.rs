//! `rgunicorn unpack`: writes the files of a pack into a folder.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use super::interrupt::{self, Temporary};
use super::{inspect, output};

/// Writes the files of a pack of any form into a new folder.
///
/// # Errors
/// The file cannot be used, or the folder is not empty: one sentence, and nothing is
/// written.
pub fn unpack_to_folder(file: &Path, folder: &Path) -> Result<()> {
    let _watch = interrupt::watch()?;
    let shown = folder.display();
    match fs::read_dir(folder).map(Iterator::count) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(_) => bail!("The folder '{shown}' is not empty; name one that is not there"),
        Err(error) => bail!("'{shown}' cannot be used ({error}); name a folder that is not there"),
    }
    let form = inspect::form(file)?;
    let cannot = || format!("'{shown}' cannot be written");
    let parent = output::parent(folder);
    fs::create_dir_all(parent).with_context(cannot)?;
    // It appears whole or not at all.
    let make = || {
        tempfile::Builder::new()
            .prefix(".unpacking-")
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in(parent)
    };
    let new = Temporary::new(make, TempDir::path).with_context(cannot)?;
    let unwritable = |error| anyhow!("'{shown}' cannot be written: {error}");
    inspect::extract_site(file, form, new.path(), None, is_source)
        .map_err(|failed| failed.or(unwritable))?;
    fs::rename(new.path(), folder).with_context(cannot)?;
    // The folder was renamed, so its old path must not be removed.
    let _ = new.keep(TempDir::keep);
    output::print(format!("Unpacked {} into {shown}\n", file.display()).as_bytes())
}

/// Compiled modules are not written: they would stay valid when somebody changes their
/// sources.
fn is_source(path: &str) -> bool {
    !path.split('/').any(|part| part == "__pycache__")
}
