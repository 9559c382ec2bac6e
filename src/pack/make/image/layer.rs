//! One layer of an image: a compressed tar. The same content always gives the same
//! bytes.

use std::collections::BTreeSet;
use std::io;

use anyhow::{Context, Result};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

use crate::pack::hash::{HashingWriter, sha256};
use crate::pack::make::times;
use crate::pack::tree::Tree;

/// A layer that was made.
pub struct ImageLayer {
    /// For people.
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
        let hash = sha256(&bytes);
        Self { hash, bytes }
    }
}

/// Makes a layer with what `fill` adds.
pub fn make(
    title: String,
    fill: impl FnOnce(&mut LayerWriter) -> Result<()>,
) -> Result<ImageLayer> {
    // The header has no time, and 255 for an unknown system (RFC 1952).
    let gzip = GzBuilder::new().write(Vec::new(), Compression::default());
    let mut contents = LayerWriter {
        tar: Builder::new(HashingWriter::new(gzip)),
        folders: BTreeSet::new(),
    };
    fill(&mut contents)?;
    let (gzip, uncompressed) = contents.tar.into_inner()?.finish();
    Ok(ImageLayer {
        title,
        uncompressed,
        packed: Blob::of(gzip.finish()?),
    })
}

/// Writes entries into a layer, in the order of the calls. Everything belongs to root,
/// except folders with another owner. The time of a file is made from its content, so
/// that a layer does not change when another layer does.
pub struct LayerWriter {
    tar: Builder<HashingWriter<GzEncoder<Vec<u8>>>>,
    folders: BTreeSet<String>,
}

impl LayerWriter {
    /// Adds a folder and its parents.
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

    /// Adds a file of these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        self.parents(path)?;
        let mut header = header(EntryType::Regular, mode, bytes);
        Ok(self.tar.append_data(&mut header, path, bytes)?)
    }

    /// Adds the files of a pack, below a folder.
    pub fn tree(&mut self, folder: &str, tree: &Tree) -> Result<()> {
        for (path, file) in &tree.0 {
            let bytes = file.read();
            let bytes = bytes.with_context(|| format!("'{path}' cannot be packed"))?;
            self.file(&format!("{folder}/{path}"), file.mode(), &bytes)?;
        }
        Ok(())
    }

    /// Adds the parent folders of a path that are missing.
    fn parents(&mut self, path: &str) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) if !self.folders.contains(parent) => self.folder(parent, 0o755, 0),
            _ => Ok(()),
        }
    }
}

/// The header of an entry with these bytes, which belongs to root.
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
