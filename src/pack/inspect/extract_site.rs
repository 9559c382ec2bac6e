//! Writing the site of a pack into a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Error, anyhow};

use super::super::check::Archive;
use super::super::error::{self, Failure, Problem};
use super::super::{extract, interrupt, start};
use super::forms::Form;
use super::image::{self, Within};

/// Why it was not written.
pub enum Failed {
    /// The pack is at fault: one sentence.
    Pack(Error),
    /// The folder is.
    Folder(io::Error),
}

impl Failed {
    /// As an error; `unwritable` makes a sentence about the folder.
    pub fn or(self, unwritable: impl FnOnce(io::Error) -> Error) -> Error {
        match self {
            Failed::Pack(error) => error,
            Failed::Folder(error) => unwritable(error),
        }
    }
}

/// Writes those files of the site in the pack at `path` whose paths are `wanted` into a
/// folder, which is there and empty; and the program of an image to a file, if that is asked for.
///
/// # Errors
/// The pack is damaged, or the folder cannot be written. What was written by then stays.
pub fn lay_out(
    path: &Path,
    form: Form,
    site: &Path,
    program: Option<&Path>,
    wanted: fn(&str) -> bool,
) -> Result<(), Failed> {
    let faulty = |problem: Problem| {
        let zip = path.to_owned();
        Failed::Pack(error::Error { zip, problem }.into())
    };
    let unreadable = |error| faulty(Problem::Unreadable(error));
    let file = File::open(path).map_err(unreadable)?;
    match form {
        Form::Bare => Err(faulty(Problem::Bare)),
        Form::Image => from_image(&file, site, program, wanted),
        Form::Zip | Form::Executable => {
            let real = path.canonicalize().map_err(unreadable)?;
            let start = start(&real, &file).map_err(faulty)?;
            let mut archive = Archive::open(&file, start).map_err(faulty)?;
            extract::into(site, &mut archive, |entry| wanted(&entry.path)).map_err(|failure| {
                match failure {
                    Failure::Archive(problem) => faulty(problem),
                    Failure::Place(error) => Failed::Folder(error),
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
) -> Result<(), Failed> {
    let mut unwritten = None;
    let walked = image::walk(file, &mut |found, content| {
        let path = match (found.within, program) {
            (Within::Site(path), _) if !wanted(path) => return Ok(()),
            (Within::Site(path), _) => site.join(path),
            (Within::Program, Some(program)) => program.to_owned(),
            (Within::Program, None) => return Ok(()),
        };
        create(&path, found.executable, content).map_err(|error| {
            unwritten = Some(error);
            anyhow!("'{}' cannot be written", path.display())
        })
    });
    match (walked, unwritten) {
        (Ok(_), _) => Ok(()),
        (Err(_), Some(error)) => Err(Failed::Folder(error)),
        (Err(error), None) => Err(Failed::Pack(error)),
    }
}

fn create(path: &Path, executable: bool, content: &mut dyn Read) -> io::Result<()> {
    let _held = interrupt::hold();
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
