//! Why a worker ends early.

use crate::python::app::LoadError;
use crate::python::traceback;
use pyo3::prelude::*;
use std::fmt;

pub enum Failure {
    Loading(LoadError),
    /// The text of the error.
    Serving(String),
    /// Python code has called `sys.exit()` with this code.
    Exit(i32),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loading(error) => error.fmt(f),
            Self::Serving(error) => f.write_str(error),
            Self::Exit(code) => write!(f, "exit code {code}"),
        }
    }
}

impl Failure {
    pub fn boot(error: &dyn fmt::Display) -> Failure {
        Failure::Loading(LoadError::Raised(format!("{error:#}")))
    }

    pub fn app(message: &str) -> Failure {
        Failure::Loading(LoadError::App(message.to_owned()))
    }

    /// An error from `module`, which runs an event loop in Python. The module's
    /// `BootError` means that the worker cannot start.
    pub fn of_loop(py: Python<'_>, module: &str, error: &PyErr) -> Failure {
        let is_boot_error = py
            .import(module)
            .and_then(|module| module.getattr("BootError"))
            .is_ok_and(|kind| error.matches(py, kind).unwrap_or(false));
        match is_boot_error {
            true => Failure::Loading(LoadError::Raised(error.value(py).to_string())),
            false => Failure::Serving(traceback::format(py, error)),
        }
    }
}
