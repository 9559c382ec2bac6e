//! Builds an image from its layers.

use std::io::Write;
use std::thread;

use anyhow::{Context, Result};

use super::input::{CACHE, Image, NOBODY, SBOM, SITE};
use super::layer::{self, LayerWriter};
use super::{config, layout};
use crate::pack::label;

/// Writes the image.
///
/// # Errors
/// A file cannot be read, or the image cannot be written.
pub fn write(image: &Image<'_>, to: &mut impl Write) -> Result<()> {
    // In parallel, because compressing takes the most time.
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

type Fill<'a> = Box<dyn FnOnce(&mut LayerWriter) -> Result<()> + Send + 'a>;

/// The layers from the bottom, each with a title for `docker history`.
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
    if image.has_no_site() {
        return stack;
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

/// The executable, and the files that a system has around it.
fn base(image: &Image<'_>, contents: &mut LayerWriter) -> Result<()> {
    // libpq and getpass fail for a user who has no entry.
    let users = format!(
        "root:x:0:0:root:/:/bin/false\nnobody:x:{NOBODY}:{NOBODY}:nobody:/{CACHE}:/bin/false\n"
    );
    let groups = format!("root:x:0:\nnogroup:x:{NOBODY}:\n");
    contents.folder(CACHE, 0o700, NOBODY)?;
    contents.file("etc/group", 0o644, groups.as_bytes())?;
    contents.file("etc/passwd", 0o644, users.as_bytes())?;
    contents.file("rgunicorn", 0o755, image.executable)?;
    if image.has_no_site() {
        contents.folder(SITE, 0o755, 0)?;
        if let Some(sbom) = image.sbom {
            contents.file(SBOM, 0o644, sbom)?;
        }
    }
    contents.folder("tmp", 0o1777, 0)
}

/// The app, its label, and the list of what is inside.
fn app(image: &Image<'_>, contents: &mut LayerWriter) -> Result<()> {
    let mut files = image.app.clone();
    files.add(label::NAME, image.label.to_json());
    if let Some(sbom) = image.sbom {
        files.add(SBOM, sbom.to_vec());
    }
    contents.tree(SITE, &files)
}
