//! Changes the environment of a running interpreter.

use std::collections::HashMap;
use std::os::unix::ffi::OsStringExt;

use anyhow::{Result, anyhow};
use pyo3::prelude::*;

use super::{Environment, launcher, time_zone, traceback};

/// Gives the interpreter the missing parts of this environment: its own path,
/// the arguments, the import path, the `site-packages` folders, and the
/// environment variables, of which Python has a copy.
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

/// Sets `sys.executable` to a path that this process can execute: its user may
/// have changed, and may not see the path of the first user.
///
/// # Errors
/// Python raises an exception.
pub fn rename(environment: &Environment) -> PyResult<()> {
    let executable = launcher::path(environment);
    Python::attach(|py| {
        let module = py.import("_rgunicorn.site_dirs")?;
        module.call_method1("set_executable", (executable.as_os_str(),))?;
        Ok(())
    })
}
