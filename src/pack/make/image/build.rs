//! A container image of a site, made without a container engine: an OCI image
//! layout in a tar (OCI Image Format Specification 1.1), with the list beside it
//! by which Docker's older engines find their way.
//!
//! It has no base. Its layers come in the order of how often they change, and
//! each is the same bytes when its content is the same: a new version of the
//! app is an upload of the last one only.

mod config;
mod layer;
mod layout;
mod name;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::thread;

use anyhow::{Context, Result};

use crate::pack::label::{self, Label};
use crate::pack::tree::Tree;
pub use config::{is_closed, ports};
use layer::Contents;
pub use name::Name;

/// The user and the group that the site runs as: `nobody` everywhere.
const NOBODY: u32 = 65534;
/// Where the site lies.
const SITE: &str = "site";
/// The one place besides `/tmp` that is [`NOBODY`]'s to write.
const CACHE: &str = "cache";
/// The list of what is inside, in the site's folder; scanners know it by its
/// ending.
const SBOM: &str = "sbom.cdx.json";
/// What an image is made of.
pub struct Image<'a> {
    pub label: &'a Label,
    /// The program, without a site of its own.
    pub executable: &'a [u8],
    /// Paths below `site-packages/`.
    pub dependencies: &'a Tree,
    pub app: &'a Tree,
    pub name: &'a Name,
    /// A list of what is inside, in CycloneDX's JSON.
    pub sbom: Option<&'a [u8]>,
    /// Seconds since 1970.
    pub created: u64,
}

/// Writes the image.
///
/// # Errors
/// A file cannot be read, or the image not be written.
pub fn write(image: &Image<'_>, to: &mut impl Write) -> Result<()> {
    // At the same time: compressing is what takes long.
    let layers = thread::scope(|scope| {
        let stack = stack(image).into_iter();
        let running: Vec<_> = stack
            .map(|(title, fill)| scope.spawn(|| layer::make(title, fill)))
            .collect();
        let layers = running.into_iter();
        layers
            .map(|layer| layer.join().expect("it does not panic"))
            .collect::<Result<Vec<_>>>()
    })?;
    let config = config::of(image, &layers)?;
    let annotations = config::annotations(image)?;
    layout::write(&config, &layers, annotations, image.name, to)
        .context("The image cannot be written")
}

type Fill<'a> = Box<dyn FnOnce(&mut Contents) -> Result<()> + Send + 'a>;

/// The layers from the bottom, each with words for `docker history`.
fn stack<'a>(image: &'a Image<'_>) -> Vec<(String, Fill<'a>)> {
    let label = image.label;
    let mut stack: Vec<(String, Fill<'a>)> = vec![(
        format!(
            "The executable: rgunicorn {}, Python {}",
            label.rgunicorn, label.python
        ),
        Box::new(|contents| base(image, contents)),
    )];
    if !image.dependencies.0.is_empty() {
        stack.push((
            "The dependencies".to_owned(),
            Box::new(|contents| contents.tree(SITE, image.dependencies)),
        ));
    }
    let named = [label.name.as_deref(), label.version.as_deref()];
    let named = named.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let title = if named.is_empty() {
        "The app".to_owned()
    } else {
        format!("The app: {named}")
    };
    stack.push((title, Box::new(|contents| app(image, contents))));
    stack
}

/// The executable and what a system has around it.
fn base(image: &Image<'_>, contents: &mut Contents) -> Result<()> {
    // Where one has no entry, libpq and getpass fail.
    let users = format!(
        "root:x:0:0:root:/:/bin/false\nnobody:x:{NOBODY}:{NOBODY}:nobody:/{CACHE}:/bin/false\n"
    );
    let groups = format!("root:x:0:\nnogroup:x:{NOBODY}:\n");
    contents.folder(CACHE, 0o700, NOBODY)?;
    contents.file("etc/group", 0o644, groups.as_bytes())?;
    contents.file("etc/passwd", 0o644, users.as_bytes())?;
    contents.file("rgunicorn", 0o755, image.executable)?;
    contents.folder("tmp", 0o1777, 0)
}

/// The app, its label, and the list of what is inside.
fn app(image: &Image<'_>, contents: &mut Contents) -> Result<()> {
    let mut files = image.app.clone();
    files.add(label::NAME, image.label.to_json());
    if let Some(sbom) = image.sbom {
        files.add(SBOM, sbom.to_vec());
    }
    contents.tree(SITE, &files)
}
