//! Removes what a server does not need from dependencies: tests and type stubs.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::normalize;
use crate::pack::walk::{self, Links};

/// Removes them. Returns how many bytes that saves.
///
/// # Errors
/// A file cannot be read or removed; it is named.
pub fn strip(packages: &Path) -> Result<u64> {
    let files = walk::files(packages, Links::Kept)?;
    let mut saved = 0;
    for file in &files {
        let inside = file.strip_prefix(packages).unwrap_or(file);
        let of_tests = folders_of_tests(inside).any(|it| has_tests(&packages.join(it), &files));
        if of_tests || is_stub(file)? {
            let size = fs::metadata(file).map_or(0, |it| it.len());
            normalize::remove(file)?;
            saved += size;
        }
    }
    normalize::remove_empty(packages)?;
    Ok(saved)
}

/// The parent folders of a file that are named `test` or `tests`.
fn folders_of_tests(file: &Path) -> impl Iterator<Item = &Path> {
    let folders = file.ancestors().skip(1);
    folders.filter(|it| {
        matches!(
            it.file_name().and_then(OsStr::to_str),
            Some("test" | "tests")
        )
    })
}

/// Whether a folder has tests that a test runner would find. `django.test`, which helps
/// to write tests, has none.
fn has_tests(folder: &Path, files: &[PathBuf]) -> bool {
    files.iter().any(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let is_test =
            name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py";
        is_test && name.ends_with(".py") && file.starts_with(folder)
    })
}

/// Whether a file is a type stub that nobody reads. A module may read its own stub when
/// it is imported, to know what it exports (`lazy_loader`).
fn is_stub(file: &Path) -> Result<bool> {
    if file.extension().is_none_or(|it| it != "pyi") {
        return Ok(false);
    }
    let module = file.with_extension("py");
    if !module.is_file() {
        return Ok(true);
    }
    let text = fs::read(&module).with_context(|| format!("{}", module.display()))?;
    Ok(!text.windows(11).any(|it| it == b"attach_stub"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_stubs_go_and_what_is_for_tests_of_others_stays() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let stay = [
            "one/__init__.py",
            "one/test/client.py",
            "one/lazy.py",
            "one/lazy.pyi",
            "one/py.typed",
        ];
        let go = [
            "one/tests/__init__.py",
            "one/tests/deep/test_one.py",
            "one/__init__.pyi",
            "x-stubs/a.pyi",
        ];
        for name in stay.iter().chain(&go) {
            let file = dir.path().join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
            fs::write(file, "attach_stub").expect("a file");
        }
        fs::write(dir.path().join(stay[0]), "12345").expect("a file");
        assert_eq!(strip(dir.path()).expect("it is stripped"), 4 * 11);
        let mut left = walk::files(dir.path(), Links::Kept).expect("files");
        left.sort();
        let mut wanted = stay.map(|name| dir.path().join(name));
        wanted.sort();
        assert_eq!(left, wanted);
    }
}
