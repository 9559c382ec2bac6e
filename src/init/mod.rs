//! A small project that runs at once, to begin with.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};

/// The options of `rgunicorn init`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// What the project is made with
    #[arg(value_enum, default_value = "wsgi")]
    pub kind: Kind,
    /// The folder to make it in
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// What a project is made with.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Kind {
    Flask,
    Django,
    Fastapi,
    Wsgi,
}

/// Makes the project.
///
/// # Errors
/// One sentence with its mend.
pub fn init(_options: &Options) -> Result<()> {
    bail!("Making projects is not there yet")
}
