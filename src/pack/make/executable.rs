//! The bytes of the running program, which a site is put behind.

use std::fs::File;
use std::io::Read;

use anyhow::{Context, Result, ensure};

use crate::carried::packed;
use crate::pack::appended;
use crate::python;

/// The bytes of the running program, without its own site. With `with_site`, they are
/// marked as a program that has a site.
///
/// # Errors
/// The file cannot be read, or was replaced.
pub fn program(with_site: bool) -> Result<Vec<u8>> {
    let path = python::executable();
    let read = || format!("The program's own file {} cannot be read", path.display());
    let mut file = File::open(path).with_context(read)?;
    let end = appended::end_of_program(&mut file).with_context(read)?;
    let end = end.with_context(read)?;
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file)?;
    file.take(end.program)
        .read_to_end(&mut bytes)
        .with_context(read)?;
    ensure!(
        packed::mark(&mut bytes, with_site),
        "{} is not the program that runs; start it again",
        path.display()
    );
    Ok(bytes)
}
