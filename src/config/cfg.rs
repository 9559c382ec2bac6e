//! The settings as Python code sees them: what Gunicorn calls `cfg`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::settings::{Settings, TABLE};

/// The `cfg` of these settings. `objects` has the values, by name, that only
/// Python can hold.
///
/// # Errors
/// Only a lack of memory.
pub fn cfg<'py>(
    py: Python<'py>,
    settings: &Settings,
    objects: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let values = PyDict::new(py);
    for setting in TABLE.iter() {
        values.set_item(setting.name, settings.get(setting).to_python(py)?)?;
    }
    if let Some(objects) = objects {
        values.update(objects.as_mapping())?;
    }
    py.import("gunicorn.config")?
        .getattr("Config")?
        .call_method1("of_server", (values,))
}
