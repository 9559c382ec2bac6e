//! Writes the site of a pack into a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Error, anyhow};

use super::image::{self, ImagePart};
use super::pack::Form;
use crate::pack::check::Archive;
use crate::pack::error::{Failure, Problem};
use crate::pack::locate::archive_start;
use crate::pack::{extract, interrupt};

/// Why a site was not written.
pub enum ExtractError {
    /// The pack is at fault: one sentence.
    Pack(Error),
    /// The folder cannot be written.
    Folder(io::Error),
}

impl ExtractError {
    /// Turns it into one error; `unwritable` makes a sentence about the folder.
    pub fn or(self, unwritable: impl FnOnce(io::Error) -> Error) -> Error {
        match self {
            ExtractError::Pack(error) => error,
            ExtractError::Folder(error) => unwritable(error),
        }
    }
}

/// Writes those files of the site in the pack at `path` that are `wanted` into a
/// folder, which exists and is empty. With `program`, the program of an image is
/// written to that file.
///
/// # Errors
/// The pack is damaged, or the folder cannot be written. What was written until then
/// stays.
pub fn extract_site(
    path: &Path,
    form: Form,
    site: &Path,
    program: Option<&Path>,
    wanted: fn(&str) -> bool,
) -> Result<(), ExtractError> {
    let at_fault = |problem: Problem| ExtractError::Pack(problem.of(path).into());
    let unreadable = |error| at_fault(Problem::Unreadable(error));
    let file = File::open(path).map_err(unreadable)?;
    match form {
        Form::Bare => Err(at_fault(Problem::Bare)),
        Form::Image => from_image(&file, site, program, wanted),
        Form::Zip | Form::Executable => {
            let real = path.canonicalize().map_err(unreadable)?;
            let start = archive_start(&real, &file).map_err(at_fault)?;
            let mut archive = Archive::open(&file, start).map_err(at_fault)?;
            extract::into(site, &mut archive, |entry| wanted(&entry.path)).map_err(|failure| {
                match failure {
                    Failure::Archive(problem) => at_fault(problem),
                    Failure::Place(error) => ExtractError::Folder(error),
                }
            })
        }
    }
}

fn from_image(
    file: &File,
    site: &Path,
    program: Option<&Path>,
    wanted: fn(&str) -> bool,
) -> Result<(), ExtractError> {
    let mut unwritten = None;
    let walked = image::walk(file, &mut |found, content| {
        let path = match (found.part, program) {
            (ImagePart::Site(path), _) if !wanted(path) => return Ok(()),
            (ImagePart::Site(path), _) => site.join(path),
            (ImagePart::Program, Some(program)) => program.to_owned(),
            (ImagePart::Program, None) => return Ok(()),
        };
        create(&path, found.executable, content).map_err(|error| {
            unwritten = Some(error);
            anyhow!("'{}' cannot be written", path.display())
        })
    });
    match (walked, unwritten) {
        (Ok(_), _) => Ok(()),
        (Err(_), Some(error)) => Err(ExtractError::Folder(error)),
        (Err(error), None) => Err(ExtractError::Pack(error)),
    }
}

fn create(path: &Path, executable: bool, content: &mut dyn Read) -> io::Result<()> {
    let _blocked = interrupt::block();
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mode = if executable { 0o755 } else { 0o644 };
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)?;
    io::copy(content, &mut file).map(drop)
}
