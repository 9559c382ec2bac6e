//! How the app's thread waits for a client.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Waits for a descriptor, as the worker class needs it.
pub trait Waiter: Send + Sync {
    /// Returns when the descriptor (a socket, or what the reactor wakes the thread
    /// with) may be ready, when the time is over, or earlier. May be called with the
    /// GIL held, and releases it then.
    fn wait(&self, on: BorrowedFd<'_>, ready: PollFlags, longest: Duration) -> io::Result<()>;
}

/// Waits only for the socket: for threads that have nothing else to do.
#[derive(Debug)]
pub struct SocketWaiter;

impl Waiter for SocketWaiter {
    fn wait(&self, on: BorrowedFd<'_>, ready: PollFlags, longest: Duration) -> io::Result<()> {
        poll_for(&mut [PollFd::new(on, ready)], longest)
    }
}

/// Waits until one of the descriptors is ready, a signal comes or the time is
/// over.
pub fn poll_for(events: &mut [PollFd<'_>], longest: Duration) -> io::Result<()> {
    // Rounded up, so that the last millisecond is not spent in a busy loop.
    let timeout = PollTimeout::try_from(longest + Duration::from_millis(1));
    match poll(events, timeout.unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
