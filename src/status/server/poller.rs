//! The wait for sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// How many sockets are reported at once.
const MOST_EVENTS: usize = 64;

/// Waits for sockets, each under a key. The socket is reported as long as it is
/// readable, or writable where that is asked for.
#[derive(Clone, Debug)]
pub struct Poller(Arc<Epoll>);

impl Poller {
    /// # Errors
    /// The process has no descriptors left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?)))
    }

    /// Room for what [`wait`](Poller::wait) reports.
    pub fn events() -> Vec<EpollEvent> {
        vec![EpollEvent::empty(); MOST_EVENTS]
    }

    /// Waits until a socket is ready or this moment has come. Gives how many
    /// events there are; their data are the keys.
    ///
    /// # Errors
    /// epoll does not work.
    pub fn wait(&self, events: &mut [EpollEvent], until: Option<Instant>) -> io::Result<usize> {
        let timeout = until.map_or(EpollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            let left = left + Duration::from_millis(1);
            EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
        });
        match self.0.wait(events, timeout) {
            Ok(count) => Ok(count),
            Err(Errno::EINTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    pub fn add(&self, socket: &impl AsFd, key: u64) -> io::Result<()> {
        Ok(self
            .0
            .add(socket, EpollEvent::new(EpollFlags::EPOLLIN, key))?)
    }

    /// Also reports when the socket is writable, or only when it is readable.
    pub fn watch_writable(&self, socket: &impl AsFd, key: u64, is_wanted: bool) -> io::Result<()> {
        let mut flags = EpollFlags::EPOLLIN;
        flags.set(EpollFlags::EPOLLOUT, is_wanted);
        Ok(self.0.modify(socket, &mut EpollEvent::new(flags, key))?)
    }

    pub fn remove(&self, socket: &impl AsFd) {
        // It fails only for what was not added.
        let _ = self.0.delete(socket);
    }

    pub fn descriptor(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}
