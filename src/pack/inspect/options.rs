//! The options of `rgunicorn inspect`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
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

impl Options {
    /// Checks that no output replaces the inspected file or another output.
    ///
    /// # Errors
    /// One sentence.
    pub(super) fn check_outputs(&self, file: &Path) -> Result<()> {
        for (name, output) in [("--html", &self.html), ("--sbom", &self.sbom)] {
            let Some(output) = output else { continue };
            if place(output) == place(file) {
                let output = output.display();
                bail!("{name} would replace '{output}', which is inspected; name another file");
            }
        }
        match (&self.html, &self.sbom) {
            (Some(html), Some(sbom)) if place(html) == place(sbom) => bail!(
                "--html and --sbom both write to '{}'; name two files",
                html.display()
            ),
            _ => Ok(()),
        }
    }
}

/// The absolute path without symbolic links, also of a file that does not exist yet.
fn place(path: &Path) -> PathBuf {
    if let Ok(there) = fs::canonicalize(path) {
        return there;
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().and_then(|it| fs::canonicalize(it).ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}
