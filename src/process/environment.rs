//! This process's variables and its current folder.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};

/// Makes this the current folder.
///
/// # Errors
/// It cannot be entered.
pub fn change_folder(folder: &Path) -> Result<()> {
    env::set_current_dir(folder)
        .with_context(|| format!("The folder '{}' cannot be entered", folder.display()))
}

/// Takes a variable out of the environment.
pub fn remove_variable(name: impl AsRef<OsStr>) {
    // SAFETY: as in `set_variable`.
    unsafe { env::remove_var(name) };
}

/// Puts a variable into the environment.
pub fn set_variable(name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) {
    // SAFETY: this process has one thread that uses the environment: before
    // the interpreter starts it has no other, and Python's threads, should the
    // config file have started any, keep a copy of their own.
    unsafe { env::set_var(name, value) };
}
