//! What a worker begins with, and why it may end before its time.

use crate::config::Settings;
use crate::log::AccessLog;
use crate::net::{Listener, Tls};
use crate::process::Owner;
use crate::python::app::{AppSource, LoadError};
use crate::python::{Environment, Hooks, hooks, logger, traceback};
use crate::worker::shared::Heartbeat;
use crate::worker::watch::reload::Watched;
use nix::unistd::{Pid, getppid};
use pyo3::prelude::*;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// What a new worker is given. It lives as long as the process, which is the
/// worker's own: the app's loop and threads may hold it whatever ends first.
pub struct Boot {
    pub settings: Settings,
    /// What its interpreter sees.
    pub environment: Environment,
    pub app: AppSource,
    /// The app itself, if the master has loaded it already.
    pub preloaded: Option<Py<PyAny>>,
    /// Whose the process is to become.
    pub owner: Option<Owner>,
    pub listeners: Vec<Listener>,
    /// Certificates, if the listeners speak TLS.
    pub tls: Option<Arc<Tls>>,
    /// The access log, unless there is none.
    pub access_log: Option<Arc<AccessLog>>,
    pub heartbeat: Heartbeat,
    /// What `reload` watches besides the modules; nothing without it.
    pub watched: Option<Watched>,
    /// The master: without it, the worker stops.
    pub parent: Pid,
    /// The hooks of the config file.
    pub hooks: Hooks,
    /// What they can see of the master.
    pub master: hooks::Master,
    /// How many workers the master has made, with this one.
    pub age: u64,
    /// What a hook has put in the place of `max_requests` and its jitter.
    pub max_requests: OnceLock<u64>,
}

impl Boot {
    /// Says that the worker is alive; True if it is to stop, as its master is
    /// gone.
    pub fn beat(&self) -> bool {
        self.heartbeat.beat();
        self.is_orphan()
    }

    /// True, and told once, if the master is gone: the worker is to stop.
    pub fn is_orphan(&self) -> bool {
        static TOLD: AtomicBool = AtomicBool::new(false);
        let orphan = getppid() != self.parent;
        if orphan && !TOLD.swap(true, Ordering::Relaxed) {
            let pid = process::id();
            ::log::info!("Parent changed, shutting down: <Worker {pid}>");
        }
        orphan
    }

    /// Writes the lines of the access log that wait.
    pub fn flush_access_log(&self) {
        if let Some(log) = &self.access_log {
            log.flush();
        }
    }
}

/// Why a worker ends before its time.
pub enum Failure {
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
    pub fn boot(error: &dyn std::fmt::Display) -> Failure {
        Failure::Loading(LoadError::Raised(format!("{error:#}")))
    }

    pub fn app(message: &str) -> Failure {
        Failure::Loading(LoadError::App(message.to_owned()))
    }

    /// An error of `module`, which runs a loop in Python: that the worker cannot
    /// begin if it is the module's `BootError`.
    pub fn of_loop(py: Python<'_>, module: &str, error: &PyErr) -> Failure {
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
pub fn log_for_python(level: &str, text: &str) {
    match level {
        "debug" => ::log::debug!("{text}"),
        "warning" => ::log::warn!("{text}"),
        _ => ::log::error!("{text}"),
    }
}

/// Sends both logs to Python's `logging`, if the settings say so and the master,
/// which may have no interpreter, has not done it.
pub fn log_by_python(boot: &Boot) -> Result<(), Failure> {
    if boot.settings.log_by_python() && !logger::is_installed() {
        let installed = boot.settings.install_logger(None);
        installed.map_err(|error| Failure::boot(&error))?;
    }
    Ok(())
}
