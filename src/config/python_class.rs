//! A worker class in Python: which built-in one serves for it, and the settings
//! that it brings. The Python half is `_rgunicorn.worker_classes`.

use std::path::Path;

use pyo3::prelude::*;

use super::draft::{Draft, Layer};
use super::file::{ConfigFile, ConfigFileError};
use super::setting::Setting;
use super::value::Value;
use crate::python::traceback;

/// A class that was found under its name, or given by the config file.
#[derive(Debug)]
pub struct PythonClass {
    pub class: Py<PyAny>,
    /// Its name in the log: as it was given, or the class's own.
    pub shown: String,
    /// Sentences about what it has and this server does not do.
    pub warnings: Vec<String>,
}

type Found<'py> = (
    Bound<'py, PyAny>,
    String,
    Vec<(String, Bound<'py, PyAny>)>,
    Vec<String>,
);

impl PythonClass {
    /// Finds the class of this name, which may be in a module in this folder, and
    /// gives the draft what it brings. The interpreter must have been started.
    ///
    /// # Errors
    /// There is no such class, or it cannot serve.
    pub fn find(
        name: &str,
        folder: &Path,
        file: &ConfigFile,
        draft: &mut Draft,
    ) -> Result<PythonClass, ConfigFileError> {
        let is_files = draft.worker_class_layer() == Some(Layer::ConfigFile);
        Python::attach(|py| {
            let given = file.worker_class(py).filter(|_| is_files);
            let is_given = given.is_some();
            let found = match given {
                Some(class) => ask(py, class, folder),
                None => ask(py, name, folder),
            };
            let (class, kind, settings, warnings) =
                found.map_err(|error| match is_refusal(py, &error) {
                    true => draft
                        .invalid_worker_class(error.value(py).to_string())
                        .into(),
                    false => ConfigFileError::Raised(format!(
                        "The worker class '{name}' cannot be imported.\n{}",
                        traceback::format(py, &error)
                    )),
                })?;
            let mut give = |name: &str, value| {
                let setting = Setting::named(name).expect("a class brings what there is");
                draft.apply(Layer::WorkerClass, setting, value)
            };
            give("worker_class", Value::Str(kind))?;
            for (name, value) in settings {
                let value = Value::from_python(&value);
                let value = value
                    .map_err(|error| ConfigFileError::Raised(traceback::format(py, &error)))?;
                give(&name, value)?;
            }
            let shown = match is_given {
                true => class.getattr("__name__").map(|name| name.to_string()),
                false => Ok(name.to_owned()),
            };
            Ok(PythonClass {
                shown: shown.unwrap_or_else(|_| name.to_owned()),
                class: class.unbind(),
                warnings,
            })
        })
    }
}

fn ask<'py>(py: Python<'py>, class: impl IntoPyObject<'py>, folder: &Path) -> PyResult<Found<'py>> {
    let module = py.import("_rgunicorn.worker_classes")?;
    let folder = folder.as_os_str();
    module.call_method1("find", (class, folder))?.extract()
}

fn is_refusal(py: Python<'_>, error: &PyErr) -> bool {
    py.import("_rgunicorn.worker_classes")
        .and_then(|module| module.getattr("Refused"))
        .is_ok_and(|kind| error.matches(py, kind).unwrap_or(false))
}
