//! What `rgunicorn inspect` can be told.

use std::path::PathBuf;

use clap::Args;

/// The options of `rgunicorn inspect`.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// A zip, an executable or a container image [default: this executable]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Write a page with a picture of the sizes
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a list of what is inside, in CycloneDX's JSON
    #[arg(long, value_name = "FILE")]
    pub sbom: Option<PathBuf>,
    /// Load the app and import all packages, as a worker would
    #[arg(long)]
    pub check: bool,
}
