//! The `tornado` and `aiohttp` workers: an adapter in Python makes an ASGI app
//! of such an app, and the `asgi` worker serves it.

use super::asgi;
use crate::worker::boot::{Boot, Failure};
use pyo3::prelude::*;

/// The module of the adapter for Tornado's apps.
pub const TORNADO: &str = "_rgunicorn.tornado";
/// The module of the adapter for aiohttp's apps.
pub const AIOHTTP: &str = "_rgunicorn.aiohttp";

/// Makes the event loop before the app is imported, as the app may ask for it.
pub fn prepare(boot: &Boot, module: &str) -> Result<(), Failure> {
    Python::attach(|py| {
        let name = boot.settings.workers.asgi_loop.as_str();
        let module = py.import(module);
        let prepared = module.and_then(|it| it.call_method1("prepare", (name,)));
        prepared
            .map(drop)
            .map_err(|error| Failure::of_loop(py, asgi::MODULE, &error))
    })
}
