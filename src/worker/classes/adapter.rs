//! The `tornado` and `aiohttp` workers: an app of that kind is made an ASGI app,
//! and served as one. The adapters are in Python.

use super::asgi;
use crate::worker::boot::{Boot, Failure};
use pyo3::prelude::*;

/// The adapter of Tornado's apps.
pub const TORNADO: &str = "_rgunicorn.tornado";
/// The adapter of aiohttp's apps.
pub const AIOHTTP: &str = "_rgunicorn.aiohttp";

/// Makes the loop that the app finds when it is imported.
pub fn prepare(boot: &Boot, module: &str) -> Result<(), Failure> {
    Python::attach(|py| {
        let name = boot.settings.asgi_loop.word();
        let module = py.import(module);
        let prepared = module.and_then(|it| it.call_method1("prepare", (name,)));
        prepared
            .map(drop)
            .map_err(|error| Failure::of_loop(py, asgi::MODULE, &error))
    })
}
