//! Build results by content, kept in `$RGUNICORN_CACHE_DIR`, else
//! `$XDG_CACHE_HOME/rgunicorn`, else `~/.cache/rgunicorn`.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, process};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The cache folder.
pub struct Cache(PathBuf);

impl Cache {
    /// Open it. It is made if it does not exist.
    pub fn open() -> Result<Cache> {
        let under = |name: &str, below: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(|value| Path::new(&value).join(below))
        };
        let dir = under("RGUNICORN_CACHE_DIR", "")
            .or_else(|| under("XDG_CACHE_HOME", "rgunicorn"))
            .or_else(|| under("HOME", ".cache/rgunicorn"))
            .context("neither RGUNICORN_CACHE_DIR nor HOME is set")?;
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        Ok(Cache(fs::canonicalize(dir)?))
    }

    /// The folder for `key`. If it does not exist, `make(scratch, result)` makes it. It
    /// appears whole or not at all, and of two builds at the same time the second waits
    /// for the first.
    pub fn entry(
        &self,
        name: &str,
        key: Key,
        make: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let name = format!("{name}-{}", key.finish());
        let entry = self.0.join(&name);
        let lock = File::create(self.0.join(format!("{name}.lock")))?;
        lock.lock()?;
        if !entry.exists() {
            let temporary = self.0.join(format!("{name}.{}", process::id()));
            let (scratch, result) = (temporary.join("scratch"), temporary.join("result"));
            fs::create_dir_all(&scratch)?;
            fs::create_dir_all(&result)?;
            let made = make(&scratch, &result).and_then(|()| Ok(fs::rename(&result, &entry)?));
            fs::remove_dir_all(&temporary)?;
            made?;
        }
        Ok(entry)
    }
}

/// Everything that a result depends on, added piece by piece.
pub struct Key(Sha256);

impl Key {
    pub fn new() -> Key {
        Key(Sha256::new())
    }

    /// A piece of text.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// A file's content, or the names and contents of all files in a folder.
    pub fn tree(&mut self, path: &Path) -> Result<()> {
        if path.is_dir() {
            let mut children = fs::read_dir(path)?
                .map(|child| Ok(child?.path()))
                .collect::<Result<Vec<_>>>()?;
            children.sort();
            for child in children {
                self.bytes(child.file_name().unwrap_or_default().as_encoded_bytes());
                self.tree(&child)?;
            }
            self.text("end of folder");
        } else {
            let bytes = fs::read(path).with_context(|| path.display().to_string())?;
            self.bytes(&bytes);
        }
        Ok(())
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// The name made from all pieces.
    pub fn finish(self) -> String {
        let mut hex = Vec::new();
        for byte in &self.0.finalize()[..10] {
            write!(hex, "{byte:02x}").expect("writing to memory");
        }
        String::from_utf8(hex).expect("hex digits")
    }
}
