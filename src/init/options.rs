//! The options of `rgunicorn init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// The options of `rgunicorn init`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// What the project is made with
    #[arg(value_enum, default_value = "wsgi")]
    pub kind: ProjectKind,
    /// The folder to make it in
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
}

/// What a project is made with.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum ProjectKind {
    Flask,
    Django,
    Fastapi,
    Wsgi,
}
