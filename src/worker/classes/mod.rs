//! The worker classes, one file each.

pub mod adapter;
pub mod asgi;
pub mod gevent;
mod gthread;
mod life_signs;
mod quota;
mod sync;
mod turns;
mod wsgi_service;

use crate::config::WorkerClass;
use crate::worker::boot::server_names;
use crate::worker::boot::{Boot, Failure};
use crate::worker::signals::Signals;
use crate::wsgi::{self, Application};
use pyo3::prelude::*;
use std::env;
use std::sync::Arc;

/// Serves the app with this worker class until a signal ends the worker or the
/// master has ended.
pub fn serve(
    boot: &'static Boot,
    signals: &'static Signals,
    app: Py<PyAny>,
    class: &WorkerClass,
) -> Result<(), Failure> {
    match class {
        WorkerClass::Asgi => return asgi::serve(boot, &app, signals, asgi::MODULE),
        WorkerClass::Tornado => return asgi::serve(boot, &app, signals, adapter::TORNADO),
        WorkerClass::Aiohttp => return asgi::serve(boot, &app, signals, adapter::AIOHTTP),
        _ => {}
    }
    let settings = wsgi::AppOptions {
        multithread: *class != WorkerClass::Sync,
        cooperative: class.is_gevent(),
        multiprocess: boot.settings.workers.workers > 1,
        script_name: env::var("SCRIPT_NAME").unwrap_or_default(),
        sendfile: boot.settings.mechanics.sendfile,
        software: server_names::software(),
        hooks: boot.hooks.clone(),
    };
    let app = match class {
        WorkerClass::GeventWebsocket => gevent::with_websockets(&app)?,
        _ => app,
    };
    // On the heap: greenlets share the stack, and when one runs, the stack has
    // its bytes in this place.
    let application = Application::new(app, &settings).map_err(|error| Failure::boot(&error))?;
    let application = Arc::new(application);
    let served = match class {
        class if class.is_gevent() => return gevent::serve(boot, application, signals),
        WorkerClass::Sync => sync::serve(boot, application, signals),
        WorkerClass::Gthread => gthread::serve(boot, application, signals),
        other => unreachable!("{other} was served above"),
    };
    served.map_err(|error| Failure::Serving(error.to_string()))
}
