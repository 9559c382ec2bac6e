//! The pip in the bundle: a wheel, for `ensurepip`.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::bundle;
use crate::cache;

/// Unpacks pip into a private cache folder, unless an earlier start has done
/// so. (If pip were imported from the wheel, each run would compile it again.)
/// Gives the folder with `pip/__init__.py`.
///
/// # Errors
/// No folder can be written.
pub fn extract() -> io::Result<PathBuf> {
    let wheel = wheel();
    cache::filled(
        &cache::places("pip"),
        // Another build may have another version of pip.
        env!("RGUNICORN_BUNDLE_ID"),
        |place| is_whole(&wheel, place).unwrap_or(false),
        |place| Ok(archive(&wheel)?.extract(place)?),
    )
}

/// The wheel's bytes.
pub fn wheel() -> Cow<'static, [u8]> {
    const FOLDER: &str = concat!(
        "lib/python",
        env!("RGUNICORN_PYTHON_MINOR"),
        "/ensurepip/_bundled"
    );
    let mut files = bundle::below(FOLDER);
    files.next().expect("the build puts it there").data()
}

fn archive(wheel: &[u8]) -> io::Result<ZipArchive<Cursor<&[u8]>>> {
    Ok(ZipArchive::new(Cursor::new(wheel))?)
}

fn is_whole(wheel: &[u8], place: &Path) -> io::Result<bool> {
    let mut archive = archive(wheel)?;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let there = fs::symlink_metadata(place.join(entry.name()))?;
        if !there.is_file() || there.len() != entry.size() {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_not_whole() {
        let place = tempfile::tempdir().expect("a temporary folder");
        let wheel = wheel();
        let whole = || is_whole(&wheel, place.path()).unwrap_or(false);
        assert!(!whole());
        let mut archive = archive(&wheel).expect("a wheel");
        archive.extract(place.path()).expect("files");
        assert!(whole());
        fs::write(place.path().join("pip/__init__.py"), "").expect("a file");
        assert!(!whole());
    }
}
