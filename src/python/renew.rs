//! A running interpreter and another environment than it was started with.

use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;

use anyhow::{Result, anyhow};
use pyo3::prelude::*;

use super::{Environment, launcher, time_zone, traceback};

/// Gives the interpreter what it lacks of this environment: its own path, the
/// arguments, the import path, the `site-packages` folders, and the variables
/// of the process, of which Python keeps a copy.
pub(super) fn renew(environment: &Environment) -> Result<()> {
    let executable = launcher::path(environment);
    let variables: HashMap<Vec<u8>, Vec<u8>> = time_zone::variables()
        .map(|(name, value)| (name.into_vec(), value.into_vec()))
        .collect();
    Python::attach(|py| {
        let renewed = py.import("_rgunicorn.site_dirs").and_then(|module| {
            module.call_method1(
                "renew",
                (
                    executable.as_os_str(),
                    &environment.program_args,
                    &environment.import_path,
                    &environment.site_dirs,
                    &environment.customizing,
                    &environment.venv,
                    variables,
                ),
            )
        });
        renewed
            .map(drop)
            .map_err(|error| anyhow!(traceback::format(py, &error)))
    })
}

/// Lets `sys.executable` be a path that this process can execute: the user may
/// be another one, who cannot see what the first has made.
///
/// # Errors
/// Python cannot be told.
pub fn rename(environment: &Environment) -> PyResult<()> {
    let executable = launcher::path(environment);
    Python::attach(|py| {
        let module = py.import("_rgunicorn.site_dirs")?;
        module.call_method1("set_executable", (executable.as_os_str(),))?;
        Ok(())
    })
}
