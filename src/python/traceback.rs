//! Exceptions as text.

use pyo3::prelude::*;

/// An exception as Python prints it: with its traceback and its causes,
/// without the newline at the end.
pub fn format(py: Python<'_>, error: &PyErr) -> String {
    let lines = || -> PyResult<String> {
        let lines = py
            .import("traceback")?
            .call_method1("format_exception", (error.value(py),))?;
        let lines: Vec<String> = lines.extract()?;
        Ok(lines.concat())
    };
    // `traceback` handles a __str__ that raises. It fails only while the
    // interpreter ends.
    lines()
        .unwrap_or_else(|_| error.to_string())
        .trim_end()
        .to_owned()
}
