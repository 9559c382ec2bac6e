//! `rgunicorn python ...`: Python's own command line.

use std::env;
use std::ffi::OsString;

use super::config::{self, Config, check};
use super::{Environment, launcher};
use pyo3_ffi::{Py_RunMain, PyConfig_Read, PyStatus_IsExit};

/// Runs Python's own command line: `-c`, `-m`, a script, `-`, the prompt, and
/// its options. `args` are the words after `python`. Gives the exit code.
pub fn run(args: &[OsString], environment: Environment) -> i32 {
    match prepare(args, &environment) {
        // SAFETY: the interpreter has just been started by this thread.
        Ok(None) => unsafe { Py_RunMain() },
        Ok(Some(code)) => code,
        Err(error) => {
            eprintln!("rgunicorn: {error:#}");
            1
        }
    }
}

/// Starts the interpreter. Gives the exit code if the command line needs none
/// (`--version`, an unknown option).
fn prepare(args: &[OsString], environment: &Environment) -> anyhow::Result<Option<i32>> {
    let mut line = vec![OsString::from("python")];
    line.extend_from_slice(args);
    config::prepare(environment, &line)?;
    let environment = &Environment {
        executable: Some(launcher::path(environment)),
        ..environment.clone()
    };
    let mut asked = configured(&line, environment)?;
    // SAFETY: the configuration is initialised.
    let status = unsafe { PyConfig_Read(&mut *asked.0) };
    // SAFETY: the status is CPython's.
    if unsafe { PyStatus_IsExit(status) } != 0 {
        return Ok(Some(status.exitcode));
    }
    check(status)?;
    // A configuration that is read twice loses an option (-X
    // warn_default_encoding).
    let mut config = configured(&line, environment)?;
    // -E and -I forbid it.
    if asked.0.use_environment != 0 {
        config.search_first(&env::var_os("PYTHONPATH").unwrap_or_default())?;
    }
    config.initialize()?;
    Ok(None)
}

fn configured(line: &[OsString], environment: &Environment) -> anyhow::Result<Config> {
    let mut config = Config::new(environment)?;
    config.0.parse_argv = 1;
    config.0.install_signal_handlers = environment.install_signal_handlers.into();
    config.arguments(line)?;
    config.original(line.iter().skip(1).cloned())?;
    Ok(config)
}
