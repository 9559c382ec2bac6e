//! A list of what was unpacked, stored beside it. With it a later start can see whether
//! all files are still there, without reading the archive.
//!
//! A file that has become larger counts as whole: the app writes to its own files, and
//! nothing that deletes or cuts files makes one larger.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::check::Entry;

const NAME: &str = "files";

/// The files and folders of an unpacked app.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest(Vec<ManifestEntry>);

#[derive(Debug, PartialEq, Eq)]
struct ManifestEntry {
    /// Below the app's folder.
    path: String,
    /// In bytes; `None` for a folder.
    size: Option<u64>,
}

/// What is wrong with a file or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    Missing,
    /// It has fewer bytes than before.
    Shorter,
}

impl Manifest {
    /// The entries of an archive.
    pub(super) fn of(entries: &[Entry]) -> Self {
        let item = |entry: &Entry| ManifestEntry {
            path: entry.path.clone(),
            size: (!entry.is_dir).then_some(entry.size),
        };
        Self(entries.iter().map(item).collect())
    }

    /// Reads the list beside an unpacked app. `None` if it is missing or incomplete.
    pub(super) fn read(entry: &Path) -> Option<Self> {
        let text = String::from_utf8(fs::read(entry.join(NAME)).ok()?).ok()?;
        let mut records = text.split_terminator('\0');
        let count: usize = records.next()?.parse().ok()?;
        let items = records.map(|record| {
            let (size, path) = record.split_once(' ')?;
            let size = match size {
                "-" => None,
                size => Some(size.parse().ok()?),
            };
            let path = path.to_owned();
            Some(ManifestEntry { path, size })
        });
        let items = items.collect::<Option<Vec<_>>>()?;
        (items.len() == count && text.ends_with('\0')).then_some(Self(items))
    }

    /// Writes the list beside the app. It appears whole or not at all.
    pub(super) fn write(&self, entry: &Path) -> io::Result<()> {
        // A path may hold any character but NUL.
        let mut text = format!("{}\0", self.0.len());
        for ManifestEntry { path, size } in &self.0 {
            let size = size.map_or_else(|| "-".to_owned(), |size| size.to_string());
            text.push_str(&format!("{size} {path}\0"));
        }
        let new = entry.join(".files");
        fs::write(&new, text)?;
        fs::rename(new, entry.join(NAME))
    }

    /// Whether everything is there.
    pub(super) fn is_whole(&self, site: &Path) -> bool {
        self.0
            .iter()
            .all(|item| matches!(item.damage(site), Ok(None)))
    }

    /// What is missing or was cut, in order.
    pub(super) fn damaged(&self, site: &Path) -> io::Result<Vec<(String, Damage)>> {
        let damage = |item: &ManifestEntry| {
            let damage = item.damage(site).transpose()?;
            Some(damage.map(|damage| (item.path.clone(), damage)))
        };
        self.0.iter().filter_map(damage).collect()
    }

    /// From now on the file counts as whole with this size.
    pub(super) fn accept_size(&mut self, path: &str, size: u64) {
        for item in self.0.iter_mut().filter(|item| item.path == path) {
            item.size = Some(size);
        }
    }
}

impl ManifestEntry {
    fn damage(&self, site: &Path) -> io::Result<Option<Damage>> {
        Ok(match (fs::metadata(site.join(&self.path)), self.size) {
            (Ok(there), Some(size)) if there.is_file() && there.len() < size => {
                Some(Damage::Shorter)
            }
            (Ok(_), _) => None,
            (Err(error), _) if error.kind() == ErrorKind::NotFound => Some(Damage::Missing),
            (Err(error), _) => return Err(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let item = |path: &str, size| ManifestEntry {
            path: path.to_owned(),
            size,
        };
        Manifest(vec![
            item("app.py", Some(3)),
            item("empty", None),
            item("odd\nname here", Some(0)),
        ])
    }

    #[test]
    fn it_is_read_as_it_was_written_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(folder.path()), None);
        manifest().write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()), Some(manifest()));
        let file = folder.path().join(NAME);
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            assert_eq!(Manifest::read(folder.path()), None, "cut to {length}");
        }
    }

    #[test]
    fn what_is_missing_or_shorter_is_damaged() {
        let site = tempfile::tempdir().unwrap();
        let mut manifest = manifest();
        fs::write(site.path().join("app.py"), "longer").unwrap();
        fs::create_dir(site.path().join("empty")).unwrap();
        fs::write(site.path().join("odd\nname here"), "").unwrap();
        assert!(manifest.is_whole(site.path()));
        fs::write(site.path().join("app.py"), "x").unwrap();
        fs::remove_dir(site.path().join("empty")).unwrap();
        assert!(!manifest.is_whole(site.path()));
        let damaged = manifest.damaged(site.path()).unwrap();
        let expected = [
            ("app.py".to_owned(), Damage::Shorter),
            ("empty".to_owned(), Damage::Missing),
        ];
        assert_eq!(damaged, expected);
        manifest.accept_size("app.py", 1);
        let damaged = manifest.damaged(site.path()).unwrap();
        assert_eq!(damaged, expected[1..]);
    }
}
