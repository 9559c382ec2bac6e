//! The C handler of every signal that a worker hears, and what stands behind
//! it: a handler of the app's, which is called first.
//!
//! Python, and C code in the app's packages, put their handlers in the place of
//! what was there. The worker would hear no more of its signals; so it puts its
//! own handler in front again, see [`hear`].

use nix::errno::Errno;
use nix::libc::{self, SIG_DFL, SIG_IGN, c_int, c_void, siginfo_t};
use nix::sys::signal::Signal;
use std::io::{self, PipeWriter};
use std::mem::{self, MaybeUninit};
use std::os::fd::IntoRawFd;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// The signals that mean something to a worker.
pub const OURS: [Signal; 8] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGUSR1,
    Signal::SIGHUP,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
];

/// The largest number of a signal on Linux.
pub const LAST: c_int = 64;

/// Where [`note`] writes, and in which process.
static PIPE: AtomicI32 = AtomicI32::new(-1);
static WORKER: AtomicI32 = AtomicI32::new(0);

/// What handles a signal besides the worker: a handler, or one of the system's
/// two actions.
static BEHIND: [AtomicUsize; LAST as usize + 1] =
    [const { AtomicUsize::new(SIG_DFL) }; LAST as usize + 1];

/// From now on this process is a worker, and the numbers of the signals that it
/// hears are written to this pipe.
///
/// # Errors
/// The pipe is none.
pub fn begin(pipe: PipeWriter) -> io::Result<()> {
    let pipe = pipe.into_raw_fd();
    // A handler must never wait. Nobody is that far behind with reading.
    // SAFETY: the descriptor is open and ours.
    Errno::result(unsafe { libc::fcntl(pipe, libc::F_SETFL, libc::O_NONBLOCK) })?;
    PIPE.store(pipe, Ordering::Relaxed);
    WORKER.store(process::id().cast_signed(), Ordering::Relaxed);
    Ok(())
}

/// Hears a signal from now on; what handles it at present goes on to do so.
/// Nothing happens in a process that is no worker.
///
/// # Errors
/// There is no such signal, or it cannot be handled.
pub fn hear(signal: c_int) -> io::Result<()> {
    let action = present(signal)?;
    if !is_worker() || action.sa_sigaction == note as *const () as usize {
        return Ok(());
    }
    stand_before(signal, action)
}

/// Takes a signal back from whoever handles it: the worker alone hears it. In a
/// process that is no worker it does what it does by default.
///
/// # Errors
/// There is no such signal, or it cannot be handled.
pub fn take_back(signal: c_int) -> io::Result<()> {
    let mut action = present(signal)?;
    action.sa_sigaction = SIG_DFL;
    action.sa_flags = 0;
    match is_worker() {
        true => stand_before(signal, action),
        false => set(signal, &action),
    }
}

fn stand_before(signal: c_int, mut action: libc::sigaction) -> io::Result<()> {
    let behind = action.sa_sigaction;
    BEHIND[signal as usize].store(behind, Ordering::Relaxed);
    if matches!(behind, SIG_DFL | SIG_IGN) {
        // What is interrupted need not know of it.
        action.sa_flags |= libc::SA_RESTART;
    }
    action.sa_sigaction = note as *const () as usize;
    action.sa_flags |= libc::SA_SIGINFO | libc::SA_ONSTACK;
    // They do not nest, however many come at once.
    // SAFETY: fills in a set that we own.
    unsafe { libc::sigfillset(&mut action.sa_mask) };
    set(signal, &action)
}

/// True if the signal has a handler, be it another's than ours.
pub fn is_handled(signal: c_int) -> bool {
    present(signal).is_ok_and(|it| !matches!(it.sa_sigaction, SIG_DFL | SIG_IGN))
}

/// True if it is the worker alone that hears the signal.
pub fn is_ours_alone(signal: c_int) -> bool {
    BEHIND[signal as usize].load(Ordering::Relaxed) == SIG_DFL
}

/// Does what a signal does that is handled by nobody else: the worker hears of
/// it. To a process that the app has forked it is not meant for the worker, and
/// does what it does by default.
pub fn answer(signal: c_int) {
    if is_worker() {
        return tell(signal);
    }
    // SAFETY: `signal` and `raise` take no pointers, and the default action
    // runs no code of ours.
    unsafe {
        libc::signal(signal, SIG_DFL);
        libc::raise(signal);
    }
}

/// The handler. All that it calls is async-signal-safe.
extern "C" fn note(signal: c_int, information: *mut siginfo_t, context: *mut c_void) {
    type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
    let before = Errno::last();
    match BEHIND[signal as usize].load(Ordering::Relaxed) {
        SIG_DFL => answer(signal),
        behind => {
            if behind != SIG_IGN {
                // SAFETY: the system had it as this signal's handler. One that
                // was set without SA_SIGINFO does not look at what it is given
                // besides the number.
                let behind = unsafe { mem::transmute::<usize, Handler>(behind) };
                behind(signal, information, context);
            }
            // Afterwards, so that who hears of it finds it done.
            if is_worker() {
                tell(signal);
            }
        }
    }
    before.set();
}

fn is_worker() -> bool {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::getpid() == WORKER.load(Ordering::Relaxed) }
}

fn tell(signal: c_int) {
    let number = signal as u8;
    // SAFETY: reads one byte of a live local.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), (&raw const number).cast(), 1) };
}

fn present(signal: c_int) -> io::Result<libc::sigaction> {
    let mut action = MaybeUninit::zeroed();
    // SAFETY: it is filled in where the call succeeds; and zeros are a value.
    unsafe {
        Errno::result(libc::sigaction(signal, ptr::null(), action.as_mut_ptr()))?;
        Ok(action.assume_init())
    }
}

fn set(signal: c_int, action: &libc::sigaction) -> io::Result<()> {
    // SAFETY: the handler is `note`, which is async-signal-safe, or none.
    Errno::result(unsafe { libc::sigaction(signal, action, ptr::null_mut()) })?;
    Ok(())
}
