//! Where the archive of a site begins in its file.

use std::fs::File;
use std::path::Path;

use super::appended;
use super::error::Problem;
use crate::carried::packed;
use crate::python;

/// The running executable, if a site was packed into it.
pub fn own_site() -> Option<&'static Path> {
    packed::is_packed().then(python::executable)
}

/// The offset of the archive in the file at `path`, in bytes: 0, or where the
/// program ends if the file is an executable.
///
/// # Errors
/// The executable is damaged, or no archive follows the program.
pub(super) fn archive_start(path: &Path, mut file: &File) -> Result<u64, Problem> {
    let Some(end) = appended::end_of_program(&mut file)? else {
        return Ok(0);
    };
    if appended::is_followed_by_zip(&mut file, end)? {
        return Ok(end.program);
    }
    match own_site().is_some_and(|own| own.canonicalize().is_ok_and(|own| own == path)) {
        true => Err(Problem::CutOff),
        false => Err(Problem::Bare),
    }
}
