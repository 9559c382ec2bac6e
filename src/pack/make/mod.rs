//! From a project's folder to one file: a zip, an executable or a container
//! image.

mod options;

use anyhow::{Result, bail};

pub use options::Options;

/// Packs the project.
///
/// # Errors
/// One sentence with its mend.
pub fn pack(_options: Options) -> Result<()> {
    bail!("Packing is not there yet")
}
