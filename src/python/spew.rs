//! The setting `spew`. The Python half is `_rgunicorn.spew`.

use pyo3::prelude::*;

/// From now on, prints every line of Python that any thread runs, except lines
/// of the standard library.
///
/// # Errors
/// Another tool uses the same id in `sys.monitoring`.
pub fn start() -> PyResult<()> {
    Python::attach(|py| {
        py.import("_rgunicorn.spew")?
            .call_method0("start")
            .map(drop)
    })
}
