//! Loading the app into the running interpreter. The Python half is
//! `_rgunicorn.app`.

use super::traceback;
use pyo3::prelude::*;

/// The place of the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppSource {
    /// An APP_MODULE: `module`, `module:name`, `module:factory("x", k=1)`.
    Named(String),
    /// An app that was found by the names of files.
    Conventional {
        /// Modules that may have the app, the likeliest first.
        modules: Vec<String>,
        /// The settings module of a Django project.
        django_settings: Option<String>,
        /// True if the app must be an ASGI app.
        asgi: bool,
    },
}

/// Why the app was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The module has no such app (Gunicorn's exit code 4).
    #[error("{0}")]
    App(String),
    /// The app's code raised an exception: its traceback (Gunicorn's exit code
    /// 3).
    #[error("{0}")]
    Raised(String),
}

/// Imports the app. The interpreter must have been started.
pub fn load(source: &AppSource) -> Result<Py<PyAny>, LoadError> {
    Python::attach(|py| {
        let loader = py
            .import("_rgunicorn.app")
            .map_err(|error| LoadError::Raised(traceback::format(py, &error)))?;
        loader
            .getattr("current")
            .and_then(|current| current.call_method0("serve"))
            .map_err(|error| LoadError::Raised(traceback::format(py, &error)))?;
        let app = match source {
            AppSource::Named(uri) => loader.call_method1("load", (uri,)),
            AppSource::Conventional {
                modules,
                django_settings,
                asgi,
            } => loader.call_method1("find", (modules, django_settings, asgi)),
        };
        app.map(Bound::unbind).map_err(|error| {
            let is_app_error = loader
                .getattr("AppImportError")
                .is_ok_and(|kind| error.matches(py, kind).unwrap_or(false));
            if is_app_error {
                LoadError::App(error.value(py).to_string())
            } else {
                LoadError::Raised(traceback::format(py, &error))
            }
        })
    })
}

/// How an app is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Wsgi,
    /// Version 3.
    Asgi,
    /// With the requests of Tornado.
    Tornado,
}

/// The interface that the app has, as far as it can be seen.
pub fn protocol(app: &Py<PyAny>) -> Protocol {
    Python::attach(|py| {
        let protocol = py
            .import("_rgunicorn.app")
            .and_then(|loader| loader.call_method1("protocol", (app,)))
            .and_then(|name| name.extract::<String>());
        match protocol.as_deref() {
            Ok("asgi") => Protocol::Asgi,
            Ok("tornado") => Protocol::Tornado,
            _ => Protocol::Wsgi,
        }
    })
}
