//! What an image is made of, and the paths in it.

use super::name::Name;
use crate::pack::label::Label;
use crate::pack::tree::Tree;

/// The user and the group that the site runs as: `nobody` everywhere.
pub const NOBODY: u32 = 65534;
/// The folder of the site.
pub const SITE: &str = "site";
/// The only folder besides `/tmp` that [`NOBODY`] may write to.
pub const CACHE: &str = "cache";
/// The list of what is inside, in the site's folder, or in the root if there is no site.
/// Scanners find it by its extension.
pub const SBOM: &str = "sbom.cdx.json";

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

impl Image<'_> {
    /// Whether it has the program alone: every site has a file of its app.
    pub fn has_no_site(&self) -> bool {
        self.app.0.is_empty()
    }
}
