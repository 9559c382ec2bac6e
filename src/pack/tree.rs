//! The files of a pack by their paths, before they are written anywhere.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::libc;

use super::interrupt;
use super::walk::{self, Links};

/// The folder of the dependencies in a pack.
pub const SITE_PACKAGES: &str = "site-packages";

/// Files by their paths in the pack: relative, with `/`, without `.` or `..`.
/// A folder exists only through the files in it.
#[derive(Clone, Debug, Default)]
pub struct Tree(pub BTreeMap<String, PackFile>);

/// A file of a pack.
#[derive(Clone, Debug)]
pub struct PackFile {
    pub content: Content,
    pub executable: bool,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    Disk(PathBuf),
    Bytes(Vec<u8>),
}

impl Tree {
    /// All files below a folder, with `prefix` before their paths. Symbolic links
    /// are followed.
    ///
    /// # Errors
    /// A folder cannot be read, or a name is not UTF-8.
    pub fn of_folder(folder: &Path, prefix: &str) -> Result<Self> {
        let mut tree = Self::default();
        for path in walk::files(folder, Links::Followed)? {
            let name = path.strip_prefix(folder).unwrap_or(&path).to_str();
            let name =
                name.with_context(|| format!("The name of {} is not UTF-8", path.display()))?;
            let name = format!("{prefix}{name}");
            let meta = fs::metadata(&path).with_context(|| format!("{}", path.display()))?;
            if meta.is_file() {
                let file = PackFile {
                    executable: meta.permissions().mode() & 0o111 != 0,
                    content: Content::Disk(path),
                };
                tree.0.insert(name, file);
            }
        }
        Ok(tree)
    }

    /// Adds a file of these bytes that is not executable.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let file = PackFile {
            content: Content::Bytes(bytes),
            executable: false,
        };
        self.0.insert(path.to_owned(), file);
    }

    /// Writes the files into a folder.
    ///
    /// # Errors
    /// One cannot be read or written; it is named.
    pub fn write_to(&self, folder: &Path) -> Result<()> {
        for (path, file) in &self.0 {
            let _blocked = interrupt::block();
            let to = folder.join(path);
            let parent = to.parent().unwrap_or(folder);
            fs::create_dir_all(parent).with_context(|| format!("{}", parent.display()))?;
            match &file.content {
                Content::Disk(from) => copy(from, &to, file.mode()),
                Content::Bytes(bytes) => fs::write(&to, bytes),
            }
            .with_context(|| format!("'{path}' cannot be copied to {}", to.display()))?;
        }
        Ok(())
    }
}

impl PackFile {
    /// Its bytes.
    ///
    /// # Errors
    /// The file cannot be read; the error names it.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Disk(path) => fs::read(path).map_err(|error| walk::named(path, &error)),
        }
    }

    /// Its permission bits.
    pub fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

fn copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    // A file that was replaced by a link meanwhile may lead anywhere.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(from)?;
    let mut new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(to)?;
    io::copy(&mut file, &mut new).map(drop)
}
