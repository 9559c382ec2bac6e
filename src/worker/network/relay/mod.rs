//! A thread that copies bytes between clients and apps that have taken their
//! connections, where the app cannot get the client's own socket. It starts
//! when it is first needed. It is not the reactor's thread, since the app may
//! occupy that one, and it does not use the interpreter.

mod late_output;

pub use late_output::{LONGEST_UNSENT, LateOutput};

use super::id::ConnectionId;
use crate::system::lock;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;
use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

/// How many events are taken from epoll at once.
const MOST_EVENTS: usize = 64;

/// The events that epoll reports for both sockets of a connection.
const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLOUT)
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// Copies the available bytes of a connection in both directions. Gives nothing
/// once the worker has no network any more; then the thread ends.
type Carrier = dyn Fn(ConnectionId) -> Option<()> + Send + Sync;

/// The thread and its epoll.
#[derive(Default)]
pub struct Relay {
    carrier: OnceLock<Arc<Carrier>>,
    /// Nothing until the thread runs.
    epoll: Mutex<Option<Arc<Epoll>>>,
}

impl Relay {
    /// Sets the function that copies bytes. Only the first call counts.
    pub fn set_carrier(
        &self,
        carrier: impl Fn(ConnectionId) -> Option<()> + Send + Sync + 'static,
    ) {
        let _ = self.carrier.set(Arc::new(carrier));
    }

    /// Calls the carrier whenever one of the sockets is ready.
    ///
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn watch(&self, sockets: [&Socket; 2], id: ConnectionId) -> io::Result<()> {
        let epoll = self.epoll()?;
        for socket in sockets {
            epoll.add(socket, EpollEvent::new(INTEREST, id.to_bits()))?;
        }
        Ok(())
    }

    /// Calls the carrier again, as one call did not copy everything.
    pub fn call_again(&self, socket: &Socket, id: ConnectionId) -> io::Result<()> {
        let mut event = EpollEvent::new(INTEREST, id.to_bits());
        Ok(self.epoll()?.modify(socket, &mut event)?)
    }

    pub fn forget(&self, sockets: [&Socket; 2]) -> io::Result<()> {
        let epoll = self.epoll()?;
        for socket in sockets {
            epoll.delete(socket)?;
        }
        Ok(())
    }

    fn epoll(&self) -> io::Result<Arc<Epoll>> {
        let mut epoll = lock(&self.epoll);
        if let Some(epoll) = &*epoll {
            return Ok(Arc::clone(epoll));
        }
        let started = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let (watched, carrier) = (Arc::clone(&started), self.carrier.get().cloned());
        let run = move || carrier.map_or((), |carrier| run(&watched, &*carrier));
        thread::Builder::new().name("relay".to_owned()).spawn(run)?;
        Ok(Arc::clone(epoll.insert(started)))
    }
}

fn run(epoll: &Epoll, carrier: &Carrier) {
    let mut events = [EpollEvent::empty(); MOST_EVENTS];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => return ::log::error!("Connections of apps are cut off: {error}"),
        };
        for event in &events[..count] {
            if carrier(ConnectionId::from_bits(event.data())).is_none() {
                return;
            }
        }
    }
}
