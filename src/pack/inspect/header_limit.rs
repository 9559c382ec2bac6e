//! Reads the entries of a tar that is not trusted. The headers in front of an entry,
//! such as long names (GNU's types `L` and `K`, pax's `x`), are held in memory, so
//! their size is limited.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use anyhow::{Context, Result, ensure};

/// Bytes of all headers of one entry. Names and attributes take a few thousand.
const MOST: u64 = 1 << 20;

/// A reader of a tar that ends when the headers of one entry are too long.
pub struct LimitedReader<'l, R> {
    inner: R,
    limit: &'l HeaderLimit,
}

/// How many bytes may still be read; `None` (no limit) while content is read.
#[derive(Debug)]
pub struct HeaderLimit(Cell<Option<u64>>);

impl HeaderLimit {
    pub fn new() -> Self {
        Self(Cell::new(None))
    }

    /// The same reader, with the limit.
    pub fn of<R>(&self, inner: R) -> LimitedReader<'_, R> {
        LimitedReader { inner, limit: self }
    }

    /// The next entry. The rest of the content of the entry before must have been read,
    /// unless the tar can seek.
    ///
    /// # Errors
    /// The headers are too long, or `damaged`: part of a sentence that says what to do.
    pub fn next<'a, R: Read>(
        &self,
        entries: &mut tar::Entries<'a, R>,
        damaged: &'static str,
    ) -> Result<Option<tar::Entry<'a, R>>> {
        self.0.set(Some(MOST));
        let entry = entries.next().transpose();
        let left = self.0.replace(None);
        ensure!(
            left != Some(0),
            "it holds a header of more than 1 MiB, as no image would; make it again"
        );
        entry.context(damaged)
    }
}

impl<R: Read> Read for LimitedReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.limit.0.get() else {
            return self.inner.read(buffer);
        };
        // At the limit this looks like the end of the file, and the tar library reports
        // an error.
        let count = (&mut self.inner).take(left).read(buffer)?;
        self.limit.0.set(Some(left - count as u64));
        Ok(count)
    }
}

impl<R: Seek> Seek for LimitedReader<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
