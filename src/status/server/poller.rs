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

    /// Waits until a socket is ready or this moment has come. Gives the keys.
    pub fn wait<'a>(
        &self,
        events: &'a mut [EpollEvent],
        until: Option<Instant>,
    ) -> impl Iterator<Item = u64> + use<'a> {
        let timeout = until.map_or(EpollTimeout::NONE, |until| {
            let left = until.saturating_duration_since(Instant::now());
            let left = left + Duration::from_millis(1);
            EpollTimeout::try_from(left).unwrap_or(EpollTimeout::MAX)
        });
        let count = match self.0.wait(events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => {
                ::log::error!("The status server cannot wait: {error}");
                std::thread::sleep(Duration::from_secs(1));
                0
            }
        };
        events[..count].iter().map(EpollEvent::data)
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
