//! What an image is called.

use anyhow::{Context, Result};
use oci_spec::distribution::Reference;

/// An image's name with its tag.
pub struct Name {
    reference: Reference,
    short: String,
}

impl Name {
    /// A project's name, with its version as the tag.
    ///
    /// # Errors
    /// Nothing is left of the name but what no image can have.
    pub fn usual(project: &str, version: Option<&str>) -> Result<Self> {
        let name = plain(&project.to_lowercase());
        Self::parse(&format!("{name}:{}", plain(version.unwrap_or("latest"))))
    }

    /// A name as people write it; one without a tag gets `latest`.
    ///
    /// # Errors
    /// No engine takes it.
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

/// Text with nothing but what a name may have; a project's name and version
/// (PEP 440: `1.2+local`) have more.
fn plain(text: &str) -> String {
    let may = |it: char| it.is_ascii_alphanumeric() || "._-".contains(it);
    let text = text.replace(|it| !may(it), "-");
    text.trim_matches(['.', '_', '-']).to_owned()
}
