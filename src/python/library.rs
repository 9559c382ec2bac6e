//! Where the standard library is for Python code: in the executable, or, for
//! tools that look for its files, on the disk.
//!
//! Modules come out of the executable in both cases. So they are those that it
//! was built with whatever becomes of the files, which are there to be read.

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::executable;
use super::laid_out::lay_out;

const VARIABLE: &str = "RGUNICORN_STDLIB_FILES";

/// The folder below which the library is: `lib/python3.13/os.py`.
///
/// # Errors
/// Files are asked for and can be written nowhere, or the variable is nonsense;
/// one sentence.
pub fn root() -> Result<PathBuf> {
    if !is_asked_for()? {
        return Ok(executable::path().to_owned());
    }
    lay_out("lib", "library").with_context(|| {
        format!("{VARIABLE} asks for the standard library's files, and they can be written nowhere")
    })
}

/// Refuses nonsense at the start, where a person reads it, and not in each worker.
///
/// # Errors
/// The variable says neither yes nor no; one sentence.
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
