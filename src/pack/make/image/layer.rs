//! One layer of an image: a compressed tar that is the same bytes whenever it
//! holds the same.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anyhow::{Context, Result};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::pack::make::times;
use crate::pack::text;
use crate::pack::tree::Tree;

/// A layer that was made.
pub struct Layer {
    /// Words for people.
    pub title: String,
    /// The SHA-256 of the tar before it was compressed, in hexadecimal.
    pub uncompressed: String,
    pub packed: Blob,
}

/// Bytes with their SHA-256, in hexadecimal.
pub struct Blob {
    pub hash: String,
    pub bytes: Vec<u8>,
}

impl Blob {
    pub fn of(bytes: Vec<u8>) -> Self {
        let hash = text::hexadecimal(&Sha256::digest(&bytes));
        Self { hash, bytes }
    }
}

/// Makes a layer with what `fill` puts in.
pub fn make(title: String, fill: impl FnOnce(&mut Contents) -> Result<()>) -> Result<Layer> {
    // Without a time in its header, and with 255 for an unknown system (RFC 1952).
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let plain = Hashing {
        inner: gzip,
        hash: Sha256::new(),
    };
    let mut contents = Contents {
        tar: Builder::new(plain),
        folders: BTreeSet::new(),
    };
    fill(&mut contents)?;
    let plain = contents.tar.into_inner()?;
    Ok(Layer {
        title,
        uncompressed: text::hexadecimal(&plain.hash.finalize()),
        packed: Blob::of(plain.inner.finish()?),
    })
}

/// What is in a layer, in the order in which it is put there. All belongs to
/// root, but for folders that say otherwise. The time of a file is that of its
/// content: a layer must not be another one because an app is.
pub struct Contents {
    tar: Builder<Hashing<GzEncoder<Vec<u8>>>>,
    folders: BTreeSet<String>,
}

impl Contents {
    /// A folder and those that it is in.
    pub fn folder(&mut self, path: &str, mode: u32, owner: u32) -> Result<()> {
        self.parents(path)?;
        self.folders.insert(path.to_owned());
        let mut header = header(EntryType::Directory, mode, &[]);
        header.set_uid(owner.into());
        header.set_gid(owner.into());
        Ok(self
            .tar
            .append_data(&mut header, format!("{path}/"), io::empty())?)
    }

    /// A file of these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.parents(path)?;
        let mut header = header(EntryType::Regular, mode, bytes);
        Ok(self.tar.append_data(&mut header, path, bytes)?)
    }

    /// The files of a pack, below a folder.
    pub fn tree(&mut self, folder: &str, tree: &Tree) -> Result<()> {
        for (path, item) in &tree.0 {
            let mode = if item.executable { 0o755 } else { 0o644 };
            let bytes = item
                .read()
                .with_context(|| format!("'{path}' cannot be packed"))?;
            self.file(&format!("{folder}/{path}"), mode, &bytes)?;
        }
        Ok(())
    }

    /// The folders that a path is in, where they are not there yet.
    fn parents(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) if !self.folders.contains(parent) => self.folder(parent, 0o755, 0),
            _ => Ok(()),
        }
    }
}

/// The head of an entry of these bytes that is root's.
pub fn header(kind: EntryType, mode: u32, bytes: &[u8]) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(bytes.len() as u64);
    header.set_mtime(times::of_content(bytes));
    header
}

/// Passes bytes on, and knows their hash.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
