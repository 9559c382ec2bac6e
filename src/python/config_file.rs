//! Running a config file. The Python half is `_rgunicorn.config_file`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{discover, traceback};

/// The place of a config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file with Python code, whatever its name is.
    File(PathBuf),
    /// A file in a zip that is not unpacked: its path as a name, and its text.
    Text(PathBuf, String),
    /// A module to import.
    Module(String),
}

/// Why a config file gives no values.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("The config file '{}' cannot be read: {reason}.", .path.display())]
    Missing { path: PathBuf, reason: String },
    /// The file's code raised an exception: its traceback.
    #[error("Failed to read config file: {place}\n{traceback}")]
    Raised { place: String, traceback: String },
}

impl Place {
    /// Parses `PATH`, `file:PATH` or `python:MODULE`. A path is relative to
    /// `folder`.
    pub fn parse(text: &OsStr, folder: &Path) -> Self {
        if let Some(module) = text.to_str().and_then(|text| text.strip_prefix("python:")) {
            return Self::Module(module.to_owned());
        }
        let path = text.as_bytes();
        let path = path.strip_prefix(b"file:").unwrap_or(path);
        Self::File(folder.join(OsStr::from_bytes(path)))
    }

    /// The `gunicorn.conf.py` in a folder or a zip, if there is one.
    pub fn usual(root: &Path) -> Option<Self> {
        const NAME: &str = "gunicorn.conf.py";
        let path = root.join(NAME);
        if path.exists() {
            return Some(Self::File(path));
        }
        let text = root.is_file().then(|| discover::read(root, NAME))?;
        text.map(|text| Self::Text(path, text))
    }

    /// The folder that the file is in.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(path) => path.parent(),
            Self::Text(..) | Self::Module(_) => None,
        }
    }

    /// Its name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) | Self::Text(path, _) => path.display().to_string(),
            Self::Module(name) => format!("python:{name}"),
        }
    }
}

/// Runs the file and gives its global names. The interpreter must have been
/// started.
///
/// # Errors
/// The file does not exist, or its code raises an exception.
pub fn run<'py>(py: Python<'py>, place: &Place) -> Result<Bound<'py, PyDict>, Error> {
    if let Place::File(path) = place
        && let Err(error) = std::fs::File::open(path)
    {
        return Err(Error::Missing {
            path: path.clone(),
            reason: match error.kind() {
                std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
                _ => error.to_string(),
            },
        });
    }
    let names = || -> PyResult<Bound<'py, PyDict>> {
        let module = py.import("_rgunicorn.config_file")?;
        let names = match place {
            Place::File(path) => module.call_method1("run", (path.as_os_str(),)),
            Place::Text(path, text) => module.call_method1("run_text", (text, path.as_os_str())),
            Place::Module(name) => module.call_method1("run_module", (name,)),
        };
        Ok(names?.cast_into()?)
    };
    names().map_err(|error| Error::Raised {
        place: place.name(),
        traceback: traceback::format(py, &error),
    })
}
