//! The name of an image.

use anyhow::{Context, Result};
use oci_spec::distribution::Reference;

/// An image's name with its tag.
pub struct Name {
    reference: Reference,
    short: String,
}

impl Name {
    /// The project's name, with its version as the tag.
    ///
    /// # Errors
    /// The project's name has no character that an image's name may have.
    pub fn usual(project: &str, version: Option<&str>) -> Result<Self> {
        let name = plain(&project.to_lowercase());
        Self::parse(&format!("{name}:{}", plain(version.unwrap_or("latest"))))
    }

    /// A name as people write it. If it has no tag, `latest` is added.
    ///
    /// # Errors
    /// It is not a valid name.
    pub fn parse(text: &str) -> Result<Self> {
        let reference: Reference = text.parse().with_context(|| {
            format!("'{text}' cannot be an image's name; give one with --tag, as in shop:1.2")
        })?;
        let tag = reference.tag().unwrap_or_default();
        anyhow::ensure!(
            reference.digest().is_none(),
            "'{text}' has a digest, which only the finished image has; give --tag a name as in shop:1.2"
        );
        let named = text.ends_with(&format!(":{tag}"));
        let short = if named {
            text.to_owned()
        } else {
            format!("{text}:{tag}")
        };
        Ok(Self { reference, short })
    }

    /// As people write it: `shop:1.2`.
    pub fn short(&self) -> &str {
        &self.short
    }

    /// With the registry: `docker.io/library/shop:1.2`.
    pub fn whole(&self) -> String {
        self.reference.whole()
    }
}

/// Text with only the characters that an image's name may have. A project's name and
/// version may have others (PEP 440: `1.2+local`).
fn plain(text: &str) -> String {
    let may = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    let text = text.replace(|it| !may(it), "-");
    text.trim_matches(['.', '_', '-']).to_owned()
}
