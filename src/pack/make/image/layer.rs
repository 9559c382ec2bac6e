//! One layer of an image: a compressed tar that is the same bytes whenever it
//! holds the same.

use std::collections::BTreeSet;
use std::io::{self, Write};

use anyhow::{Context, Result};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::pack::tree::Tree;

/// A layer that was written.
pub struct Layer {
    /// Words for people.
    pub title: String,
    /// The SHA-256 of the tar before it was compressed, in hexadecimal.
    pub uncompressed: String,
    /// What was written of it.
    pub blob: Blob,
}

/// Bytes that were written, by their SHA-256, in hexadecimal.
#[derive(Clone)]
pub struct Blob {
    pub hash: String,
    pub length: u64,
}

/// Writes a layer with what `fill` puts in.
pub fn write(
    title: &str,
    fill: impl FnOnce(&mut Contents<'_>) -> Result<()>,
    to: &mut dyn Write,
) -> Result<Layer> {
    // Without a time in its header, and with 255 for an unknown system (RFC 1952).
    let gzip = GzBuilder::new().write(Hashing::new(to), Compression::default());
    let mut contents = Contents {
        tar: Builder::new(Hashing::new(gzip)),
        folders: BTreeSet::new(),
    };
    fill(&mut contents)?;
    let (gzip, plain) = contents.tar.into_inner()?.finish();
    let (_, blob) = gzip.finish()?.finish();
    Ok(Layer {
        title: title.to_owned(),
        uncompressed: plain.hash,
        blob,
    })
}

/// What is in a layer, in the order in which it is put there. All belongs to
/// root, but for folders that say otherwise; times are seconds since 1970.
pub struct Contents<'a> {
    tar: Builder<Hashing<GzEncoder<Hashing<&'a mut dyn Write>>>>,
    folders: BTreeSet<String>,
}

impl Contents<'_> {
    /// A folder and those that it is in.
    pub fn folder(&mut self, path: &str, mode: u32, owner: u32, time: u64) -> Result<()> {
        self.parents(path, time)?;
        self.folders.insert(path.to_owned());
        let mut header = header(EntryType::Directory, mode, 0, time);
        header.set_uid(owner.into());
        header.set_gid(owner.into());
        Ok(self
            .tar
            .append_data(&mut header, format!("{path}/"), io::empty())?)
    }

    /// A file of these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8], time: u64) -> Result<()> {
        self.parents(path, time)?;
        let mut header = header(EntryType::Regular, mode, bytes.len() as u64, time);
        Ok(self.tar.append_data(&mut header, path, bytes)?)
    }

    /// The files of a pack, below a folder.
    pub fn tree(&mut self, folder: &str, tree: &Tree, time: u64) -> Result<()> {
        for (path, item) in &tree.0 {
            let mode = if item.executable { 0o755 } else { 0o644 };
            let bytes = item
                .read()
                .with_context(|| format!("'{path}' cannot be packed"))?;
            self.file(&format!("{folder}/{path}"), mode, &bytes, time)?;
        }
        Ok(())
    }

    /// The folders that a path is in, where they are not there yet.
    fn parents(&mut self, path: &str, time: u64) -> Result<()> {
        match path.rsplit_once('/') {
            Some((parent, _)) if !self.folders.contains(parent) => {
                self.folder(parent, 0o755, 0, time)
            }
            _ => Ok(()),
        }
    }
}

pub fn header(kind: EntryType, mode: u32, length: u64, time: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(length);
    header.set_mtime(time);
    header
}

/// Passes bytes on, and knows their hash and their number.
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W> Hashing<W> {
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            length: 0,
        }
    }

    pub fn finish(self) -> (W, Blob) {
        let hash = self.hash.finalize();
        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let length = self.length;
        (self.inner, Blob { hash, length })
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
