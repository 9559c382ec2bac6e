//! The C handler of all signals that a worker handles. If the app has a handler
//! for the signal, the app's handler is called first.
//!
//! Python, and C code in the app's packages, replace a signal's handler with
//! their own. So the worker installs its own handler again, and calls theirs:
//! see [`install`].

use nix::errno::Errno;
use nix::libc::{self, SIG_DFL, SIG_IGN, c_int, c_void, siginfo_t};
use nix::sys::signal::Signal;
use std::io::{self, PipeWriter};
use std::mem::{self, MaybeUninit};
use std::os::fd::IntoRawFd;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// The signals that have a meaning for a worker.
pub const WORKER_SIGNALS: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGUSR1,
    Signal::SIGHUP,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// The largest signal number on Linux.
pub const LAST_SIGNAL: c_int = 64;

/// The pipe that [`on_signal`] writes to, and the worker's process id.
static PIPE: AtomicI32 = AtomicI32::new(-1);
static WORKER: AtomicI32 = AtomicI32::new(0);

/// For each signal the handler that the worker's has replaced, or one of the
/// system's two actions.
static PREVIOUS: [AtomicUsize; LAST_SIGNAL as usize + 1] =
    [const { AtomicUsize::new(SIG_DFL) }; LAST_SIGNAL as usize + 1];

/// Makes this process a worker: the numbers of its signals are written to this
/// pipe.
///
/// # Errors
/// The pipe cannot be set to non-blocking.
pub fn start(pipe: PipeWriter) -> io::Result<()> {
    let pipe = pipe.into_raw_fd();
    // A signal handler must never wait. The pipe does not fill up: its reader
    // is not that far behind.
    // SAFETY: the descriptor is open and belongs to this function.
    Errno::result(unsafe { libc::fcntl(pipe, libc::F_SETFL, libc::O_NONBLOCK) })?;
    PIPE.store(pipe, Ordering::Relaxed);
    WORKER.store(process::id().cast_signed(), Ordering::Relaxed);
    Ok(())
}

/// Installs the worker's handler for a signal. The present handler is called
/// before it. Does nothing in a process that is no worker.
///
/// # Errors
/// There is no such signal, or it cannot be handled.
pub fn install(signal: c_int) -> io::Result<()> {
    let action = current_action(signal)?;
    if !is_worker() || action.sa_sigaction == on_signal as *const () as usize {
        return Ok(());
    }
    install_before(signal, action)
}

/// Removes all other handlers of a signal, so that the worker alone handles it.
/// A process that is no worker gets the default action.
///
/// # Errors
/// There is no such signal, or it cannot be handled.
pub fn reset(signal: c_int) -> io::Result<()> {
    let mut action = current_action(signal)?;
    action.sa_sigaction = SIG_DFL;
    action.sa_flags = 0;
    match is_worker() {
        true => install_before(signal, action),
        false => set_action(signal, &action),
    }
}

fn install_before(signal: c_int, mut action: libc::sigaction) -> io::Result<()> {
    let previous = action.sa_sigaction;
    PREVIOUS[signal as usize].store(previous, Ordering::Relaxed);
    if matches!(previous, SIG_DFL | SIG_IGN) {
        // Interrupted system calls go on, as without a handler.
        action.sa_flags |= libc::SA_RESTART;
    }
    action.sa_sigaction = on_signal as *const () as usize;
    action.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    // Blocks all signals during the handler, so that handlers do not nest.
    // SAFETY: fills a set that belongs to this function.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    set_action(signal, &action)
}

/// True if the signal has a handler, the worker's or another.
pub fn has_handler(signal: c_int) -> bool {
    current_action(signal).is_ok_and(|it| !matches!(it.sa_sigaction, SIG_DFL | SIG_IGN))
}

/// True if only the worker handles the signal.
pub fn has_no_other_handler(signal: c_int) -> bool {
    PREVIOUS[signal as usize].load(Ordering::Relaxed) == SIG_DFL
}

/// Handles a signal that has no other handler: the worker's thread is told. A
/// process that the app has forked gets the default action, since its signals
/// are not meant for the worker.
pub fn handle_as_worker(signal: c_int) {
    if is_worker() {
        return tell_thread(signal);
    }
    // SAFETY: `signal` and `raise` take no pointers, and the default action
    // runs no code of this program.
    unsafe {
        libc::signal(signal, SIG_DFL);
        libc::raise(signal);
    }
}

/// The handler. It calls only async-signal-safe functions.
extern "C" fn on_signal(signal: c_int, information: *mut siginfo_t, context: *mut c_void) {
    type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
    let errno = Errno::last();
    match PREVIOUS[signal as usize].load(Ordering::Relaxed) {
        SIG_DFL => handle_as_worker(signal),
        previous => {
            if previous != SIG_IGN {
                // SAFETY: the address was this signal's handler in the system.
                // A handler that was set without SA_SIGINFO ignores all
                // arguments except the number.
                let previous = unsafe { mem::transmute::<usize, Handler>(previous) };
                previous(signal, information, context);
            }
            // After the app's handler, so that the thread sees its effects.
            if is_worker() {
                tell_thread(signal);
            }
        }
    }
    errno.set();
}

fn is_worker() -> bool {
    // SAFETY: `getpid` takes nothing and cannot fail.
    unsafe { libc::getpid() == WORKER.load(Ordering::Relaxed) }
}

fn tell_thread(signal: c_int) {
    let number = signal as u8;
    // SAFETY: reads one byte of a local variable.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), (&raw const number).cast(), 1) };
}

fn current_action(signal: c_int) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: `sigaction` fills in the value if it succeeds, and all zeros are
    // a valid value.
    unsafe {
        Errno::result(libc::sigaction(signal, ptr::null(), action.as_mut_ptr()))?;
        Ok(action.assume_init())
    }
}

fn set_action(signal: c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the handler is `on_signal`, which is async-signal-safe, or a
    // default action.
    Errno::result(unsafe { libc::sigaction(signal, action, ptr::null_mut()) })?;
    Ok(())
}
