//! What is read from a pack of any form: the sizes of all files, and the content of
//! those that say something about packages or native code.

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
    /// The label, and the files with the metadata of packages.
    pub texts: BTreeMap<String, String>,
    /// The native code, or the reason why it cannot be read.
    pub binaries: BTreeMap<String, Result<Binary, String>>,
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// In the pack.
    pub packed: u64,
    /// When it is unpacked.
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
    /// Examines files that are not packed yet.
    ///
    /// # Errors
    /// A file cannot be read or is too long; it is named.
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

    /// Keeps what the content of a file says.
    pub fn examine(&mut self, path: &str, bytes: &[u8]) {
        if is_native(path) {
            self.binaries.insert(path.to_owned(), Binary::read(bytes));
        } else {
            let text = String::from_utf8_lossy(bytes).into_owned();
            self.texts.insert(path.to_owned(), text);
        }
    }
}

/// Whether the content of the file at this path is read.
pub fn is_examined(path: &str) -> bool {
    path == label::NAME || is_native(path) || package_file(path).is_some()
}

/// What is wrong with a file of this size in bytes that would be read as text: it would
/// fill the memory.
pub(super) fn too_long(path: &str, size: u64) -> Option<EntryFault> {
    /// The longest RECORD of large packages has about 2 MB.
    const LONGEST: u64 = 16 << 20;
    (size > LONGEST && is_examined(path) && !is_native(path)).then_some(EntryFault::LongText)
}

fn is_native(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    // Libraries may have a version at the end: libpq.so.5.16
    name.ends_with(".so")
        || name.split_once(".so.").is_some_and(|(_, versions)| {
            versions.bytes().all(|it| it.is_ascii_digit() || it == b'.')
        })
}

/// The metadata folder of a package (PEP 376), and the name of the file in it. These
/// folders are in `site-packages`, or at the root of packs that were made by hand.
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
