//! Makes what pip installed the same on every machine.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};

use crate::pack::record;
use crate::pack::walk::{self, Links};

/// Moves everything from one folder into another; existing files stay.
pub fn merge(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if !target.exists() {
            fs::rename(entry.path(), target)?;
        } else if target.is_dir() && entry.file_type()?.is_dir() {
            merge(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Removes what differs between machines: commands with the path of this Python,
/// compiled modules, notes about what was requested and where it came from. The lists
/// of the packages' files are written again.
///
/// # Errors
/// A file cannot be read or written; it is named.
pub fn normalize(packages: &Path) -> Result<()> {
    let commands = packages.join("bin");
    if commands.is_dir() {
        for file in walk::files(&commands, Links::Kept)? {
            if is_command_of_python(&file)? {
                remove(&file)?;
            }
        }
    }
    for file in walk::files(packages, Links::Kept)? {
        let is_compiled = file.components().any(|it| it.as_os_str() == "__pycache__");
        if is_compiled || is_install_note(&file)? {
            remove(&file)?;
            continue;
        }
        let name = || file.display().to_string();
        let mode = fs::symlink_metadata(&file)
            .with_context(name)?
            .permissions()
            .mode();
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        fs::set_permissions(&file, Permissions::from_mode(mode)).with_context(name)?;
    }
    for entry in fs::read_dir(packages)? {
        let record = entry?.path().join("RECORD");
        if record.is_file() {
            rewrite(&record, packages).with_context(|| format!("{}", record.display()))?;
        }
    }
    remove_empty(packages)?;
    Ok(())
}

pub fn remove(file: &Path) -> Result<()> {
    fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))
}

/// Removes the empty folders inside a folder.
pub fn remove_empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_empty(&entry.path())?;
            if fs::read_dir(entry.path())?.next().is_none() {
                fs::remove_dir(entry.path())?;
            }
        }
    }
    Ok(())
}

/// pip makes these commands; they begin with the path of this Python. A long path is in
/// the second line.
fn is_command_of_python(file: &Path) -> Result<bool> {
    let text = fs::read(file).with_context(|| format!("{}", file.display()))?;
    let mut lines = text.split(|byte| *byte == b'\n');
    let (first, second) = (lines.next().unwrap_or(b""), lines.next().unwrap_or(b""));
    let has = |line: &[u8], word: &[u8]| line.windows(word.len()).any(|it| it == word);
    Ok(first.starts_with(b"#!") && (has(first, b"python") || second.starts_with(b"'''exec'")))
}

/// Whether a file says that the package was requested by name (PEP 376), or names a
/// folder of this machine (PEP 610).
fn is_install_note(file: &Path) -> Result<bool> {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    if !folder.to_string_lossy().ends_with(".dist-info") {
        return Ok(false);
    }
    Ok(match file.file_name().unwrap_or_default().to_str() {
        Some("REQUESTED") => true,
        Some("direct_url.json") => {
            let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
            text.contains("\"file:")
        }
        _ => false,
    })
}

/// Writes a list again: with the files that exist, by their paths here ("Recording
/// installed projects").
fn rewrite(file: &Path, packages: &Path) -> io::Result<()> {
    let text = fs::read_to_string(file)?;
    let mut rows = BTreeSet::new();
    for (name, rest) in record::rows(&text) {
        // Files beside the folder of packages (../../bin) were moved into it.
        let steps_up = |it: &Component<'_>| *it == Component::ParentDir;
        let path: PathBuf = Path::new(&name).components().skip_while(steps_up).collect();
        if packages.join(&path).is_file() {
            rows.insert(record::row(&path.display().to_string(), rest));
        }
    }
    fs::write(file, rows.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_what_is_there_by_where_it_is() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let info = dir.path().join("one-1.dist-info");
        fs::create_dir_all(&info).expect("a folder");
        fs::create_dir(dir.path().join("share")).expect("a folder");
        for name in [
            "one.py",
            "a,b.txt",
            "share/one.txt",
            "one-1.dist-info/REQUESTED",
        ] {
            fs::write(dir.path().join(name), "").expect("a file");
        }
        let rows = "../../share/one.txt,,\none.py,sha256=x,0\n\"a,b.txt\",,\n../../bin/one,,\n\
                    __pycache__/one.cpython-313.pyc,,\none-1.dist-info/REQUESTED,,\n\
                    one-1.dist-info/RECORD,,\n";
        fs::write(info.join("RECORD"), rows).expect("a file");
        normalize(dir.path()).expect("it is normalized");
        let rows = fs::read_to_string(info.join("RECORD")).expect("a list");
        let wanted =
            "\"a,b.txt\",,\none-1.dist-info/RECORD,,\none.py,sha256=x,0\nshare/one.txt,,\n";
        assert_eq!(rows, wanted);
    }
}
