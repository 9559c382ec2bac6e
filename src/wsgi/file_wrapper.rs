//! `wsgi.file_wrapper` (PEP 3333, "Optional Platform-Specific File Handling").

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};

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

    /// Closes the file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

/// The rest of a file that the kernel can send by itself.
pub struct Sendable {
    /// A descriptor of our own: the app may close its file at any time.
    pub file: OwnedFd,
    /// Where reading stands.
    pub offset: u64,
    /// Bytes from `offset` to the file's end.
    pub length: u64,
}

impl FileWrapper {
    /// The file's rest, if it is a regular file that is read through nothing
    /// which changes its bytes: some objects have a `fileno()` and decompress.
    pub fn sendable(&self, py: Python<'_>) -> PyResult<Option<Sendable>> {
        let filelike = self.filelike.bind(py);
        if !is_plain_file(filelike)? {
            return Ok(None);
        }
        let offset: u64 = filelike.call_method0(intern!(py, "tell"))?.extract()?;
        let descriptor = filelike.call_method0(intern!(py, "fileno"))?.extract()?;
        // SAFETY: Python just said that the descriptor is open, and no Python
        // code can close it before it is duplicated here.
        let file = File::from(unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()?);
        let metadata = file.metadata()?;
        Ok(metadata.is_file().then(|| Sendable {
            file: file.into(),
            offset,
            length: metadata.len().saturating_sub(offset),
        }))
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
