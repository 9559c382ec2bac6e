//! Loggers in Python: those of `logger_class` and the `logconfig` settings, and
//! how both logs go through them. The Python half is `_rgunicorn.logger`.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::latin_1::latin_1;
use super::traceback;
use crate::log::{AccessRecord, Field, Sink};

/// True if this process has the logger that its settings ask for.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Makes the logger that these settings ask for, in the running interpreter.
///
/// # Errors
/// A sentence about the error in the class or the config, or the traceback if
/// the class's own code raises.
pub fn install(cfg: &Py<PyAny>) -> Result<(), String> {
    Python::attach(|py| {
        let installed = py
            .import("_rgunicorn.logger")
            .and_then(|module| module.call_method1("of", (cfg,)));
        INSTALLED.store(installed.is_ok(), Ordering::Relaxed);
        installed.map(drop).map_err(|error| sentence(py, &error))
    })
}

/// Makes existing loggers in Python follow settings that ask for no logger.
/// `cfg` are the settings as Python code sees them.
///
/// # Errors
/// The traceback of an exception in the user's code.
pub fn settle(cfg: Option<&Py<PyAny>>) -> Result<(), String> {
    INSTALLED.store(false, Ordering::Relaxed);
    Python::attach(|py| {
        let module = py.import("_rgunicorn.current");
        let settled = module.and_then(|module| module.call_method1("settle_log", (cfg,)));
        settled
            .map(drop)
            .map_err(|error| traceback::format(py, &error))
    })
}

/// Applies the level that the error log has now to the loggers in Python, if
/// there are any.
pub fn follow_level() {
    Python::try_attach(|py| {
        let modules = py.import("sys").and_then(|sys| sys.getattr("modules"));
        let module = modules.and_then(|modules| modules.get_item("_rgunicorn.logger"));
        if let Ok(module) = module
            && let Err(error) = module.call_method0("level_changed")
        {
            error.print(py);
        }
    });
}

/// True after [`install`], also in forked processes.
pub fn is_installed() -> bool {
    INSTALLED.load(Ordering::Relaxed)
}

/// The message of the Python half, or the traceback of the user's code.
fn sentence(py: Python<'_>, error: &PyErr) -> String {
    let said = error.value(py);
    match said.get_type().name().is_ok_and(|name| name == "Unusable") {
        true => said.to_string(),
        false => traceback::format(py, error),
    }
}

/// The object of `_rgunicorn.logger` that receives the lines.
pub struct PythonLogger(pub Py<PyAny>);

impl PythonLogger {
    fn call<'py>(&self, py: Python<'py>, name: &str, arguments: impl pyo3::call::PyCallArgs<'py>) {
        // A formatter or a filter of the user may raise an exception.
        if let Err(error) = self.0.bind(py).call_method1(name, arguments) {
            error.print(py);
        }
    }
}

impl Sink for PythonLogger {
    fn error(&self, level: u8, message: &str) {
        Python::attach(|py| self.call(py, "error", (level, message)));
    }

    fn access(&self, record: &AccessRecord<'_>) {
        Python::attach(|py| {
            let told = facts(py, record).and_then(|facts| {
                let logger = self.0.bind(py);
                logger.call_method("access", (), Some(&facts))
            });
            if let Err(error) = told {
                error.print(py);
            }
        });
    }

    fn raw(&self, text: &str) {
        Python::attach(|py| self.call(py, "raw", (text,)));
    }

    fn reopen(&self) {
        Python::attach(|py| self.call(py, "reopen", ()));
    }
}

fn facts<'py>(py: Python<'py>, record: &AccessRecord<'_>) -> PyResult<Bound<'py, PyDict>> {
    let details = (record.details)();
    let facts = PyDict::new(py);
    let status = match &*details.status {
        b"" => record.status.to_string(),
        status => latin_1(status),
    };
    facts.set_item("microseconds", record.elapsed.as_micros() as u64)?;
    facts.set_item("status", status)?;
    facts.set_item("fields", texts(&details.response_fields, |name| name))?;
    facts.set_item("sent", record.body_bytes)?;
    let environ = details
        .environ
        .and_then(|it| it.downcast::<Py<PyAny>>().ok());
    facts.set_item("environ", environ.map(|it| *it))?;
    facts.set_item("method", latin_1(record.method))?;
    facts.set_item("uri", latin_1(record.target))?;
    facts.set_item("path", latin_1(record.path))?;
    facts.set_item("query", latin_1(record.query))?;
    facts.set_item("protocol", record.protocol)?;
    facts.set_item("address", record.remote_addr)?;
    facts.set_item("id", latin_1(record.request_id))?;
    facts.set_item("trace", record.trace)?;
    let upper = |name: String| name.to_ascii_uppercase();
    facts.set_item("headers", texts(&details.request_fields, upper))?;
    Ok(facts)
}

fn texts(fields: &[Field], name: fn(String) -> String) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(field, value)| (name(latin_1(field)), latin_1(value)))
        .collect()
}
