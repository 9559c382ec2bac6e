//! `wsgi.errors`: what the app writes goes to the error log.

use pyo3::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The text stream in the environ. Whole lines become records of the error
/// log; the start of a line waits for its end or for `flush`.
#[pyclass(frozen, module = "rgunicorn")]
#[derive(Default)]
pub struct ErrorStream {
    unfinished: Mutex<String>,
}

impl ErrorStream {
    fn lock(&self) -> MutexGuard<'_, String> {
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl ErrorStream {
    /// Gives the number of characters, as text files do.
    #[pyo3(signature = (text, /))]
    fn write(&self, text: &str) -> usize {
        let mut unfinished = self.lock();
        unfinished.push_str(text);
        let lines = unfinished.rfind('\n').map(|end| {
            let rest = unfinished.split_off(end + 1);
            std::mem::replace(&mut *unfinished, rest)
        });
        // Not under the lock: a logger in Python lets the GIL go.
        drop(unfinished);
        if let Some(lines) = lines {
            log_text(&lines[..lines.len() - 1]);
        }
        text.chars().count()
    }

    #[pyo3(signature = (lines, /))]
    fn writelines(&self, lines: &Bound<'_, PyAny>) -> PyResult<()> {
        for line in lines.try_iter()? {
            self.write(&line?.extract::<String>()?);
        }
        Ok(())
    }

    fn flush(&self) {
        let text = std::mem::take(&mut *self.lock());
        log_text(&text);
    }
}

fn log_text(text: &str) {
    if !text.is_empty() {
        ::log::error!("{text}");
    }
}
