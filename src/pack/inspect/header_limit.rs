//! The entries of a tar that a stranger made. What stands in front of an entry, such as
//! a long name (GNU's kinds `L` and `K`, pax's `x`), is held in memory, so it may
//! only be so long.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use anyhow::{Context, Result, ensure};

/// Bytes of all headers of one entry; names and attributes take some thousands.
const MOST: u64 = 1 << 20;

/// A tar of which no more than the headers of one entry is read at once.
pub struct LimitedReader<'l, R> {
    inner: R,
    limit: &'l HeaderLimit,
}

/// How many bytes may be read; all while content is.
#[derive(Debug)]
pub struct HeaderLimit(Cell<Option<u64>>);

impl HeaderLimit {
    pub fn new() -> Self {
        Self(Cell::new(None))
    }

    /// The same bytes, with the limit.
    pub fn of<R>(&self, inner: R) -> LimitedReader<'_, R> {
        LimitedReader { inner, limit: self }
    }

    /// The next entry. What is left of the content of the one before must have been
    /// read, unless the tar skips by seeking.
    ///
    /// # Errors
    /// Its headers are longer than any, or `damaged`: part of a sentence with its mend.
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
        // At the limit this is an end, which the library takes for damage.
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
