//! One worker process: from the fork to its exit.

mod boot;
mod classes;
mod inspect;
mod lifecycle;
mod network;
mod python_steps;
mod request;
mod shared;
mod signals;
mod watch;

pub use boot::Boot;
pub use shared::{Handover, Heartbeat, MasterWaker, WorkerTable};
pub use signals::show_signals;
pub use watch::reload::Watched;

use crate::process::exit_code::{APP_LOAD_ERROR, FAILED, WORKER_BOOT_ERROR};
use crate::python;
use crate::python::app::LoadError;
use boot::Failure;
use inspect::{Inspector, Subject};
use lifecycle::Lifecycle;
use pyo3::prelude::*;
use signals::{Signals, app};
use std::process;
use std::sync::Arc;
use std::time::Duration;

/// The worker ended as it was asked to.
const DONE: i32 = 0;

/// Runs a worker in this process, which the master has just forked, and gives
/// its exit code.
pub fn run(boot: Boot) -> i32 {
    // Never freed: see `Boot`.
    let boot: &'static Boot = Box::leak(Box::new(boot));
    let signals = match Signals::install(&boot.hooks, &boot.heartbeat) {
        // Never freed: threads and the app's event loop use it until the
        // process ends.
        Ok(signals) => &*Box::leak(Box::new(signals)),
        Err(error) => {
            ::log::error!("Exception in worker process\nThe signals cannot be handled: {error}");
            return WORKER_BOOT_ERROR;
        }
    };
    python::mark_main();
    let inspector = start_inspector(boot, signals);
    let pid = process::id();
    ::log::info!("Booting worker with pid: {pid}");
    let code = match take_steps(boot, signals) {
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
            WORKER_BOOT_ERROR
        }
    };
    if python::is_started() {
        Python::attach(|py| signals.call_handlers(py, &boot.heartbeat));
    }
    signals.begin_exit();
    ::log::info!("Worker exiting (pid: {pid})");
    boot.hooks.worker_exit();
    if python::is_started() {
        // It fails only if the app has changed the module.
        let _ = Python::attach(app::hide);
    }
    drop(inspector);
    // The interpreter must not end while a thread logs through Python.
    crate::log::undivert_in(Duration::from_secs(1));
    python::finish();
    boot.flush_access_log();
    code
}

/// Lets the master look into this worker from now on, while the app is loaded,
/// too.
fn start_inspector(boot: &Boot, signals: &Signals) -> Option<Inspector> {
    let sampling = Duration::from_secs(boot.settings.status.stack_sampling.into());
    let subject = Subject {
        in_flight: Arc::clone(signals.in_flight()),
        heartbeat: boot.heartbeat.clone(),
        sampling: (!sampling.is_zero()).then_some(sampling),
    };
    let started = Inspector::start(boot.channel.as_ref()?, subject);
    started
        .inspect_err(|error| ::log::warn!("This worker cannot be looked into: {error}"))
        .ok()
}

/// Takes the steps of the worker, or lets Python take those that follow the
/// preparation.
fn take_steps(boot: &'static Boot, signals: &'static Signals) -> Result<(), Failure> {
    let lifecycle = Lifecycle::new(boot, signals);
    lifecycle.prepare()?;
    match boot.hooks.lead_worker() {
        true => python_steps::run(lifecycle),
        false => lifecycle.run(),
    }
}
