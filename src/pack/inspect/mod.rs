//! What is inside a pack of any form.

mod options;

use anyhow::{Result, bail};

pub use options::Options;

/// Shows it.
///
/// # Errors
/// One sentence with its mend.
pub fn inspect(_options: &Options) -> Result<()> {
    bail!("Inspecting is not there yet")
}
