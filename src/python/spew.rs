//! The setting `spew`. The Python half is `_rgunicorn.spew`.

use pyo3::prelude::*;

/// Prints every line of Python that any thread runs from now on, the standard
/// library's aside.
///
/// # Errors
/// Another tool has taken the place in `sys.monitoring`.
pub fn start() -> PyResult<()> {
    Python::attach(|py| {
        py.import("_rgunicorn.spew")?
            .call_method0("start")
            .map(drop)
    })
}
