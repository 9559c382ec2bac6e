//! The place of the standard library for Python code: in the executable, or on
//! the disk for tools that look for its files.
//!
//! In both cases modules are imported from the executable, whatever happens to
//! the files, which are only there to be read.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::executable;
use super::extract::extract;

const VARIABLE: &str = "RGUNICORN_STDLIB_FILES";

/// The folder with the library: `lib/python3.13/os.py` is in it.
///
/// # Errors
/// Files are wanted and cannot be written, or the variable is invalid: one
/// sentence.
pub fn root() -> Result<PathBuf> {
    if !is_asked_for()? {
        return Ok(executable::path().to_owned());
    }
    extract("lib", "library").with_context(|| {
        format!("{VARIABLE} asks for the standard library's files, and they can be written nowhere")
    })
}

/// Refuses an invalid variable at the start, where a person reads the error,
/// and not in each worker.
///
/// # Errors
/// The variable is neither yes nor no: one sentence.
pub fn check() -> Result<()> {
    is_asked_for().map(drop)
}

fn is_asked_for() -> Result<bool> {
    match env::var_os(VARIABLE) {
        Some(word) if !word.is_empty() => switch(&word).with_context(|| {
            format!(
                "{VARIABLE} is neither yes nor no; take 1, true, yes or on, or 0, false, no or off"
            )
        }),
        _ => Ok(false),
    }
}

/// The value of a variable that is a switch, in any case; nothing for another word.
/// The loader, which can use none of this, takes the same words.
pub fn switch(word: &OsStr) -> Option<bool> {
    match word.to_ascii_lowercase().as_encoded_bytes() {
        b"1" | b"true" | b"yes" | b"on" => Some(true),
        b"0" | b"false" | b"no" | b"off" => Some(false),
        _ => None,
    }
}
