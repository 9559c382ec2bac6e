//! Writes the files of a project: all or none.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Writes these texts into a folder, which is made if it does not exist.
///
/// # Errors
/// A file exists already or cannot be written. Files that were written are removed
/// again.
pub fn write(folder: &Path, files: &BTreeMap<String, String>) -> Result<()> {
    if let Some(path) = files.keys().find(|path| is_there(&folder.join(path))) {
        bail!(
            "'{}' is there already, so nothing was written; name a folder where it is not",
            folder.join(path).display()
        );
    }
    let mut made = Vec::new();
    let written = files.iter().try_for_each(|(path, text)| {
        let path = folder.join(path);
        add(&path, text, &mut made)
            .with_context(|| format!("'{}' cannot be written", path.display()))
    });
    if written.is_err() {
        for path in made.iter().rev() {
            // A folder that somebody else has put files into stays.
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
    written
}

/// Adds a file and its parent folders. Every path that was made is added to `made`.
fn add(path: &Path, text: &str, made: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let missing = path.ancestors().skip(1).take_while(|it| {
        let is_current = it.as_os_str().is_empty();
        !is_current && !it.exists()
    });
    let missing: Vec<&Path> = missing.collect();
    for folder in missing.into_iter().rev() {
        fs::create_dir(folder)?;
        made.push(folder.to_owned());
    }
    let mut file = File::create_new(path)?;
    made.push(path.to_owned());
    file.write_all(text.as_bytes())
}

fn is_there(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if error.kind() == ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(paths: &[&str]) -> BTreeMap<String, String> {
        let texts = paths
            .iter()
            .map(|path| ((*path).to_owned(), "text".to_owned()));
        texts.collect()
    }

    #[test]
    fn nothing_is_left_of_what_cannot_be_written() {
        let place = tempfile::tempdir().unwrap();
        let long = "x".repeat(300);
        let files = texts(&["a", "b/c/d", &format!("y/{long}")]);
        for (folder, left) in [("", 0), ("new/er", 0)] {
            let error = write(&place.path().join(folder), &files).unwrap_err();
            assert!(error.to_string().contains(&long), "{error}");
            assert_eq!(fs::read_dir(place.path()).unwrap().count(), left);
        }
    }

    #[test]
    fn what_is_there_is_named_and_stays() {
        let place = tempfile::tempdir().unwrap();
        // A link to nothing counts as existing.
        std::os::unix::fs::symlink("nowhere", place.path().join("b")).unwrap();
        let error = write(place.path(), &texts(&["a", "b"])).unwrap_err();
        assert!(error.to_string().contains("/b'"), "{error}");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
