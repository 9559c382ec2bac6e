//! The master's signals. It has no handlers: it blocks the signals, and reads them
//! from a file descriptor.
//!
//! So nothing interrupts the master's code, and no signal is lost. As process 1 the
//! master gets them, too, where the kernel drops signals without a handler.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::worker::MasterWaker;

/// The signals that the master handles.
const WATCHED: [Signal; 10] = [
    Signal::SIGCHLD,
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGHUP,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGWINCH,
];

/// The signals that have come and wait to be read.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks the master's signals, so that they can be read.
    ///
    /// A forked child starts with them blocked, too, and unblocks them when
    /// it has its own handlers.
    pub fn block() -> io::Result<Self> {
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // The process that has started this one may have ignored it; the system then
        // does not keep the exit status of children.
        // SAFETY: the default action runs no code of ours.
        unsafe { sigaction(Signal::SIGCHLD, &default)? };
        let watched: SigSet = WATCHED.into_iter().collect();
        watched.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&watched, flags)?))
    }

    /// Waits until a signal comes or a worker wakes the master, at most this long.
    /// Gives the signals that came.
    pub fn wait(&self, longest: Duration, waker: &MasterWaker) -> io::Result<Vec<Signal>> {
        let longest = PollTimeout::try_from(longest).unwrap_or(PollTimeout::MAX);
        let mut ready = [
            PollFd::new(self.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(waker.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, longest) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        waker.clear();
        let mut came = Vec::new();
        while let Some(info) = self.0.read_signal()? {
            came.extend(Signal::try_from(info.ssi_signo as i32));
        }
        Ok(came)
    }
}
