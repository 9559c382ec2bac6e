//! Both logs by way of Python's `logging`, configured as Gunicorn's
//! `logconfig` settings say. The Python half is `_rgunicorn.log_config`.

use std::cell::Cell;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyList;

use super::traceback;
use crate::log::{Atom, Sink};

/// What configures `logging`: the first of the three that is given.
pub struct LogConfig<'a> {
    /// A dict for `dictConfig`.
    pub dictionary: Option<&'a Py<PyAny>>,
    /// A JSON file with such a dict.
    pub json: Option<&'a Path>,
    /// A file for `fileConfig`.
    pub ini: Option<&'a Path>,
    /// Where the logs go that it does not speak of; `-` for standard error and
    /// standard output.
    pub error_file: &'a OsStr,
    pub access_file: Option<&'a OsStr>,
    pub level: &'a str,
    /// Gunicorn's `access_log_format`.
    pub access_format: &'a str,
}

/// Configures `logging` in the running interpreter, and gives what brings both
/// logs there.
///
/// # Errors
/// A sentence about what is wrong with the config.
pub fn install(config: &LogConfig<'_>) -> Result<Arc<dyn Sink>, String> {
    Python::attach(|py| {
        let installed = py.import("_rgunicorn.log_config").and_then(|module| {
            module.call_method1(
                "install",
                (
                    config.error_file,
                    config.access_file,
                    config.level,
                    config.access_format,
                    config.dictionary,
                    config.json.map(Path::as_os_str),
                    config.ini.map(Path::as_os_str),
                ),
            )
        });
        match installed {
            Ok(loggers) => Ok(Arc::new(Loggers(loggers.unbind())) as Arc<dyn Sink>),
            Err(error) => Err(sentence(py, &error)),
        }
    })
}

/// What the Python half says is wrong; anything else it raises is a fault of its
/// own.
fn sentence(py: Python<'_>, error: &PyErr) -> String {
    let said = error.value(py);
    match said.get_type().name().is_ok_and(|name| name == "Unusable") {
        true => said.to_string(),
        false => traceback::format(py, error),
    }
}

/// Takes back what [`install`] has done in the running interpreter.
///
/// # Errors
/// The traceback of what a handler raised as it was closed.
pub fn remove() -> Result<(), String> {
    Python::attach(|py| {
        let module = py.import("_rgunicorn.log_config");
        let removed = module.and_then(|module| module.call_method0("remove"));
        removed
            .map(drop)
            .map_err(|error| traceback::format(py, &error))
    })
}

/// The loggers `gunicorn.error` and `gunicorn.access`.
struct Loggers(Py<PyAny>);

impl Loggers {
    fn call<'py>(&self, py: Python<'py>, name: &str, arguments: impl pyo3::call::PyCallArgs<'py>) {
        // A formatter or a filter of the user's may raise.
        if let Err(error) = self.0.bind(py).call_method1(name, arguments) {
            error.print(py);
        }
    }
}

thread_local! {
    /// Whether this thread is bringing a record of the error log there.
    static UNDER_WAY: Cell<bool> = const { Cell::new(false) };
}

impl Sink for Loggers {
    /// A handler that writes to the error log would bring the record here
    /// again: it has been seen by all the others already.
    fn error(&self, level: u8, message: &str) {
        if !UNDER_WAY.replace(true) {
            Python::attach(|py| self.call(py, "error", (level, message)));
            UNDER_WAY.set(false);
        }
    }

    fn access(&self, atoms: &[(String, Atom)]) {
        Python::attach(|py| {
            let list = PyList::empty(py);
            for (name, atom) in atoms {
                let appended = match atom {
                    Atom::Text(text) => list.append((name, text)),
                    Atom::Number(number) => list.append((name, number)),
                };
                if let Err(error) = appended {
                    return error.print(py);
                }
            }
            self.call(py, "access", (list,));
        });
    }

    fn reopen(&self) {
        Python::attach(|py| self.call(py, "reopen", ()));
    }
}
