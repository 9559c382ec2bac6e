//! What an image is made of, and where its files are.

use super::name::Name;
use crate::pack::label::Label;
use crate::pack::tree::Tree;

/// The user and the group that the site runs as: `nobody` everywhere.
pub const NOBODY: u32 = 65534;
/// Where the site lies.
pub const SITE: &str = "site";
/// The one place besides `/tmp` that is [`NOBODY`]'s to write.
pub const CACHE: &str = "cache";
/// The list of what is inside, in the site's folder; scanners know it by its
/// ending.
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
