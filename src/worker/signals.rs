//! A worker's signals, Gunicorn's: TERM ends it after the current request, INT
//! and QUIT end it at once, USR1 opens its log files anew, ABRT is the master's
//! verdict that it hangs.
//!
//! The handler only writes the signal's number to a pipe; a thread of its own
//! reads there and acts. So it can act while the app keeps the worker's main
//! thread, and the interpreter's own signal handling is not needed.

use super::in_flight::{InFlight, Why, report};
use crate::python::Hooks;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// What INT and QUIT leave to an idle worker to end by itself (Gunicorn's
/// pause in the same place).
const QUICK_PAUSE: Duration = Duration::from_millis(100);

/// The exit code of a worker that was aborted.
const ABORTED: i32 = 1;

/// What the main thread learns of the signals, and tells.
pub struct Signals {
    state: Arc<State>,
    /// Readable, for good, once the worker is to stop.
    stopping: PipeReader,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    leaving: AtomicBool,
    /// For the hooks about signals.
    hooks: Hooks,
    /// What the worker does, for the log.
    in_flight: Arc<InFlight>,
    /// What is to be done when the worker is asked to stop.
    at_stop: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// What another thread than the main one sees of the worker's end.
#[derive(Clone)]
pub struct Stop(Arc<State>);

impl Stop {
    /// True once the worker is to take no more requests.
    pub fn is_asked_for(&self) -> bool {
        self.0.stop.load(Ordering::Relaxed)
    }

    /// Ends the process, unless it is about to end by itself.
    pub fn end_now(&self) {
        if !self.0.leaving.load(Ordering::Relaxed) {
            crate::log::set_sink(None);
            ::log::info!("Worker exiting (pid: {})", process::id());
            self.0.hooks.worker_exit();
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
        PIPE.store(writer.into_raw_fd(), Ordering::Relaxed);
        OWNER.store(process::id().cast_signed(), Ordering::Relaxed);
        let (stopping, stopper) = io::pipe()?;
        let state = Arc::new(State {
            hooks: hooks.clone(),
            ..State::default()
        });
        let watched = Arc::clone(&state);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || watch(reader, stopper, &watched))?;

        use Signal::{SIGABRT, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
        for signal in [SIGTERM, SIGINT, SIGQUIT, SIGABRT, SIGUSR1, SIGHUP, SIGUSR2] {
            handle(signal, SigHandler::Handler(note))?;
        }
        handle(SIGCHLD, SigHandler::SigDfl)?;
        handle(Signal::SIGWINCH, SigHandler::SigIgn)?;
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

    /// For another thread.
    pub fn watched(&self) -> Stop {
        Stop(Arc::clone(&self.state))
    }

    /// Says that the worker ends by itself.
    pub fn leave(&self) {
        self.state.leaving.store(true, Ordering::Relaxed);
    }
}

impl AsFd for Signals {
    /// Readable, for good, once the worker is to stop.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stopping.as_fd()
    }
}

fn watch(mut signals: PipeReader, stopper: PipeWriter, state: &Arc<State>) {
    let mut stopper = Some(stopper);
    let mut number = [0];
    while signals.read_exact(&mut number).is_ok() {
        match Signal::try_from(i32::from(number[0])) {
            Ok(Signal::SIGABRT) => {
                // Python's logging might wait for what hangs.
                crate::log::set_sink(None);
                let requests = state.in_flight.give_up(Duration::ZERO, Why::TooLong);
                report("was aborted in", &requests);
                state.hooks.worker_abort();
                state.hooks.worker_exit();
                exit(ABORTED);
            }
            Ok(Signal::SIGUSR1) => crate::log::reopen(),
            Ok(signal @ (Signal::SIGHUP | Signal::SIGUSR2)) => {
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
            _ => {
                // First, as the main thread may end the interpreter then.
                state.hooks.worker_int();
                state.stop.store(true, Ordering::Relaxed);
                stopper = None;
                thread::sleep(QUICK_PAUSE);
                Stop(Arc::clone(state)).end_now();
            }
        }
    }
    drop(stopper);
}

/// Ends the process while its other threads are still at work, so without what
/// is registered for the end of an orderly one.
fn exit(code: i32) -> ! {
    crate::log::flush_at_last();
    // SAFETY: it takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

fn handle(signal: Signal, handler: SigHandler) -> nix::Result<()> {
    let action = SigAction::new(handler, SaFlags::SA_RESTART, SigSet::empty());
    // SAFETY: `note`, the only handler that is given, is async-signal-safe.
    unsafe { sigaction(signal, &action) }.map(drop)
}

/// Where `note` writes, and in which process.
static PIPE: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The handler. In a process that the app forked, signals do what they do by
/// default: they are not meant for this worker.
extern "C" fn note(signal: libc::c_int) {
    let before = Errno::last();
    // SAFETY: all of these are on POSIX's list of async-signal-safe functions,
    // and `write` reads one byte of a live local.
    unsafe {
        if libc::getpid() == OWNER.load(Ordering::Relaxed) {
            let number = signal as u8;
            libc::write(PIPE.load(Ordering::Relaxed), (&raw const number).cast(), 1);
        } else {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
    before.set();
}
