//! A worker's signals, Gunicorn's: TERM ends it after the current request, INT
//! and QUIT end it at once, USR1 opens its log files anew, ABRT is the master's
//! verdict that it hangs.
//!
//! The handler writes the signal's number to a pipe; a thread of its own reads
//! there and acts. So it can act while the app keeps the worker's main thread.
//! Handlers of the app's are called besides, by the main thread, which is woken
//! for that.

pub mod app;
mod handler;

use crate::log;
use crate::python::{self, Hooks, traceback};
use crate::worker::request::in_flight::{GiveUpReason, InFlight, log_given_up};
use crate::worker::shared::Heartbeat;
use handler::{answer, is_ours_alone};
use nix::libc;
use nix::sys::signal::{SigSet, Signal};
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::prelude::*;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// What INT and QUIT leave to an idle worker to end by itself (Gunicorn's
/// pause in the same place).
const QUICK_PAUSE: Duration = Duration::from_millis(100);

/// The exit code of a worker that was aborted.
const ABORTED: i32 = 1;

/// Shows apps what a worker does when it gets a signal. To be called before an
/// app is loaded, also by the master that loads it for its workers.
///
/// # Errors
/// Python cannot be told.
pub fn show_signals() -> anyhow::Result<()> {
    Ok(Python::attach(app::show)?)
}

/// What the main thread learns of the signals, and tells.
pub struct Signals {
    state: Arc<State>,
    /// Readable, for good, once the worker is to stop.
    stopping: PipeReader,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    /// INT or QUIT has come.
    quick: AtomicBool,
    /// A thread ends the process, and no other may.
    leaving: AtomicBool,
    /// For the hooks about signals.
    hooks: Hooks,
    /// What the worker does, for the log.
    in_flight: Arc<InFlight>,
    /// What is to be done when the worker is asked to stop.
    at_stop: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Wakes the main thread.
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// What another thread than the main one sees of the worker's end.
#[derive(Clone)]
pub struct Stop(Arc<State>);

impl Stop {
    /// True once the worker is to take no more requests.
    pub fn is_asked_for(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Asks the worker to take no more requests, and to end.
    pub fn ask(&self) {
        answer(libc::SIGTERM);
    }

    /// Ends the process, unless it is about to end by itself.
    pub fn end_now(&self) {
        if !self.0.leaving.swap(true, Ordering::Relaxed) {
            log::undivert();
            ::log::info!("Worker exiting (pid: {})", process::id());
            self.0.hooks.worker_exit();
            python::run_exit_functions();
            exit(0);
        }
    }
}

impl Signals {
    /// Installs the handlers and lets the signals through, which the master
    /// had held back since before the fork.
    ///
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn install(hooks: &Hooks) -> io::Result<Signals> {
        let (reader, writer) = io::pipe()?;
        handler::begin(writer)?;
        let (stopping, stopper) = io::pipe()?;
        let state = Arc::new(State {
            hooks: hooks.clone(),
            ..State::default()
        });
        let watched = Arc::clone(&state);
        python::thread("signals").spawn(move || watch(reader, stopper, &watched))?;
        app::hear_all()?;
        SigSet::empty().thread_set_mask()?;
        Ok(Signals { state, stopping })
    }

    /// True once the worker is to take no more requests.
    pub fn stop(&self) -> bool {
        self.state.stop.load(Ordering::Relaxed)
    }

    /// The requests that the app is handling.
    pub fn in_flight(&self) -> &Arc<InFlight> {
        &self.state.in_flight
    }

    /// Calls `act` in the signals' thread once the worker is asked to stop in
    /// good order. Only the first of several counts.
    pub fn when_asked_to_stop(&self, act: impl Fn() + Send + Sync + 'static) {
        let _ = self.state.at_stop.set(Box::new(act));
    }

    /// Says how the main thread is woken where nothing else wakes it for the
    /// app's handlers. It is to call them then.
    pub fn wake_main_thread_by(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.state.wake.set(Box::new(wake));
    }

    /// Calls the app's handlers of the signals that have come. For the main
    /// thread, which alone can do it.
    pub fn call_handlers(&self, py: Python<'_>, heartbeat: &Heartbeat) {
        let Err(error) = py.check_signals() else {
            return;
        };
        let ends = error.is_instance_of::<PySystemExit>(py)
            || error.is_instance_of::<PyKeyboardInterrupt>(py);
        match error.get_type(py).name() {
            Ok(name) if ends => self.app_ends_worker(heartbeat, &format!("raised {name}")),
            _ => {
                let traceback = traceback::format(py, &error);
                ::log::error!("Exception in a signal handler of the app\n{traceback}");
            }
        }
    }

    /// The app has done what ends a process: the worker asks for a successor,
    /// and ends when that serves.
    pub fn app_ends_worker(&self, heartbeat: &Heartbeat, why: &str) {
        if !self.stop() && !heartbeat.is_retiring() {
            let pid = process::id();
            ::log::warn!("The app has {why}: worker (pid: {pid}) is replaced");
            heartbeat.retire();
        }
    }

    /// For another thread.
    pub fn watched(&self) -> Stop {
        Stop(Arc::clone(&self.state))
    }

    /// Says that the worker ends by itself. Does not return if another thread
    /// is about to end it.
    pub fn leave(&self) {
        while self.state.leaving.swap(true, Ordering::Relaxed) {
            thread::park();
        }
    }
}

impl AsFd for Signals {
    /// Readable, for good, once the worker is to stop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stopping.as_fd()
    }
}

fn watch(mut signals: PipeReader, stopper: PipeWriter, state: &Arc<State>) {
    log::go_straight();
    let mut stopper = Some(stopper);
    let mut number = [0];
    while signals.read_exact(&mut number).is_ok() {
        let number = i32::from(number[0]);
        if !is_ours_alone(number)
            && let Some(wake) = state.wake.get()
        {
            wake();
        }
        match Signal::try_from(number) {
            Ok(Signal::SIGABRT) => {
                // Python's logging might wait for what hangs.
                log::undivert();
                let requests = state
                    .in_flight
                    .give_up(Duration::ZERO, GiveUpReason::Aborted);
                log_given_up("was aborted in", &requests);
                state.hooks.worker_abort();
                state.hooks.worker_exit();
                exit(ABORTED);
            }
            Ok(Signal::SIGUSR1) => reopen_logs(),
            Ok(signal @ (Signal::SIGHUP | Signal::SIGUSR2 | Signal::SIGWINCH))
                if is_ours_alone(number) =>
            {
                ::log::debug!("{signal} ignored. It is for the master");
            }
            Ok(Signal::SIGTERM) => {
                if !state.stop.swap(true, Ordering::Relaxed)
                    && let Some(act) = state.at_stop.get()
                {
                    act();
                }
                stopper = None;
            }
            Ok(Signal::SIGINT | Signal::SIGQUIT) if !state.quick.swap(true, Ordering::Relaxed) => {
                // First, as the main thread may end the interpreter then.
                state.hooks.worker_int();
                state.stop.store(true, Ordering::Relaxed);
                stopper = None;
                thread::sleep(QUICK_PAUSE);
                Stop(Arc::clone(state)).end_now();
            }
            // The app's.
            _ => {}
        }
    }
    drop(stopper);
}

/// In a thread of its own: Python's handlers, too, have files, and Python may be
/// waiting for what hangs.
fn reopen_logs() {
    if python::thread("logs").spawn(log::reopen).is_err() {
        log::reopen();
    }
}

/// Ends the process while its other threads are still at work, so without what
/// is registered for the end of an orderly one.
fn exit(code: i32) -> ! {
    log::flush_at_last();
    // SAFETY: it takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}
