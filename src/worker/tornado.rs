//! The `tornado` worker: a Tornado app is made an ASGI app, and served as one.
//! The adapter is `_rgunicorn.tornado`.

use super::signals::Signals;
use super::{Boot, Failure, asgi};
use pyo3::prelude::*;

const MODULE: &str = "_rgunicorn.tornado";

/// Makes the loop that the app finds when it is imported.
pub fn prepare(boot: &Boot<'_>) -> Result<(), Failure> {
    Python::attach(|py| {
        let name = boot.settings.asgi_loop.word();
        let module = py.import(MODULE);
        let prepared = module.and_then(|it| it.call_method1("prepare", (name,)));
        prepared
            .map(drop)
            .map_err(|error| Failure::of_loop(py, asgi::MODULE, &error))
    })
}

/// Serves until a signal ends it or the parent is gone.
pub fn serve(boot: &Boot<'_>, app: &Py<PyAny>, signals: &Signals) -> Result<(), Failure> {
    asgi::serve(boot, app, signals, MODULE)
}
