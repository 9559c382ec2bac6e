//! What the server calls itself in answers and to the app.

use crate::config::Settings;
use pyo3::prelude::*;

const SOFTWARE: &str = concat!("rgunicorn/", env!("CARGO_PKG_VERSION"));

/// The `Server` field of every answer; empty for none.
pub fn server_header(settings: &Settings) -> String {
    if settings.given.contains("server_header") {
        return settings.server_header.clone();
    }
    let name = ask("header", &settings.server_header);
    match name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => name,
        false => {
            ::log::warn!(
                "gunicorn.SERVER is {name:?}, which cannot be the value of a header field; take \
                 printable ASCII characters"
            );
            settings.server_header.clone()
        }
    }
}

/// `SERVER_SOFTWARE` in the environ.
pub fn software() -> String {
    ask("software", SOFTWARE)
}

/// The name that Python code has changed this one to, in the `gunicorn` package.
fn ask(function: &str, usual: &str) -> String {
    Python::attach(|py| {
        let module = py.import("_rgunicorn.server_names")?;
        module.call_method1(function, (usual,))?.extract()
    })
    .unwrap_or_else(|_| usual.to_owned())
}
