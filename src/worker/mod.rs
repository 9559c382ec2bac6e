//! One worker process: from the fork to its exit.

mod adapter;
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
mod life;
mod memory;
mod names;
mod output;
mod own_page;
mod policy;
mod pump;
mod quota;
mod reactor;
mod refusal;
mod reload;
mod service;
mod shared;
mod signal_handler;
mod signals;
mod spool;
mod steps;
mod sync;
mod today;
mod wheel;

pub use crowd::Crowd;
pub use handover::Handover;
pub use heartbeat::{Bell, Heartbeat};
pub use reload::Watched;

use crate::config::Settings;
use crate::log::AccessLog;
use crate::net::{Listener, Tls};
use crate::process::Owner;
use crate::python::app::{AppSource, LoadError};
use crate::python::{self, Environment, Hooks, hooks, logger, traceback};
use life::Life;
use nix::unistd::{Pid, getppid};
use pyo3::prelude::*;
use signals::Signals;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
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
    /// What a hook has put in the place of `max_requests` and its jitter.
    pub max_requests: OnceLock<u64>,
}

impl Boot<'_> {
    /// True, and told once, if the master is gone: the worker is to stop.
    fn is_orphan(&self) -> bool {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let orphan = getppid() != self.parent;
        if orphan && !TOLD.swap(true, Ordering::Relaxed) {
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
    let mut life = Life::new(boot, &signals);
    let code = match life.live() {
        Ok(()) => DONE,
        Err(Failure::Exit(code)) => code,
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
    drop(life);
    if python::is_started() {
        // It can only fail as the app has broken the module.
        let _ = Python::attach(app_signals::hide);
    }
    // A thread that logs through Python must not meet its end.
    crate::log::undivert_in(Duration::from_secs(1));
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
    /// Python code has asked for this exit code.
    Exit(i32),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loading(error) => error.fmt(f),
            Self::Serving(error) => f.write_str(error),
            Self::Exit(code) => write!(f, "exit code {code}"),
        }
    }
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
