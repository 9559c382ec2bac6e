//! The files of a pack by their paths, before they are written anywhere.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files by their paths in the pack: relative, with `/`, without `.` or `..`.
/// Folders are there by what is in them.
#[derive(Clone, Debug, Default)]
pub struct Tree(pub BTreeMap<String, Item>);

/// A file of a pack.
#[derive(Clone, Debug)]
pub struct Item {
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
    /// Adds a file of a few bytes that nobody executes.
    pub fn add(&mut self, path: &str, bytes: Vec<u8>) {
        let item = Item {
            content: Content::Bytes(bytes),
            executable: false,
        };
        self.0.insert(path.to_owned(), item);
    }
}

impl Item {
    /// Its bytes.
    ///
    /// # Errors
    /// The file cannot be read; the error names it.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        match &self.content {
            Content::Bytes(bytes) => Ok(bytes.clone()),
            Content::Disk(path) => fs::read(path).map_err(|error| named(path, &error)),
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
