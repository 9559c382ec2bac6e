//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").

use crate::exchange::{Rest, rest_of};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use std::fs::File;
use std::os::fd::BorrowedFd;

/// At most this many bytes of a file with an unknown size are read before they
/// are sent.
const MOST_READ: usize = 64 << 10;

/// An iterable over the blocks of a file. If the app returns it and it wraps a
/// file of the operating system, the kernel sends the file.
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

    /// The next three methods call those of the file. So an app that sends a
    /// range does not have to read the bytes before it.
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

/// The rest of a file, and how it is sent.
pub enum Content {
    /// The rest is small and was read.
    Small(Vec<u8>),
    /// The kernel sends it.
    Large(Sendable),
}

/// The rest of a file that the kernel can send.
pub struct Sendable {
    /// A descriptor of our own: the app may close its file at any time.
    pub file: File,
    /// The current position in the file.
    pub offset: u64,
    /// Bytes from `offset` to the file's end.
    pub length: u64,
}

impl FileWrapper {
    /// The file's rest, if it is a regular file and reading does not change its
    /// bytes: some objects have a `fileno()` and decompress. Nothing for a file
    /// that must be read block by block, such as a pipe, which has no position,
    /// or a file with an unknown size.
    pub fn content(&self, py: Python<'_>) -> PyResult<Option<Content>> {
        let filelike = self.filelike.bind(py);
        if !is_plain_file(filelike)? {
            return Ok(None);
        }
        let descriptor = filelike.call_method0(intern!(py, "fileno"))?.extract()?;
        // SAFETY: Python has just given the descriptor, which is open. No
        // Python code can close it before it is duplicated here, because the
        // GIL is held.
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
            // Python raises the error when it reads.
            Ok(Rest::Unknown) | Err(_) => None,
        })
    }
}

/// True for an object that `open(path, "rb")` gives, buffered or not.
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
