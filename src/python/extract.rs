//! Files of the bundle on the disk, for programs that can only read files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::bundle;
use crate::cache;

/// Writes the bundle's files below `folder` to a private cache folder of this
/// `kind`, unless an earlier start has done so. Gives the folder in which they
/// have the same paths as in the bundle, such as `lib/python3.13/os.py`.
///
/// # Errors
/// No folder can be written.
pub fn extract(folder: &str, kind: &str) -> io::Result<PathBuf> {
    cache::filled(
        &cache::places(kind),
        // Each build has its own folder, as its files differ.
        env!("RGUNICORN_BUNDLE_ID"),
        |place| is_whole(folder, place),
        |place| fill(folder, place),
    )
}

fn is_whole(folder: &str, place: &Path) -> bool {
    bundle::below(folder).all(|file| {
        let there = fs::symlink_metadata(place.join(file.path()));
        there.is_ok_and(|it| it.is_file() && it.len() == file.size() as u64)
    })
}

fn fill(folder: &str, place: &Path) -> io::Result<()> {
    for file in bundle::below(folder) {
        let path = place.join(file.path());
        fs::create_dir_all(path.parent().unwrap_or(place))?;
        fs::write(path, file.data())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_not_whole() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = concat!("lib/python", env!("RGUNICORN_PYTHON_MINOR"), "/json");
        assert!(!is_whole(folder, place.path()));
        fill(folder, place.path()).expect("files");
        assert!(is_whole(folder, place.path()));
        let file = place.path().join(folder).join("decoder.py");
        let text = fs::read(&file).expect("a file");
        assert!(text.windows(13).any(|part| part == b"def py_scanst"));
        fs::write(&file, &text[1..]).expect("a file");
        assert!(!is_whole(folder, place.path()));
    }
}
