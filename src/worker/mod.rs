//! One worker process: from the fork to its exit.

mod app_signals;
mod asgi;
mod body;
mod connection;
mod crowd;
mod deadline;
mod exchange;
mod gevent;
mod gthread;
mod handover;
mod heartbeat;
mod hub;
mod in_flight;
mod last_words;
mod memory;
mod output;
mod own_page;
mod policy;
mod quota;
mod reactor;
mod refusal;
mod reload;
mod service;
mod shared;
mod signal_handler;
mod signals;
mod spool;
mod sync;
mod today;
mod tornado;
mod wheel;

pub use crowd::Crowd;
pub use handover::Handover;
pub use heartbeat::{Bell, Heartbeat};
pub use reload::Watched;

use crate::config::{Settings, WorkerClass, current_folder};
use crate::log::AccessLog;
use crate::net::{Listener, Tls};
use crate::process::{Owner, daemon};
use crate::python::app::{self, AppSource, LoadError, Protocol};
use crate::python::{self, Environment, Hooks, hooks, logger, reloading, time_zone, traceback};
use crate::wsgi::{self, Application};
use nix::unistd::{Pid, getppid};
use pyo3::prelude::*;
use signals::Signals;
use std::env;
use std::process;
use std::sync::Arc;
use std::time::Duration;

/// What a new worker is given.
pub struct Boot<'a> {
    pub settings: &'a Settings,
    /// What its interpreter sees.
    pub environment: &'a Environment,
    pub app: &'a AppSource,
    /// The app itself, if the master has loaded it already.
    pub preloaded: Option<&'a Py<PyAny>>,
    /// Whose the process is to become.
    pub owner: Option<Owner>,
    pub listeners: &'a [Listener],
    /// Certificates, if the listeners speak TLS.
    pub tls: Option<&'a Arc<Tls>>,
    /// The access log, unless there is none.
    pub access_log: Option<&'a AccessLog>,
    pub heartbeat: &'a Heartbeat,
    /// What `reload` watches besides the modules; nothing without it.
    pub watched: Option<Watched>,
    /// The master: without it, the worker stops.
    pub parent: Pid,
    /// The hooks of the config file.
    pub hooks: &'a Hooks,
    /// What they can see of the master.
    pub master: &'a hooks::Master,
    /// How many workers the master has made, with this one.
    pub age: u64,
}

impl Boot<'_> {
    /// True, and told, if the master is gone: the worker is to stop.
    fn is_orphan(&self) -> bool {
        let orphan = getppid() != self.parent;
        if orphan {
            let pid = process::id();
            ::log::info!("Parent changed, shutting down: <Worker {pid}>");
        }
        orphan
    }

    /// The app has done what ends a process: the worker asks for a successor,
    /// and ends when that serves.
    fn app_ends_worker(&self, signals: &Signals, why: &str) {
        if !signals.stop() && !self.heartbeat.is_retiring() {
            let pid = process::id();
            ::log::warn!("The app has {why}: worker (pid: {pid}) is replaced");
            self.heartbeat.retire();
        }
    }
}

/// The worker came to its end in good order.
const DONE: i32 = 0;
/// The app could not be loaded because something raised: Gunicorn's
/// `WORKER_BOOT_ERROR`.
const BOOT_ERROR: i32 = 3;
/// The module has no such app: Gunicorn's `APP_LOAD_ERROR`.
const APP_LOAD_ERROR: i32 = 4;
/// Something went wrong while serving.
const FAILED: i32 = 255;

/// Does a worker's work in this process, which the master has just forked.
/// Gives the exit code.
pub fn run(boot: &Boot<'_>) -> i32 {
    let signals = match Signals::install(boot.hooks) {
        Ok(signals) => signals,
        Err(error) => {
            ::log::error!("Exception in worker process\nThe signals cannot be handled: {error}");
            return BOOT_ERROR;
        }
    };
    let pid = process::id();
    ::log::info!("Booting worker with pid: {pid}");
    let mut watched = boot.watched.clone();
    let loaded = load(boot, watched.as_mut());
    if loaded.is_ok() {
        daemon::forget();
    }
    if watched.is_some() && loaded.is_ok() {
        ::log::warn!("Reloader is on. Use in development only!");
    }
    let watch = watched.filter(|_| loaded.is_ok()).and_then(|watched| {
        let engine = boot.settings.reload_engine;
        reload::Watch::start(engine, watched, boot.heartbeat.clone(), boot.hooks.clone())
            .inspect_err(|error| ::log::error!("Changes of the app cannot be watched: {error}"))
            .ok()
    });
    memory::watch(boot.settings, boot.heartbeat);
    if boot.settings.request_timeout > 0 {
        let limit = Duration::from_secs(boot.settings.request_timeout.into());
        let in_flight = Arc::clone(signals.in_flight());
        deadline::watch(limit, in_flight, boot.heartbeat.clone(), signals.watched());
    }
    let code = match loaded.and_then(|app| serve(boot, app, &signals)) {
        Ok(()) => DONE,
        Err(Failure::Serving(error)) => {
            ::log::error!("Exception in worker process\n{error}");
            FAILED
        }
        Err(Failure::Loading(LoadError::App(message))) => {
            ::log::error!("{message}");
            APP_LOAD_ERROR
        }
        Err(Failure::Loading(LoadError::Raised(traceback))) => {
            ::log::error!("Exception in worker process\n{traceback}");
            BOOT_ERROR
        }
    };
    if python::is_started() {
        Python::attach(|py| signals.call_handlers(py, boot));
    }
    signals.leave();
    ::log::info!("Worker exiting (pid: {pid})");
    boot.hooks.worker_exit();
    drop(watch);
    if python::is_started() {
        // It can only fail as the app has broken the module.
        let _ = Python::attach(app_signals::hide);
    }
    crate::log::undivert();
    python::finish();
    if let Some(log) = boot.access_log {
        log.flush();
    }
    code
}

/// Why a worker ends before its time.
enum Failure {
    Loading(LoadError),
    /// What went wrong, as text.
    Serving(String),
}

impl Failure {
    fn boot(error: &dyn std::fmt::Display) -> Failure {
        Failure::Loading(LoadError::Raised(format!("{error:#}")))
    }

    fn app(message: &str) -> Failure {
        Failure::Loading(LoadError::App(message.to_owned()))
    }

    /// An error of `module`, which runs a loop in Python: that the worker cannot
    /// begin if it is the module's `BootError`.
    fn of_loop(py: Python<'_>, module: &str, error: &PyErr) -> Failure {
        let is_boot_error = py
            .import(module)
            .and_then(|module| module.getattr("BootError"))
            .is_ok_and(|kind| error.matches(py, kind).unwrap_or(false));
        match is_boot_error {
            true => Failure::Loading(LoadError::Raised(error.value(py).to_string())),
            false => Failure::Serving(traceback::format(py, error)),
        }
    }
}

/// Writes a line that the Python half of a worker has for the error log.
fn log_for_python(level: &str, text: &str) {
    match level {
        "debug" => ::log::debug!("{text}"),
        "warning" => ::log::warn!("{text}"),
        _ => ::log::error!("{text}"),
    }
}

/// Sends both logs to Python's `logging`, if the settings say so and the master,
/// which may have no interpreter, has not done it.
fn log_by_python(boot: &Boot<'_>) -> Result<(), Failure> {
    if boot.settings.log_by_python() && !logger::is_installed() {
        let installed = boot.settings.install_logger(None);
        installed.map_err(|error| Failure::boot(&error))?;
    }
    Ok(())
}

/// Shows apps what a worker does when it gets a signal. To be called before an
/// app is loaded, also by the master that loads it for its workers.
///
/// # Errors
/// Python cannot be told.
pub fn show_signals() -> anyhow::Result<()> {
    Ok(Python::attach(app_signals::show)?)
}

/// The app, and the class of worker that can serve it. Where it is watched, one
/// that cannot be loaded is a page that says why, until one of its files
/// changes.
fn load(
    boot: &Boot<'_>,
    watched: Option<&mut Watched>,
) -> Result<(Py<PyAny>, WorkerClass), Failure> {
    if let Some(owner) = boot.owner {
        owner.become_it().map_err(|error| Failure::boot(&error))?;
        // What the master has laid out may not be for this user.
        time_zone::provide();
    }
    let hooked = |error: hooks::HookError| Failure::boot(&error);
    let callable = match boot.preloaded {
        Some(app) => {
            python::rename(boot.environment).map_err(|error| Failure::boot(&error))?;
            log_by_python(boot)?;
            show_signals().map_err(|error| Failure::boot(&error))?;
            boot.hooks
                .post_fork(boot.master, boot.age)
                .map_err(hooked)?;
            if boot.settings.worker_class == WorkerClass::Tornado {
                tornado::prepare(boot)?;
            }
            Python::attach(|py| app.clone_ref(py))
        }
        None => {
            python::start(boot.environment).map_err(|error| Failure::boot(&error))?;
            log_by_python(boot)?;
            show_signals().map_err(|error| Failure::boot(&error))?;
            if boot.settings.spew {
                python::spew::start().map_err(|error| Failure::boot(&error))?;
            }
            boot.hooks
                .post_fork(boot.master, boot.age)
                .map_err(hooked)?;
            match boot.settings.worker_class {
                WorkerClass::Gevent => gevent::patch()?,
                WorkerClass::Tornado => tornado::prepare(boot)?,
                _ => {}
            }
            match (app::load(boot.app), watched) {
                (Err(LoadError::App(text) | LoadError::Raised(text)), Some(watched)) => {
                    ::log::error!("{text}");
                    watched.files.extend(reloading::files_in(&text));
                    let folder = current_folder();
                    watched.patterns.push(folder.join("*.py").into_os_string());
                    let page = reloading::failing_app(&text);
                    let page = page.map_err(|error| Failure::boot(&error))?;
                    return Ok((page, WorkerClass::Sync));
                }
                (loaded, _) => loaded.map_err(Failure::Loading)?,
            }
        }
    };
    boot.hooks.post_worker_init(&callable).map_err(hooked)?;
    let settings = boot.settings;
    let class = settings.worker_class.with_threads(settings.threads);
    match (class, app::protocol(&callable)) {
        (WorkerClass::Sync | WorkerClass::Gthread, Protocol::Asgi) => {
            Ok((callable, WorkerClass::Asgi))
        }
        (WorkerClass::Gevent | WorkerClass::Tornado, Protocol::Asgi) => Err(Failure::app(
            "The app speaks ASGI: take the worker class 'asgi'.",
        )),
        (WorkerClass::Asgi, Protocol::Wsgi) => Err(Failure::app(
            "The app speaks WSGI: take the worker class 'sync' or 'gthread'.",
        )),
        (WorkerClass::Tornado, _) => Ok((callable, class)),
        (_, Protocol::Tornado) => Err(Failure::app(
            "The app is one of Tornado's: take the worker class 'tornado'.",
        )),
        _ => Ok((callable, class)),
    }
}

fn serve(
    boot: &Boot<'_>,
    (callable, class): (Py<PyAny>, WorkerClass),
    signals: &Signals,
) -> Result<(), Failure> {
    if boot.age == 1 && boot.settings.worker_class.depends_on_app() {
        ::log::info!("Using worker: {class}");
    }
    if matches!(class, WorkerClass::Asgi | WorkerClass::Tornado) {
        return match class {
            WorkerClass::Tornado => tornado::serve(boot, &callable, signals),
            _ => asgi::serve(boot, &callable, signals, asgi::MODULE),
        };
    }
    let settings = wsgi::Settings {
        multithread: class != WorkerClass::Sync,
        multiprocess: boot.settings.workers > 1,
        script_name: env::var("SCRIPT_NAME").unwrap_or_default(),
        sendfile: boot.settings.sendfile,
        server_header: boot.settings.server_header.clone(),
        hooks: boot.hooks.clone(),
    };
    let application =
        Application::new(callable, &settings).map_err(|error| Failure::boot(&error))?;
    if class == WorkerClass::Gevent {
        return gevent::serve(boot, &application, signals);
    }
    let served = match class {
        WorkerClass::Sync => sync::serve(boot, &application, signals),
        WorkerClass::Gthread => gthread::serve(boot, &application, signals),
        other => unreachable!("{other} was served above"),
    };
    served.map_err(|error| Failure::Serving(error.to_string()))
}
