//! `rgunicorn unpack`: the files of a pack as a folder again.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use super::check::Archive;
use super::error::{Error, Failure, Problem};
use super::{extract, start};

/// Writes the files of a zip, or of an executable with a site in it, into a folder,
/// which is made.
///
/// # Errors
/// The file cannot be used, or the folder is there already: one sentence, and
/// nothing is written.
pub fn give_back(file: &Path, folder: &Path) -> Result<()> {
    let shown = folder.display();
    match fs::read_dir(folder).map(Iterator::count) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(_) => bail!("The folder '{shown}' is not empty; name one that is not there"),
        Err(error) => bail!("'{shown}' cannot be used ({error}); name a folder that is not there"),
    }
    let faulty = |problem: Problem| Error {
        zip: file.to_owned(),
        problem,
    };
    let opened = File::open(file).map_err(|error| faulty(Problem::Unreadable(error)))?;
    if !opened.metadata()?.is_file() {
        bail!("'{}' is no file; name a pack", file.display());
    }
    let path = file.canonicalize()?;
    let start = start(&path, &opened).map_err(faulty)?;
    let mut archive = Archive::open(&opened, start).map_err(faulty)?;
    let cannot = || format!("'{shown}' cannot be written");
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).with_context(cannot)?;
    // It appears whole, or not at all.
    let new = tempfile::Builder::new()
        .prefix(".unpacking-")
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(parent)
        .with_context(cannot)?;
    match extract::into(new.path(), &mut archive, |_| true) {
        Ok(()) => {}
        Err(Failure::Archive(problem)) => return Err(faulty(problem).into()),
        Err(Failure::Place(error)) => return Err(anyhow!(error).context(cannot())),
    }
    fs::rename(new.path(), folder).with_context(cannot)?;
    // It has another name now.
    let _ = new.keep();
    println!("Unpacked {} into {shown}", file.display());
    Ok(())
}
