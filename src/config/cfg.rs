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
    let (values, sections) = (PyDict::new(py), PyDict::new(py));
    for setting in TABLE {
        values.set_item(setting.name, (setting.get)(settings).to_python(py)?)?;
        sections.set_item(setting.name, setting.section)?;
    }
    if let Some(objects) = objects {
        values.update(objects.as_mapping())?;
    }
    py.import("_rgunicorn.settings")?
        .call_method1("Config", (values, sections))
}
