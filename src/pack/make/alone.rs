//! An image of the program alone. A site is mounted at `/site`, or added by a further
//! layer.

use std::io::Write;

use anyhow::{Context, Result};

use super::executable;
use super::image::{self, Image, Name};
use super::options::Options;
use super::times::Times;
use crate::pack::inspect;
use crate::pack::label::Label;
use crate::pack::output::{self, Output};
use crate::pack::text;
use crate::pack::tree::Tree;
use crate::python;

/// Writes the image, and the list of what is inside if it is asked for.
///
/// # Errors
/// The image cannot have the name, or a file cannot be written.
pub fn pack(options: &Options) -> Result<()> {
    let path = options.image.as_deref();
    let path = path.context("--no-site makes an image; name its file with --image")?;
    let version = env!("CARGO_PKG_VERSION");
    let label = Label {
        name: Some("rgunicorn".to_owned()),
        version: Some(version.to_owned()),
        rgunicorn: version.to_owned(),
        python: python::version().to_owned(),
        ..Label::default()
    };
    let name = match &options.tag {
        Some(tag) => Name::parse(tag)?,
        None => Name::usual("rgunicorn", Some(version))?,
    };
    let contents = inspect::describe_program()?;
    let nothing = Tree::default();
    let mut output = Output::new(path)?;
    let mut writer = output.writer();
    let image = Image {
        label: &label,
        executable: &executable::program(false)?,
        dependencies: &nothing,
        app: &nothing,
        name: &name,
        sbom: Some(&contents),
        created: Times::read()?.made(),
    };
    image::write(&image, &mut writer)?;
    writer.flush().context("The image cannot be written")?;
    drop(writer);
    let size = text::size(output.finish(false)?);
    if let Some(to) = &options.sbom {
        output::write(to, &contents, "the list of what is inside")?;
    }
    let (path, name) = (text::printable(&path.to_string_lossy()), name.short());
    let told = format!("Made {path} ({size}). Its name is {name}; mount a site at /site\n");
    output::print(told.as_bytes())?;
    Ok(())
}
