//! `wsgi.errors`: the app's text goes to the error log unchanged.

use crate::log;
use crate::system::lock;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};
use std::sync::Mutex;

/// The text stream in the environ. Only complete lines are written, so that
/// lines of others do not come between their parts. An incomplete line waits
/// for its end or for `flush`.
#[pyclass(frozen, module = "rgunicorn")]
#[derive(Default)]
pub struct ErrorStream {
    unfinished: Mutex<String>,
}

#[pymethods]
impl ErrorStream {
    /// Gives the number of characters, as text files do. Surrogates, which
    /// stand for bytes that are not UTF-8, are written as Python writes them to
    /// standard error.
    #[pyo3(signature = (text, /))]
    fn write(&self, text: &Bound<'_, PyString>) -> PyResult<usize> {
        let text = match text.to_cow() {
            Ok(text) => text,
            Err(_) => {
                let bytes = text.call_method1("encode", ("utf-8", "backslashreplace"))?;
                String::from_utf8_lossy(bytes.cast::<PyBytes>()?.as_bytes())
                    .into_owned()
                    .into()
            }
        };
        let mut unfinished = lock(&self.unfinished);
        unfinished.push_str(&text);
        let lines = unfinished.rfind('\n').map(|end| {
            let rest = unfinished.split_off(end + 1);
            std::mem::replace(&mut *unfinished, rest)
        });
        // Not under the lock: a logger in Python releases the GIL.
        drop(unfinished);
        if let Some(lines) = lines {
            log::raw(&lines);
        }
        Ok(text.chars().count())
    }

    /// Does nothing: the log stays open.
    fn close(&self) {}

    #[getter]
    fn closed(&self) -> bool {
        false
    }

    fn isatty(&self) -> bool {
        false
    }

    fn writable(&self) -> bool {
        true
    }

    fn readable(&self) -> bool {
        false
    }

    fn seekable(&self) -> bool {
        false
    }

    #[pyo3(signature = (lines, /))]
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(line?.cast::<PyString>()?)?;
        }
        Ok(())
    }

    pub fn flush(&self) {
        let text = std::mem::take(&mut *lock(&self.unfinished));
        if !text.is_empty() {
            log::raw(&text);
        }
    }
}
