//! A worker's signals, as in Gunicorn: TERM stops it after the current
//! requests, INT and QUIT stop it at once, USR1 reopens its log files. The
//! master sends ABRT when the worker hangs.
//!
//! The handler writes the signal's number to a pipe. A thread of its own reads
//! the pipe and acts, so that signals work while the app occupies the main
//! thread. Handlers that the app has set are also called, in the main thread,
//! which is woken for that.

pub mod app;
mod handler;

use crate::log;
use crate::python::{self, Hooks, traceback};
use crate::worker::request::in_flight::{GiveUpReason, InFlight};
use crate::worker::shared::Heartbeat;
use handler::{handle_as_worker, has_no_other_handler};
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

/// The pause after INT and QUIT in which an idle worker ends by itself.
/// Gunicorn has the same pause.
const QUICK_PAUSE: Duration = Duration::from_millis(100);

/// The exit code of a worker that was aborted.
const ABORTED: i32 = 1;

/// Makes the worker's signal handlers visible to apps (`signal.getsignal()`).
/// To be called before an app is loaded, also by a master that loads it for its
/// workers.
///
/// # Errors
/// The Python half cannot be imported, or raises an exception.
pub fn show_signals() -> anyhow::Result<()> {
    Ok(Python::attach(app::show)?)
}

/// The worker's signals, as the main thread uses them.
pub struct Signals {
    state: Arc<SignalState>,
    /// Readable for good once the worker must stop.
    stopping: PipeReader,
}

struct SignalState {
    stop: AtomicBool,
    /// INT or QUIT has come.
    quick_stop: AtomicBool,
    /// A thread is ending the process, and no other may.
    exiting: AtomicBool,
    /// The hooks for signals.
    hooks: Hooks,
    /// The running requests, for the log.
    in_flight: Arc<InFlight>,
    /// Called when the worker is asked to stop.
    on_stop: OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Wakes the main thread.
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Lets other threads than the main one see and request the worker's end.
#[derive(Clone)]
pub struct StopHandle(Arc<SignalState>);

impl StopHandle {
    /// True once the worker must take no more requests.
    pub fn is_requested(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Asks the worker to take no more requests, and to end.
    pub fn request(&self) {
        handle_as_worker(libc::SIGTERM);
    }

    /// Ends the process, unless another thread is ending it.
    pub fn end_now(&self) {
        if !self.0.exiting.swap(true, Ordering::Relaxed) {
            log::undivert();
            ::log::info!("Worker exiting (pid: {})", process::id());
            self.0.hooks.worker_exit();
            python::run_exit_functions();
            exit(0);
        }
    }
}

impl Signals {
    /// Installs the handlers and unblocks the signals, which the master has
    /// blocked since before the fork.
    ///
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn install(hooks: &Hooks, heartbeat: &Heartbeat) -> io::Result<Signals> {
        let (reader, writer) = io::pipe()?;
        handler::start(writer)?;
        let (stopping, stopper) = io::pipe()?;
        let state = Arc::new(SignalState {
            stop: AtomicBool::new(false),
            quick_stop: AtomicBool::new(false),
            exiting: AtomicBool::new(false),
            hooks: hooks.clone(),
            in_flight: Arc::new(InFlight::new(heartbeat)),
            on_stop: OnceLock::new(),
            wake: OnceLock::new(),
        });
        let for_thread = Arc::clone(&state);
        python::thread("signals").spawn(move || run(reader, stopper, &for_thread))?;
        app::install_all()?;
        SigSet::empty().thread_set_mask()?;
        Ok(Signals { state, stopping })
    }

    /// True once the worker must take no more requests.
    pub fn stop(&self) -> bool {
        self.state.stop.load(Ordering::Relaxed)
    }

    /// The requests that the app is handling.
    pub fn in_flight(&self) -> &Arc<InFlight> {
        &self.state.in_flight
    }

    /// Sets the function that the signals' thread calls when TERM comes. Only
    /// the first call counts.
    pub fn set_on_stop(&self, act: impl Fn() + Send + Sync + 'static) {
        let _ = self.state.on_stop.set(Box::new(act));
    }

    /// Sets the function that wakes the main thread, which then has to call
    /// [`call_handlers`](Signals::call_handlers). Only the first call counts.
    pub fn set_wake_main_thread(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.state.wake.set(Box::new(wake));
    }

    /// Calls the app's handlers of the signals that have come. Only the main
    /// thread can do this.
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

    /// The app has done something that ends a process: the worker asks for a
    /// successor, and ends when the successor serves.
    pub fn app_ends_worker(&self, heartbeat: &Heartbeat, why: &str) {
        if !self.stop() && !heartbeat.is_retiring() {
            let pid = process::id();
            ::log::warn!("The app has {why}: worker (pid: {pid}) is replaced");
            heartbeat.retire();
        }
    }

    /// The handle for other threads.
    pub fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.state))
    }

    /// Says that the main thread ends the process. Does not return if another
    /// thread is ending it.
    pub fn begin_exit(&self) {
        while self.state.exiting.swap(true, Ordering::Relaxed) {
            thread::park();
        }
    }
}

impl AsFd for Signals {
    /// Readable for good once the worker must stop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stopping.as_fd()
    }
}

fn run(mut signals: PipeReader, stopper: PipeWriter, state: &Arc<SignalState>) {
    log::go_straight();
    let mut stopper = Some(stopper);
    let mut number = [0];
    while signals.read_exact(&mut number).is_ok() {
        let number = i32::from(number[0]);
        if !has_no_other_handler(number)
            && let Some(wake) = state.wake.get()
        {
            wake();
        }
        match Signal::try_from(number) {
            Ok(Signal::SIGABRT) => {
                // Python's logging might wait for the thread that hangs.
                log::undivert();
                let requests = state
                    .in_flight
                    .give_up(Duration::ZERO, GiveUpReason::Aborted);
                state.in_flight.log_given_up("was aborted in", &requests);
                state.hooks.worker_abort();
                state.hooks.worker_exit();
                exit(ABORTED);
            }
            Ok(Signal::SIGUSR1) => reopen_logs(),
            Ok(signal @ (Signal::SIGHUP | Signal::SIGUSR2 | Signal::SIGWINCH))
                if has_no_other_handler(number) =>
            {
                ::log::debug!("{signal} ignored. It is for the master");
            }
            Ok(Signal::SIGTERM) => {
                if !state.stop.swap(true, Ordering::Relaxed)
                    && let Some(act) = state.on_stop.get()
                {
                    act();
                }
                stopper = None;
            }
            Ok(Signal::SIGINT | Signal::SIGQUIT)
                if !state.quick_stop.swap(true, Ordering::Relaxed) =>
            {
                // Called first, as the main thread may end the interpreter once
                // `stop` is set.
                state.hooks.worker_int();
                state.stop.store(true, Ordering::Relaxed);
                stopper = None;
                thread::sleep(QUICK_PAUSE);
                StopHandle(Arc::clone(state)).end_now();
            }
            // A signal that only the app handles.
            _ => {}
        }
    }
    drop(stopper);
}

/// In a thread of its own: Python's log handlers may have files, too, and
/// Python may be waiting for a thread that hangs.
fn reopen_logs() {
    if python::thread("logs").spawn(log::reopen).is_err() {
        log::reopen();
    }
}

/// Ends the process while other threads still run, so without exit handlers
/// (`atexit(3)`).
fn exit(code: i32) -> ! {
    log::flush_without_waiting();
    // SAFETY: `_exit` takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}
