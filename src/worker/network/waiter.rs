//! How the app's thread waits for its client.

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

/// Waits for a socket in the way of a worker class.
pub trait Waiter: Send + Sync {
    /// Returns when the socket may be ready or the time is over, or sooner. It
    /// is called with the GIL held if the thread has it, and releases it.
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()>;
}

/// Waits for the socket alone: for threads that have nothing else to do.
#[derive(Debug)]
pub struct SocketWaiter;

impl Waiter for SocketWaiter {
    fn wait(&self, socket: &Socket, ready: PollFlags, longest: Duration) -> io::Result<()> {
        poll_for(&mut [PollFd::new(socket.as_fd(), ready)], longest)
    }
}

/// Waits until one of the descriptors is ready, a signal comes or the time is
/// over.
pub fn poll_for(events: &mut [PollFd<'_>], longest: Duration) -> io::Result<()> {
    // Rounded up, so that the last millisecond is not spent polling.
    let timeout = PollTimeout::try_from(longest + Duration::from_millis(1));
    match poll(events, timeout.unwrap_or(PollTimeout::MAX)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
