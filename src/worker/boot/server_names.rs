//! The server's name in responses and in the environ.

use crate::config::Settings;
use pyo3::prelude::*;

const SOFTWARE: &str = concat!("rgunicorn/", env!("CARGO_PKG_VERSION"));

/// The `Server` field of every response; empty for no field.
pub fn server_header(settings: &Settings) -> String {
    if settings.given.contains("server_header") {
        return settings.mechanics.server_header.clone();
    }
    let name = python_name("header", &settings.mechanics.server_header);
    match name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => name,
        false => {
            ::log::warn!(
                "gunicorn.SERVER is {name:?}, which cannot be the value of a header field; take \
                 printable ASCII characters"
            );
            settings.mechanics.server_header.clone()
        }
    }
}

/// `SERVER_SOFTWARE` in the environ.
pub fn software() -> String {
    python_name("software", SOFTWARE)
}

/// The name that Python code has set in the `gunicorn` package, else `default`.
fn python_name(function: &str, default: &str) -> String {
    Python::attach(|py| {
        let module = py.import("_rgunicorn.server_names")?;
        module.call_method1(function, (default,))?.extract()
    })
    .unwrap_or_else(|_| default.to_owned())
}
