//! The data that a worker starts with: its settings, its app, and the memory
//! that it shares with the master.

mod failure;
pub mod server_names;

pub use failure::Failure;

use crate::config::Settings;
use crate::log::AccessLog;
use crate::net::{Listener, Tls};
use crate::process::Owner;
use crate::python::app::AppSource;
use crate::python::{Environment, Hooks, hooks, logger};
use crate::worker::shared::Heartbeat;
use crate::worker::watch::reload::Watched;
use nix::unistd::{Pid, getppid};
use pyo3::prelude::*;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// The data of a new worker. It lives as long as the process: the app's event
/// loop and threads may use it until then.
pub struct Boot {
    pub settings: Settings,
    /// The environment of the interpreter.
    pub environment: Environment,
    pub app: AppSource,
    /// The app itself, if the master has loaded it already (`preload_app`).
    pub preloaded: Option<Py<PyAny>>,
    /// The user and group that the worker changes to.
    pub owner: Option<Owner>,
    pub listeners: Vec<Listener>,
    /// Certificates, if the listeners use TLS.
    pub tls: Option<Arc<Tls>>,
    /// The access log, if there is one.
    pub access_log: Option<Arc<AccessLog>>,
    pub heartbeat: Heartbeat,
    /// The files that `reload` watches in addition to the modules; nothing
    /// without `reload`.
    pub watched: Option<Watched>,
    /// The master's process id. The worker stops when the master has ended.
    pub parent: Pid,
    /// The hooks of the config file.
    pub hooks: Hooks,
    /// What the hooks can see of the master.
    pub master: hooks::Master,
    /// How many workers the master has made, including this one.
    pub age: u64,
    /// Through which the master asks what the worker does.
    pub channel: Option<UnixStream>,
    /// The value that a hook has set in place of `max_requests` and its jitter.
    pub max_requests: OnceLock<u64>,
}

impl Boot {
    /// Tells the master that the worker is alive. True if the master has ended,
    /// so that the worker must stop.
    pub fn beat(&self) -> bool {
        self.heartbeat.beat();
        self.is_orphan()
    }

    /// True if the master has ended, so that the worker must stop. The first
    /// time, a line is logged.
    pub fn is_orphan(&self) -> bool {
        static LOGGED: AtomicBool = AtomicBool::new(false);
        let orphan = getppid() != self.parent;
        if orphan && !LOGGED.swap(true, Ordering::Relaxed) {
            let pid = process::id();
            ::log::info!("Parent changed, shutting down: <Worker {pid}>");
        }
        orphan
    }

    /// Writes the buffered lines of the access log.
    pub fn flush_access_log(&self) {
        if let Some(log) = &self.access_log {
            log.flush();
        }
    }
}

/// Writes a line from the Python half of a worker to the error log.
pub fn log_for_python(level: &str, text: &str) {
    match level {
        "debug" => ::log::debug!("{text}"),
        "warning" => ::log::warn!("{text}"),
        _ => ::log::error!("{text}"),
    }
}

/// Sends both logs to Python's `logging`, if the settings say so and the master
/// has not done it. The master may have no interpreter.
pub fn log_by_python(boot: &Boot) -> Result<(), Failure> {
    if boot.settings.log_by_python() && !logger::is_installed() {
        let installed = boot.settings.install_logger(None);
        installed.map_err(|error| Failure::boot(&error))?;
    }
    Ok(())
}
