//! What an image is called.

use anyhow::{Context, Result};
use oci_spec::distribution::Reference;

use super::Image;

/// An image's name with its tag.
pub struct Name {
    reference: Reference,
    short: String,
}

impl Name {
    /// The name that was asked for, or the label's with its version; a name that
    /// has no tag gets `latest`.
    pub fn of(image: &Image<'_>) -> Result<Option<Self>> {
        let label = image.label;
        let text = match (image.tag, &label.name) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(name)) => {
                let version = label.version.as_deref().unwrap_or("latest");
                format!("{}:{}", plain(&name.to_lowercase()), plain(version))
            }
            (None, None) => return Ok(None),
        };
        let reference: Reference = text.parse().with_context(|| {
            format!("'{text}' cannot be an image's name; give one with --tag, as in shop:1.2")
        })?;
        let tag = reference.tag().unwrap_or_default();
        anyhow::ensure!(
            reference.digest().is_none(),
            "'{text}' has a digest, which only the finished image has; give --tag a name as in shop:1.2"
        );
        let named = text.ends_with(&format!(":{tag}"));
        let short = if named { text } else { format!("{text}:{tag}") };
        Ok(Some(Self { reference, short }))
    }

    /// As people write it: `shop:1.2`.
    pub fn short(&self) -> String {
        self.short.clone()
    }

    /// With the registry: `docker.io/library/shop:1.2`.
    pub fn whole(&self) -> String {
        self.reference.whole()
    }
}

/// Text with nothing but what a name may have; a project's name and version
/// (PEP 440: `1.2+local`) have more.
fn plain(text: &str) -> String {
    let may = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    let text = text.replace(|it| !may(it), "-");
    text.trim_matches(['.', '_', '-']).to_owned()
}
