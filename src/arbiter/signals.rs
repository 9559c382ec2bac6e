//! The master's signals, read from a file descriptor instead of handled.
//!
//! While they are blocked nothing interrupts the master's code, none is lost,
//! and as process 1 the master gets them although it has no handlers.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::worker::MasterWaker;

/// The signals that mean something to the master.
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
        // Who started us may have ignored it, and the system then forgets the
        // children that die.
        // SAFETY: the default action runs no code of ours.
        unsafe { sigaction(Signal::SIGCHLD, &default)? };
        let watched: SigSet = WATCHED.into_iter().collect();
        watched.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(SignalFd::with_flags(&watched, flags)?))
    }

    /// Waits until a signal comes or a worker rings the waker, at most this
    /// long; gives the signals that came.
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
