//! A worker's thread that carries bytes between clients and apps which have
//! taken their connections, where a descriptor alone cannot be given away. It
//! is begun when it is first needed. The app may keep the thread of the reactor
//! meanwhile, and this one needs nothing of the interpreter.

use super::hub::{Hub, Id};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::Socket;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;

/// How many events are taken from epoll at once.
const MOST_EVENTS: usize = 64;

/// What both sockets of a connection are watched for.
const INTEREST: EpollFlags = EpollFlags::EPOLLIN
    .union(EpollFlags::EPOLLOUT)
    .union(EpollFlags::EPOLLRDHUP)
    .union(EpollFlags::EPOLLET);

/// What the thread watches.
#[derive(Clone)]
pub struct Pump(Arc<Epoll>);

impl Pump {
    /// # Errors
    /// The process has no descriptors or threads left.
    pub fn start(hub: Weak<Hub>) -> io::Result<Pump> {
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        let watched = Arc::clone(&epoll);
        let run = move || run(&watched, &hub);
        thread::Builder::new().name("pump".to_owned()).spawn(run)?;
        Ok(Pump(epoll))
    }

    /// Has [`carry`](super::connection::Connection::carry) called when one of
    /// the sockets is ready.
    pub fn watch(&self, sockets: [&Socket; 2], id: Id) -> io::Result<()> {
        for socket in sockets {
            self.0
                .add(socket, EpollEvent::new(INTEREST, id.to_bits()))?;
        }
        Ok(())
    }

    /// The same once more, as there was more than one call has carried.
    pub fn call_again(&self, socket: &Socket, id: Id) -> io::Result<()> {
        let mut event = EpollEvent::new(INTEREST, id.to_bits());
        Ok(self.0.modify(socket, &mut event)?)
    }

    pub fn forget(&self, sockets: [&Socket; 2]) -> io::Result<()> {
        for socket in sockets {
            self.0.delete(socket)?;
        }
        Ok(())
    }
}

fn run(epoll: &Epoll, hub: &Weak<Hub>) {
    let mut events = [EpollEvent::empty(); MOST_EVENTS];
    loop {
        let count = match epoll.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => continue,
            Err(error) => return ::log::error!("Connections of apps are cut off: {error}"),
        };
        let Some(hub) = hub.upgrade() else { return };
        for event in &events[..count] {
            if let Some(connection) = hub.connection(Id::from_bits(event.data())) {
                connection.carry();
            }
        }
    }
}
