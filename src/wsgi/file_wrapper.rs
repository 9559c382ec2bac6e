//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").

use crate::exchange::{Rest, rest_of};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::fs::File;
use std::os::fd::BorrowedFd;

/// So much of a file whose size is not known is read before it is sent.
const MOST_READ: usize = 64 << 10;

/// An iterable over blocks of a file. Returned by the app as it is, and over
/// a file of the operating system, it is sent without being read.
#[pyclass(frozen, module = "rgunicorn")]
pub struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    #[pyo3(get)]
    blksize: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, blksize=8192))]
    fn new(filelike: Py<PyAny>, blksize: usize) -> FileWrapper {
        FileWrapper { filelike, blksize }
    }

    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self
            .filelike
            .bind(py)
            .call_method1(intern!(py, "read"), (self.blksize,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// The next three are the file's own. With them an app that answers with a
    /// range does not read all that is before it.
    #[pyo3(signature = (*args))]
    fn seek<'py>(&self, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = args.py();
        self.filelike
            .bind(py)
            .call_method1(intern!(py, "seek"), args)
    }

    fn tell<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.filelike.bind(py).call_method0(intern!(py, "tell"))
    }

    fn seekable(&self, py: Python<'_>) -> PyResult<bool> {
        let filelike = self.filelike.bind(py);
        match filelike.getattr_opt(intern!(py, "seekable"))? {
            Some(seekable) => seekable.call0()?.is_truthy(),
            None => filelike.hasattr(intern!(py, "seek")),
        }
    }

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

/// What a file still has, and how that is sent.
pub enum Content {
    /// So little that it was read.
    Small(Vec<u8>),
    /// The kernel sends it by itself.
    Large(Sendable),
}

/// The rest of a file that the kernel can send by itself.
pub struct Sendable {
    /// A descriptor of our own: the app may close its file at any time.
    pub file: File,
    /// Where reading stands.
    pub offset: u64,
    /// Bytes from `offset` to the file's end.
    pub length: u64,
}

impl FileWrapper {
    /// The file's rest, if it is a regular file that is read through nothing
    /// which changes its bytes: some objects have a `fileno()` and decompress.
    /// Nothing for what must be read block by block: such as a pipe, which has
    /// no place to begin at, or a file whose size is not known.
    pub fn content(&self, py: Python<'_>) -> PyResult<Option<Content>> {
        let filelike = self.filelike.bind(py);
        if !is_plain_file(filelike)? {
            return Ok(None);
        }
        let descriptor = filelike.call_method0(intern!(py, "fileno"))?.extract()?;
        // SAFETY: Python just said that the descriptor is open, and no Python
        // code can close it before it is duplicated here.
        let file = File::from(unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()?);
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Ok(None);
        }
        let offset: u64 = filelike.call_method0(intern!(py, "tell"))?.extract()?;
        let rest = py.detach(|| rest_of(&file, metadata.len(), offset, MOST_READ));
        Ok(match rest {
            Ok(Rest::Read(bytes)) => Some(Content::Small(bytes)),
            Ok(Rest::Stated(length)) => Some(Content::Large(Sendable {
                file,
                offset,
                length,
            })),
            // Python says what is wrong when it reads.
            Ok(Rest::Unknown) | Err(_) => None,
        })
    }
}

/// True for what `open(path, "rb")` gives, buffered or not.
fn is_plain_file(filelike: &Bound<'_, PyAny>) -> PyResult<bool> {
    static TYPES: PyOnceLock<[Py<PyAny>; 3]> = PyOnceLock::new();
    let py = filelike.py();
    let [raw, reader, random] = TYPES.get_or_try_init(py, || -> PyResult<_> {
        let io = py.import("io")?;
        let get = |name| Ok::<_, PyErr>(io.getattr(name)?.unbind());
        Ok([
            get("FileIO")?,
            get("BufferedReader")?,
            get("BufferedRandom")?,
        ])
    })?;
    let is = |value: &Bound<'_, PyAny>, kind: &Py<PyAny>| value.get_type().is(kind);
    if is(filelike, reader) || is(filelike, random) {
        return Ok(is(&filelike.getattr(intern!(py, "raw"))?, raw));
    }
    Ok(is(filelike, raw))
}
