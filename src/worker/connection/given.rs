//! A connection that the app has taken for itself (`gunicorn.socket`).
//!
//! Over TCP or a unix socket the app gets the client's socket, in blocking
//! mode, and the server does not touch it while the app has it. Where the bytes
//! lie on the server's side of that socket (TLS, what was received ahead or has
//! not been sent), the app gets one end of a pair of sockets, and the worker's
//! pump carries what comes between both.

use super::{BLOCK, Connection, HIGH_WATER, Phase, SCRAP, State};
use crate::net::Transport;
use crate::worker::hub::INTEREST;
use crate::worker::output::Room;
use crate::wsgi;
use nix::libc;
use nix::sys::epoll::EpollEvent;
use socket2::{Domain, Socket, Type};
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::OwnedFd;

/// How many blocks go each way before other connections have their turn.
const ROUNDS: u32 = 16;

/// How many blocks of the app's are sent after its request.
const LAST_BLOCKS: u32 = 16;

/// What the app writes waits in the pair, so that memory has room for what was
/// taken out of it.
const ROOM: Room = Room {
    memory: usize::MAX,
    file: 0,
    folder: None,
};

/// What the server still has of the connection.
pub struct Given {
    /// The server writes nothing any more.
    for_good: bool,
    /// Nothing where the app has the client's socket.
    pipe: Option<Pipe>,
}

/// The server's end of a pair, and what is on its way to the app.
struct Pipe {
    end: Socket,
    inbound: Vec<u8>,
    client_ended: bool,
    app_ended: bool,
    /// True once the client was told of the app's end.
    told: bool,
}

impl Connection {
    /// See [`wsgi::Channel::give_away`].
    pub fn give_away(&self, for_good: bool) -> io::Result<wsgi::Given> {
        let mut state = self.lock();
        let state = &mut *state;
        if state.broken || !matches!(state.phase, Phase::Busy) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state
            .feed_received()
            .map_err(|error| io::Error::other(error.to_string()))?;
        let is_clients = matches!(state.transport, Transport::Plain)
            && state.received.is_empty()
            && state.output.is_empty();
        let (descriptor, pipe) = match is_clients {
            true => (self.socket.try_clone()?, None),
            false => {
                let (end, apps) = Socket::pair(Domain::UNIX, Type::STREAM, None)?;
                end.set_nonblocking(true)?;
                self.hub.pump()?.watch([&self.socket, &end], self.id)?;
                let pipe = Pipe {
                    end,
                    inbound: std::mem::take(&mut state.received),
                    client_ended: false,
                    app_ended: false,
                    told: false,
                };
                (apps, Some(pipe))
            }
        };
        self.hub.epoll.delete(&self.socket)?;
        if is_clients {
            self.socket.set_nonblocking(false)?;
        }
        // The pump looks for room.
        state.watched_for_room = !is_clients;
        state.deadline = None;
        state.was_given = true;
        state.phase = Phase::Given(Box::new(Given { for_good, pipe }));
        Ok(wsgi::Given {
            descriptor: descriptor.into(),
            is_clients,
        })
    }

    /// See [`wsgi::Channel::look`].
    pub fn look(&self) -> io::Result<OwnedFd> {
        Ok(self.socket.try_clone()?.into())
    }

    /// The app has closed its socket: the client learns of it. Where it is one
    /// of a pair, the other tells.
    pub fn app_has_closed(&self) {
        if let Phase::Given(given) = &self.lock().phase
            && given.pipe.is_none()
        {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// True if the app has the connection for another protocol, whose time is
    /// its own.
    pub fn is_given_for_good(&self) -> bool {
        matches!(&self.lock().phase, Phase::Given(given) if given.for_good)
    }

    /// Lets the app find the end of what its client sends. It may still say
    /// something to that.
    pub fn end_for_app(&self) {
        if let Phase::Given(given) = &self.lock().phase {
            // A client that is gone already needs no end.
            let _ = match &given.pipe {
                Some(pipe) => pipe.end.shutdown(Shutdown::Write),
                None => self.socket.shutdown(Shutdown::Read),
            };
        }
    }

    /// Before the server writes an answer to a connection that the app has:
    /// what the app has written comes first.
    ///
    /// # Errors
    /// It was given for good.
    pub(super) fn write_after_app(&self, state: &mut State) -> io::Result<()> {
        match &state.phase {
            Phase::Given(given) if given.for_good => Err(io::ErrorKind::BrokenPipe.into()),
            Phase::Given(given) if given.pipe.is_some() => {
                self.carry_last(state);
                Ok(())
            }
            Phase::Given(_) => self.take_back(state),
            _ => Ok(()),
        }
    }

    /// The server goes on with a connection that the app had, if it did.
    pub(super) fn take_back(&self, state: &mut State) -> io::Result<()> {
        let Phase::Given(given) = &state.phase else {
            return Ok(());
        };
        match &given.pipe {
            Some(pipe) => {
                self.hub.pump()?.forget([&self.socket, &pipe.end])?;
                self.carry_last(state);
            }
            None => self.socket.set_nonblocking(true)?,
        }
        state.phase = Phase::Busy;
        state.watched_for_room = false;
        state.readable = true;
        let event = EpollEvent::new(INTEREST, self.id.to_bits());
        Ok(self.hub.epoll.add(&self.socket, event)?)
    }

    /// Moves what the app has written so far to the output.
    fn carry_last(&self, state: &mut State) {
        let Phase::Given(mut given) = std::mem::replace(&mut state.phase, Phase::Busy) else {
            unreachable!("the phase was looked at by the caller");
        };
        if let Some(pipe) = &mut given.pipe {
            SCRAP.with_borrow_mut(|scrap| {
                let mut blocks = 0..LAST_BLOCKS;
                while blocks.next().is_some() && pipe.take(self, state, scrap) {}
            });
        }
        state.phase = Phase::Given(given);
    }

    /// Carries what there is both ways. The pump calls it.
    pub fn carry(&self) {
        let mut state = self.lock();
        let state = &mut *state;
        let mut given = match std::mem::replace(&mut state.phase, Phase::Busy) {
            Phase::Given(given) => given,
            // It was taken back meanwhile.
            phase => return state.phase = phase,
        };
        if let Some(pipe) = &mut given.pipe {
            state.readable = true;
            let goes_on = SCRAP.with_borrow_mut(|scrap| {
                (0..ROUNDS).all(|_| {
                    let sent = pipe.carry_out(self, state, scrap);
                    pipe.carry_in(self, state, scrap) || sent
                })
            });
            if goes_on && let Ok(pump) = self.hub.pump() {
                // It only fails for what is not watched any more.
                let _ = pump.call_again(&pipe.end, self.id);
            }
        }
        state.phase = Phase::Given(given);
    }
}

impl Pipe {
    /// Sends on what the app has written; true if something moved.
    fn carry_out(&mut self, to: &Connection, state: &mut State, scrap: &mut [u8]) -> bool {
        match state.output.flush(&mut state.transport, &to.socket) {
            Ok(sent) => state.has_sent(to.rules(), sent),
            Err(_) => return self.fail(state),
        }
        if state.output.is_empty() {
            state.deadline = None;
        }
        let moved = state.output.held() <= HIGH_WATER && self.take(to, state, scrap);
        if self.app_ended && state.output.is_empty() && !self.told {
            self.told = true;
            // The client may be gone.
            let _ = state.transport.shut_down(&to.socket);
        }
        moved
    }

    /// Takes a block that the app has written; false if there is none.
    fn take(&mut self, to: &Connection, state: &mut State, scrap: &mut [u8]) -> bool {
        if self.app_ended || state.broken {
            return false;
        }
        let length = match (&self.end).read(&mut scrap[..BLOCK]) {
            Ok(length @ 1..) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => {
                self.app_ended = true;
                return false;
            }
        };
        let parts = &mut [IoSlice::new(&scrap[..length])];
        let written = state
            .output
            .write(&mut state.transport, &to.socket, &ROOM, parts);
        written.is_ok() || self.fail(state)
    }

    /// Gives the app what its client has sent; true if something moved.
    fn carry_in(&mut self, from: &Connection, state: &mut State, scrap: &mut [u8]) -> bool {
        let had = self.inbound.len();
        while !self.inbound.is_empty() {
            match self.end.send_with_flags(&self.inbound, libc::MSG_NOSIGNAL) {
                Ok(sent) => drop(self.inbound.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.inbound.len() < had;
                }
                // The app reads no more.
                Err(_) => self.inbound.clear(),
            }
        }
        if self.client_ended {
            return had > 0;
        }
        match state.receive(&from.socket, scrap) {
            Ok(Some(length @ 1..)) => self.inbound.extend_from_slice(&scrap[..length]),
            Ok(None) => return had > 0,
            Ok(Some(0)) | Err(_) => {
                self.client_ended = true;
                let _ = self.end.shutdown(Shutdown::Write);
            }
        }
        true
    }

    /// The client is gone: the app finds out when it reads or writes.
    fn fail(&mut self, state: &mut State) -> bool {
        state.broken = true;
        self.client_ended = true;
        let _ = self.end.shutdown(Shutdown::Both);
        false
    }
}
