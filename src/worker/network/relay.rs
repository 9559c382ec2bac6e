//! A worker's thread that carries bytes between clients and apps which have
//! taken their connections, where a descriptor alone cannot be given away. It
//! is started when it is first needed. The app may keep the thread of the
//! reactor meanwhile, and this one needs nothing of the interpreter.

use super::id::Id;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

/// How many events are taken from epoll at once.
const MOST_EVENTS: usize = 64;

/// What both sockets of a connection are watched for.
const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLOUT)
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// Carries what there is both ways on a connection; nothing once the worker has
/// no connections any more.
type Carrier = dyn Fn(Id) -> Option<()> + Send + Sync;

/// The thread, and what it watches.
#[derive(Default)]
pub struct Relay {
    carrier: OnceLock<Arc<Carrier>>,
    /// Once the thread runs.
    epoll: Mutex<Option<Arc<Epoll>>>,
}

impl Relay {
    /// Says how bytes are carried. Only the first call counts.
    pub fn set_carrier(&self, carrier: impl Fn(Id) -> Option<()> + Send + Sync + 'static) {
        let _ = self.carrier.set(Arc::new(carrier));
    }

    /// Has the carrier called when one of the sockets is ready.
    ///
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn watch(&self, sockets: [&Socket; 2], id: Id) -> io::Result<()> {
        let epoll = self.epoll()?;
        for socket in sockets {
            epoll.add(socket, EpollEvent::new(INTEREST, id.to_bits()))?;
        }
        Ok(())
    }

    /// The same once more, as there was more than one call has carried.
    pub fn call_again(&self, socket: &Socket, id: Id) -> io::Result<()> {
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
        let mut epoll = self.epoll.lock().unwrap_or_else(PoisonError::into_inner);
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
            if carrier(Id::from_bits(event.data())).is_none() {
                return;
            }
        }
    }
}
