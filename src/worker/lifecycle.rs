//! The steps of a worker: preparation, loading the app, and serving it. Hooks
//! or a worker class in Python may call the steps themselves.

use crate::config::{WorkerClass, current_folder};
use crate::process::daemon;
use crate::python::app::{self, LoadError, Protocol};
use crate::python::{self, hooks, reloading, time_zone};
use crate::worker::boot::{Boot, Failure, log_by_python};
use crate::worker::classes::{self, adapter, gevent};
use crate::worker::signals::Signals;
use crate::worker::signals::show_signals;
use crate::worker::watch::reload::Watched;
use crate::worker::watch::{deadline, memory, reload};
use pyo3::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// The steps of a worker. Each is taken once.
pub struct Lifecycle {
    boot: &'static Boot,
    signals: &'static Signals,
    /// The files that `reload` will watch; nothing once it watches them.
    watched: Option<Watched>,
    watch: Option<reload::Watch>,
    /// The app could not be loaded, and a page that says why is served instead.
    is_failing: bool,
}

impl Lifecycle {
    pub fn new(boot: &'static Boot, signals: &'static Signals) -> Lifecycle {
        Lifecycle {
            boot,
            signals,
            watched: boot.watched.clone(),
            watch: None,
            is_failing: false,
        }
    }

    /// Takes all steps that follow the preparation, until the worker ends.
    pub fn run(mut self) -> Result<(), Failure> {
        self.patch()?;
        let app = self.load()?;
        self.serve(app)
    }

    pub fn boot(&self) -> &'static Boot {
        self.boot
    }

    /// Changes to the worker's user, and starts the interpreter.
    pub fn prepare(&self) -> Result<(), Failure> {
        let boot = self.boot;
        if let Some(owner) = boot.owner {
            owner.own_process().map_err(|error| Failure::boot(&error))?;
            // This user may not be allowed to read the files that the master
            // has written.
            time_zone::provide();
        }
        match &boot.preloaded {
            Some(_) => python::rename(&boot.environment).map_err(|error| Failure::boot(&error))?,
            None => python::start(&boot.environment).map_err(|error| Failure::boot(&error))?,
        }
        log_by_python(boot)?;
        show_signals().map_err(|error| Failure::boot(&error))?;
        if boot.settings.debugging.spew && boot.preloaded.is_none() {
            python::spew::start().map_err(|error| Failure::boot(&error))?;
        }
        boot.hooks
            .post_fork(&boot.master, boot.age, boot.preloaded.as_ref())
            .map_err(|error: hooks::HookError| Failure::boot(&error))
    }

    /// Prepares the interpreter for the app, as the worker class needs it.
    pub fn patch(&self) -> Result<(), Failure> {
        match &self.boot.settings.workers.worker_class {
            class if class.is_gevent() && self.boot.preloaded.is_none() => gevent::patch(),
            WorkerClass::Tornado => adapter::prepare(self.boot, adapter::TORNADO),
            WorkerClass::Aiohttp => adapter::prepare(self.boot, adapter::AIOHTTP),
            _ => Ok(()),
        }
    }

    /// Loads the app. With `reload`, an app that cannot be loaded is replaced
    /// by a page that says why, until one of its files changes.
    pub fn load(&mut self) -> Result<Py<PyAny>, Failure> {
        if let Some(app) = &self.boot.preloaded {
            return Ok(Python::attach(|py| app.clone_ref(py)));
        }
        match (app::load(&self.boot.app), self.watched.as_mut()) {
            (Err(LoadError::App(text) | LoadError::Raised(text)), Some(watched)) => {
                ::log::error!("{text}");
                watched.files.extend(reloading::files_in(&text));
                let folder = current_folder();
                watched.patterns.push(folder.join("*.py").into_os_string());
                self.is_failing = true;
                reloading::failing_app(&text).map_err(|error| Failure::boot(&error))
            }
            (loaded, _) => loaded.map_err(Failure::Loading),
        }
    }

    /// Serves the app until the worker must end.
    pub fn serve(&mut self, app: Py<PyAny>) -> Result<(), Failure> {
        let class = self.class_for(&app)?;
        daemon::disconnect();
        let (boot, signals) = (self.boot, self.signals);
        if self.watched.is_some() && !self.is_failing {
            ::log::warn!("Reloader is on. Use in development only!");
        }
        self.watch = self.watched.take().and_then(|watched| {
            let engine = boot.settings.debugging.reload_engine;
            reload::Watch::start(engine, watched, boot.heartbeat.clone(), boot.hooks.clone())
                .inspect_err(|error| ::log::error!("Changes of the app cannot be watched: {error}"))
                .ok()
        });
        memory::watch(&boot.settings, &boot.heartbeat);
        if boot.settings.limits.request_timeout > 0 {
            let limit = Duration::from_secs(boot.settings.limits.request_timeout.into());
            let in_flight = Arc::clone(signals.in_flight());
            deadline::watch(
                limit,
                in_flight,
                boot.heartbeat.clone(),
                signals.stop_handle(),
            );
        }
        if boot.age == 1 && boot.settings.workers.worker_class.depends_on_app() {
            let built_in = class.to_string();
            let shown = boot.hooks.own_class().unwrap_or(&built_in);
            ::log::info!("Using worker: {shown}");
        }
        classes::serve(boot, signals, app, &class)
    }

    /// The worker class that serves this kind of app.
    fn class_for(&self, app: &Py<PyAny>) -> Result<WorkerClass, Failure> {
        if self.is_failing {
            return Ok(WorkerClass::Sync);
        }
        let workers = &self.boot.settings.workers;
        let class = workers.worker_class.clone().with_threads(workers.threads);
        match (&class, app::protocol(app)) {
            (WorkerClass::Sync | WorkerClass::Gthread, Protocol::Asgi) => Ok(WorkerClass::Asgi),
            (class, Protocol::Asgi) if class.is_gevent() || *class == WorkerClass::Tornado => Err(
                Failure::app("The app speaks ASGI: take the worker class 'asgi'."),
            ),
            (WorkerClass::Asgi, Protocol::Wsgi) => Err(Failure::app(
                "The app speaks WSGI: take the worker class 'sync' or 'gthread'.",
            )),
            (WorkerClass::Tornado | WorkerClass::Aiohttp, _) => Ok(class),
            (_, Protocol::Tornado) => Err(Failure::app(
                "The app is one of Tornado's: take the worker class 'tornado'.",
            )),
            _ => Ok(class),
        }
    }
}
