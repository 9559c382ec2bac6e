//! SHA-256 of bytes and of what is written.

use std::io::{self, Write};

use ring::digest::{Context, SHA256, digest};

use crate::cache::hexadecimal;

/// The SHA-256 of these bytes in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(digest(&SHA256, bytes).as_ref())
}

/// A writer that passes bytes on and hashes them.
pub struct HashingWriter<W> {
    inner: W,
    hash: Context,
}

impl<W: Write> HashingWriter<W> {
    pub fn new(inner: W) -> Self {
        let hash = Context::new(&SHA256);
        Self { inner, hash }
    }

    /// The inner writer, and the SHA-256 of what was written in hexadecimal digits.
    pub fn finish(self) -> (W, String) {
        (self.inner, hexadecimal(self.hash.finish().as_ref()))
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
