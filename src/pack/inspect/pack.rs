//! Opens a pack of any form, and reads what is in it.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use memchr::memmem;

use super::image;
use super::survey::{Size, Survey, is_examined, too_long};
use crate::carried::packed;
use crate::pack::appended;
use crate::pack::check::Archive;
use crate::pack::error::{EntryFault, Error, Problem};
use crate::pack::label::{self, Label};
use crate::python;

/// A pack that was read.
#[derive(Debug)]
pub struct Pack {
    pub form: Form,
    /// Bytes of the file.
    pub size: u64,
    /// `None` for packs that were made by hand.
    pub label: Option<Label>,
    pub program: Option<Program>,
    pub survey: Survey,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Zip,
    Executable,
    Image,
    /// An executable without a site.
    Bare,
}

impl fmt::Display for Form {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Zip => "a zip",
            Self::Executable => "an executable with a site",
            Self::Image => "a container image",
            Self::Bare => "an executable without a site",
        })
    }
}

/// The executable in a pack.
#[derive(Clone, Debug)]
pub struct Program {
    pub size: Size,
    /// Whether it is the running program, byte for byte. Then everything about it is
    /// known.
    pub is_this: bool,
    /// The version of rgunicorn, if it was looked for.
    pub version: Option<String>,
}

impl Pack {
    /// Reads a file of any form.
    ///
    /// # Errors
    /// It is not a pack, is damaged or is hostile; one sentence that says what to do.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = |error| Problem::Unreadable(error).of(path);
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if !metadata.is_file() {
            // Opening a pipe might block for ever.
            bail!(
                "Cannot use {}: it is not a file; name a zip, an executable or an image.",
                path.display()
            );
        }
        let file = File::open(path).map_err(unreadable)?;
        let read = FileType::of(&file).and_then(|file_type| match file_type {
            FileType::Zip => zip(&file, path, 0, None),
            FileType::Program { end, site } => program(&file, path, end, site),
            FileType::Tar => in_tar(&file),
            FileType::Other => Err(anyhow!(
                "it is no zip, no executable of rgunicorn's and no container image; name a file \
                 that 'rgunicorn pack' has made"
            )),
        });
        let mut pack = read.map_err(|error| match error.downcast::<Error>() {
            // This error names the file already.
            Ok(error) => error.into(),
            Err(error) => anyhow!("Cannot use {}: {error:#}.", path.display()),
        })?;
        pack.size = metadata.len();
        if let Some(text) = pack.survey.texts.get(label::NAME) {
            let read = serde_json::from_str(text).map_err(|error| {
                anyhow!(
                    "Cannot use {}: {} in it is no label of a pack ({error}); pack it again.",
                    path.display(),
                    label::NAME
                )
            });
            pack.label = Some(read?);
        }
        Ok(pack)
    }

    fn new(form: Form, program: Option<Program>, survey: Survey) -> Self {
        Self {
            form,
            size: 0,
            label: None,
            program,
            survey,
        }
    }
}

enum FileType {
    Zip,
    /// The program's size in bytes, and whether a site follows.
    Program {
        end: u64,
        site: bool,
    },
    Tar,
    Other,
}

impl FileType {
    fn of(mut file: &File) -> Result<Self> {
        if let Some(end) = appended::end_of_program(&mut file)? {
            return Ok(Self::Program {
                end: end.program,
                site: appended::is_followed_by_zip(&mut file, end)?,
            });
        }
        let mut start = Vec::new();
        file.rewind()?;
        file.take(512).read_to_end(&mut start)?;
        Ok(match &start[..] {
            [b'P', b'K', ..] => Self::Zip,
            // The magic number of POSIX and GNU tar.
            block if block.get(257..262) == Some(b"ustar") => Self::Tar,
            _ => Self::Other,
        })
    }
}

fn program(file: &File, path: &Path, end: u64, site: bool) -> Result<Pack> {
    let mut start = file;
    start.rewind()?;
    let mut program = Program {
        size: Size {
            packed: end,
            unpacked: end,
        },
        is_this: is_running(&mut start.take(end), end)?,
        version: None,
    };
    if site {
        return zip(file, path, end, Some(program));
    }
    program.version = match program.is_this {
        true => Some(env!("CARGO_PKG_VERSION").to_owned()),
        false => version(file, end)?,
    };
    Ok(Pack::new(Form::Bare, Some(program), Survey::default()))
}

/// Whether these `length` bytes are the running program, apart from the mark that says
/// whether it has a site.
fn is_running(bytes: &mut dyn Read, length: u64) -> io::Result<bool> {
    let Ok(mut own) = File::open(python::executable()) else {
        return Ok(false);
    };
    match appended::end_of_program(&mut own) {
        Ok(Some(end)) if end.program == length => {}
        _ => return Ok(false),
    }
    own.rewind()?;
    let (mut one, mut other) = (Vec::new(), Vec::new());
    own.take(length).read_to_end(&mut one)?;
    bytes.take(length).read_to_end(&mut other)?;
    Ok(packed::mark(&mut one, false) && packed::mark(&mut other, false) && one == other)
}

/// The version of a program, if it is rgunicorn: it follows the name in
/// `SERVER_SOFTWARE`.
fn version(file: &File, length: u64) -> Result<Option<String>> {
    const NAME: &[u8] = b"rgunicorn/";
    /// Larger than any build, in bytes.
    const LIMIT: u64 = 1 << 30;
    let mut bytes = Vec::new();
    let mut start = file;
    start.rewind()?;
    start.take(length.min(LIMIT)).read_to_end(&mut bytes)?;
    if !packed::is_ours(&bytes) {
        bail!("it is an executable, but none of rgunicorn's; name one that 'rgunicorn pack' made");
    }
    let mut places = memmem::find_iter(&bytes, NAME);
    Ok(places.find_map(|place| {
        let rest = &bytes[place + NAME.len()..];
        let end = rest
            .iter()
            .position(|it| !it.is_ascii_digit() && *it != b'.');
        let version = str::from_utf8(&rest[..end?]).ok()?;
        (version.split('.').count() == 3).then(|| version.to_owned())
    }))
}

fn zip(file: &File, path: &Path, start: u64, program: Option<Program>) -> Result<Pack> {
    let survey = zipped(file, start).map_err(|problem| problem.of(path))?;
    let form = match program {
        Some(_) => Form::Executable,
        None => Form::Zip,
    };
    Ok(Pack::new(form, program, survey))
}

fn zipped(file: &File, start: u64) -> Result<Survey, Problem> {
    let Archive { mut zip, entries } = Archive::open(file, start)?;
    let mut survey = Survey::default();
    for entry in entries.iter().filter(|entry| !entry.is_dir) {
        let raw = zip.by_index_raw(entry.index);
        let raw = raw.map_err(|error| entry.damaged(&error))?;
        let size = Size {
            packed: raw.compressed_size(),
            unpacked: entry.size,
        };
        drop(raw);
        survey.files.insert(entry.path.clone(), size);
        if let Some(fault) = too_long(&entry.path, entry.size) {
            return Err(fault.of(&entry.path));
        }
        if is_examined(&entry.path) {
            let content = zip.by_index(entry.index);
            let content = content.map_err(|error| entry.damaged(&error))?;
            let mut bytes = Vec::new();
            content
                .take(entry.size.saturating_add(1))
                .read_to_end(&mut bytes)
                .map_err(|error| entry.damaged(&error))?;
            if bytes.len() as u64 != entry.size {
                return Err(EntryFault::Size.of(&entry.path));
            }
            survey.examine(&entry.path, &bytes);
        }
    }
    Ok(survey)
}

fn in_tar(file: &File) -> Result<Pack> {
    let mut survey = Survey::default();
    let mut program: Option<Program> = None;
    image::walk(file, &mut |found, content| {
        match found.part {
            image::ImagePart::Site(path) if is_examined(path) => {
                if let Some(fault) = too_long(path, found.size) {
                    bail!("its file {path:?} {fault}");
                }
                let mut bytes = Vec::new();
                content.read_to_end(&mut bytes)?;
                survey.examine(path, &bytes);
            }
            image::ImagePart::Site(_) => {}
            image::ImagePart::Program => {
                program = Some(Program {
                    size: Size::default(),
                    is_this: is_running(content, found.size)?,
                    version: None,
                });
            }
        }
        Ok(())
    })
    .map(|sizes| {
        survey.files = sizes.site;
        if let Some(program) = &mut program {
            program.size = sizes.program;
        }
    })?;
    Ok(Pack::new(Form::Image, program, survey))
}
