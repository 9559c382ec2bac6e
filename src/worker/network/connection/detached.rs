//! What the server still has of a connection that the app has taken for itself
//! (`gunicorn.socket`).
//!
//! Over TCP or a unix socket the app gets the client's socket, in blocking
//! mode, and the server does not touch it while the app has it. Where the bytes
//! are on the server's side of that socket (TLS, what was received ahead or has
//! not been sent), the app gets one end of a pair of sockets, and the worker's
//! relay carries what comes between both.

use super::io::Io;
use crate::worker::network::output::BufferLimits;
use crate::worker::network::rules::HIGH_WATER;
use nix::libc;
use socket2::Socket;
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;

/// How many blocks go each way before other connections have their turn.
const ROUNDS: u32 = 16;

/// How many blocks of the app's are sent after its request.
const LAST_BLOCKS: u32 = 16;

/// What the app writes waits in the pair, so that memory has room for what was
/// taken out of it.
const LIMITS: BufferLimits = BufferLimits {
    memory: usize::MAX,
    file: 0,
    folder: None,
};

pub struct Detached {
    /// The server writes nothing any more.
    pub for_good: bool,
    /// Nothing where the app has the client's socket.
    pub pair: Option<Pair>,
}

/// The server's end of a pair, and what is on its way to the app.
pub struct Pair {
    pub end: Socket,
    inbound: Vec<u8>,
    client_ended: bool,
    app_ended: bool,
    /// True once the client was told of the app's end.
    told: bool,
}

impl Pair {
    /// `inbound` comes first.
    pub fn new(end: Socket, inbound: Vec<u8>) -> Pair {
        Pair {
            end,
            inbound,
            client_ended: false,
            app_ended: false,
            told: false,
        }
    }

    /// Moves what the app has written so far to the output.
    pub fn take_last(&mut self, io: &mut Io, client: &Socket, buffer: &mut [u8]) {
        let mut blocks = 0..LAST_BLOCKS;
        while blocks.next().is_some() && self.take(io, client, buffer) {}
    }

    /// Carries what there is both ways; `has_sent` is told of what the client
    /// has taken. True if there may be more.
    pub fn carry(
        &mut self,
        io: &mut Io,
        client: &Socket,
        buffer: &mut [u8],
        mut has_sent: impl FnMut(&mut Io, usize),
    ) -> bool {
        io.readable = true;
        (0..ROUNDS).all(|_| {
            let sent = self.carry_out(io, client, buffer, &mut has_sent);
            self.carry_in(io, client, buffer) || sent
        })
    }

    /// Sends on what the app has written; true if something moved.
    fn carry_out(
        &mut self,
        io: &mut Io,
        client: &Socket,
        buffer: &mut [u8],
        has_sent: &mut impl FnMut(&mut Io, usize),
    ) -> bool {
        match io.flush(client) {
            Ok(sent) => has_sent(io, sent),
            Err(_) => return self.fail(io),
        }
        if io.output.is_empty() {
            io.deadline = None;
        }
        let moved = io.output.in_memory() <= HIGH_WATER && self.take(io, client, buffer);
        if self.app_ended && io.output.is_empty() && !self.told {
            self.told = true;
            // The client may be gone.
            let _ = io.shut_down(client);
        }
        moved
    }

    /// Takes a block that the app has written; false if there is none.
    fn take(&mut self, io: &mut Io, client: &Socket, buffer: &mut [u8]) -> bool {
        if self.app_ended || io.broken {
            return false;
        }
        let length = match (&self.end).read(buffer) {
            Ok(length @ 1..) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => {
                self.app_ended = true;
                return false;
            }
        };
        let parts = &mut [IoSlice::new(&buffer[..length])];
        io.send(client, &LIMITS, parts).is_ok() || self.fail(io)
    }

    /// Gives the app what its client has sent; true if something moved.
    fn carry_in(&mut self, io: &mut Io, client: &Socket, buffer: &mut [u8]) -> bool {
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
        match io.receive(client, buffer) {
            Ok(Some(length @ 1..)) => self.inbound.extend_from_slice(&buffer[..length]),
            Ok(None) => return had > 0,
            Ok(Some(0)) | Err(_) => {
                self.client_ended = true;
                let _ = self.end.shutdown(Shutdown::Write);
            }
        }
        true
    }

    /// The client is gone: the app finds out when it reads or writes.
    fn fail(&mut self, io: &mut Io) -> bool {
        io.broken = true;
        self.client_ended = true;
        let _ = self.end.shutdown(Shutdown::Both);
        false
    }
}
