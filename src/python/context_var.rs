//! Variables of the context in which asyncio's tasks run (PEP 567).

use pyo3::ffi;
use pyo3::prelude::*;

/// A `contextvars.ContextVar`.
pub struct ContextVar(Py<PyAny>);

impl ContextVar {
    /// The variable that a module has under this name.
    ///
    /// # Errors
    /// The module cannot be imported, or has no such name.
    pub fn of(py: Python<'_>, module: &str, name: &str) -> PyResult<ContextVar> {
        Ok(ContextVar(py.import(module)?.getattr(name)?.unbind()))
    }

    /// Sets the variable in the current context. This costs less than its method
    /// `set`, and each request does it.
    ///
    /// # Errors
    /// There is no memory, or it is no such variable.
    pub fn set(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = value.py();
        // SAFETY: both are objects, and the GIL is held. The function checks the
        // type of the variable, and gives a new reference or an error.
        let token = unsafe {
            let token = ffi::PyContextVar_Set(self.0.as_ptr(), value.as_ptr());
            Bound::from_owned_ptr_or_err(py, token)
        };
        token.map(drop)
    }
}
