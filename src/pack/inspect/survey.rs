//! What is looked at in a pack, whatever form it has: the sizes of all files, and
//! the content of those that tell something.

use std::collections::BTreeMap;
use std::fs;
use std::iter::Sum;

use anyhow::{Context, Result, bail};

use super::binary::Binary;
use crate::pack::error::EntryFault;
use crate::pack::label;
use crate::pack::tree::{Content, SITE_PACKAGES, Tree};

/// The files of a pack, by their paths in it.
#[derive(Debug, Default)]
pub struct Survey {
    pub files: BTreeMap<String, Size>,
    /// The files that packages are told by, and the label.
    pub texts: BTreeMap<String, String>,
    /// The native code; what cannot be understood has the reason.
    pub binaries: BTreeMap<String, Result<Binary, String>>,
}

/// How large something is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// In the pack.
    pub packed: u64,
    /// When it is used.
    pub unpacked: u64,
}

impl Sum for Size {
    fn sum<I: Iterator<Item = Self>>(sizes: I) -> Self {
        sizes.fold(Self::default(), |sum, size| Self {
            packed: sum.packed.saturating_add(size.packed),
            unpacked: sum.unpacked.saturating_add(size.unpacked),
        })
    }
}

impl Survey {
    /// Looks at files that are not packed yet.
    ///
    /// # Errors
    /// One of them cannot be read, or is a text that is far too long; it is named.
    pub fn of_tree(tree: &Tree) -> Result<Self> {
        let mut survey = Self::default();
        for (path, file) in &tree.0 {
            let length = match &file.content {
                Content::Bytes(bytes) => bytes.len() as u64,
                Content::Disk(path) => {
                    let there = fs::metadata(path);
                    there.with_context(|| path.display().to_string())?.len()
                }
            };
            let size = Size {
                packed: length,
                unpacked: length,
            };
            survey.files.insert(path.clone(), size);
            if let Some(fault) = too_long(path, length) {
                bail!("{path} {fault}");
            }
            if is_examined(path) {
                survey.examine(path, &file.read()?);
            }
        }
        Ok(survey)
    }

    /// Takes what the content of a file tells.
    pub fn examine(&mut self, path: &str, bytes: &[u8]) {
        if is_native(path) {
            self.binaries.insert(path.to_owned(), Binary::read(bytes));
        } else {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.texts.insert(path.to_owned(), text);
        }
    }
}

/// Whether the content of the file at this path is to be looked at.
pub fn is_examined(path: &str) -> bool {
    path == label::NAME || is_native(path) || package_file(path).is_some()
}

/// What is wrong with a file of this size in bytes that is to be read as text: it
/// would fill the memory.
pub(super) fn too_long(path: &str, size: u64) -> Option<EntryFault> {
    /// The longest RECORD of large packages has some 2 MB.
    const LONGEST: u64 = 16 << 20;
    (size > LONGEST && is_examined(path) && !is_native(path)).then_some(EntryFault::LongText)
}

fn is_native(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    // With versions behind, as libraries have them: libpq.so.5.16
    name.ends_with(".so")
        || name.split_once(".so.").is_some_and(|(_, versions)| {
            versions.bytes().all(|it| it.is_ascii_digit() || it == b'.')
        })
}

/// The folder of a package's own files (PEP 376), and which file of it this is.
/// Such folders lie where packages are installed: in `site-packages`, or at the
/// root of packs that are made by hand.
pub fn package_file(path: &str) -> Option<(&str, &str)> {
    const NAMES: [&str; 3] = ["METADATA", "RECORD", "direct_url.json"];
    let (folder, name) = path.rsplit_once('/')?;
    let within = match folder.split_once('/') {
        Some((SITE_PACKAGES, within)) => within,
        Some(_) => return None,
        None => folder,
    };
    let is_one = within.ends_with(".dist-info") && !within.contains('/') && NAMES.contains(&name);
    is_one.then_some((folder, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_tell_something_are_known_by_their_paths() {
        for path in [
            "rgunicorn.json",
            "a/b.so",
            "numpy.libs/libgfortran-1.so.5.0",
            "site-packages/flask-3.dist-info/METADATA",
            "flask-3.dist-info/RECORD",
        ] {
            assert!(is_examined(path), "{path}");
        }
        for path in [
            "a/rgunicorn.json",
            "a/b.some",
            "a/b.so.py",
            "app/flask-3.dist-info/METADATA",
            "site-packages/flask-3.dist-info/LICENSE",
            "site-packages/flask-3.dist-info/a/METADATA",
            "METADATA",
        ] {
            assert!(!is_examined(path), "{path}");
        }
    }
}
