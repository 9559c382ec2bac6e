//! The server's part of a connection that the app has taken
//! (`gunicorn.socket`).
//!
//! Without TLS the app gets the client's own socket, in blocking mode, and the
//! server does not use the socket while the app has it. With TLS, or if there
//! are bytes that were received ahead or not sent yet, the app gets one end of
//! a socket pair, and the worker's relay copies bytes between the other end and
//! the client.

use crate::worker::network::connection::io::Io;
use crate::worker::network::output::BufferLimits;
use crate::worker::network::rules::HIGH_WATER;
use nix::libc;
use socket2::Socket;
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;

/// How many blocks are copied in each direction before it is the next
/// connection's turn.
const ROUNDS: u32 = 16;

/// How many of the app's blocks are still sent after its request has ended.
const LAST_BLOCKS: u32 = 16;

/// No limit: the app's bytes wait in the socket pair, and only a limited number
/// is taken out of it.
const UNLIMITED: BufferLimits = BufferLimits {
    memory: usize::MAX,
    file: 0,
    folder: None,
};

pub struct DetachedConnection {
    /// True if the server writes nothing any more.
    pub for_good: bool,
    /// Nothing if the app has the client's socket.
    pub pair: Option<SocketPair>,
}

/// The server's end of the socket pair, and bytes on their way to the app.
pub struct SocketPair {
    pub end: Socket,
    inbound: Vec<u8>,
    client_ended: bool,
    app_ended: bool,
    /// True once the client has seen the end of the app's output.
    end_sent: bool,
}

impl SocketPair {
    /// The app first reads `inbound`.
    pub fn new(end: Socket, inbound: Vec<u8>) -> SocketPair {
        SocketPair {
            end,
            inbound,
            client_ended: false,
            app_ended: false,
            end_sent: false,
        }
    }

    /// Moves the bytes that the app has written so far to the output.
    pub fn take_rest(&mut self, io: &mut Io, client: &Socket, buffer: &mut [u8]) {
        let mut blocks = 0..LAST_BLOCKS;
        while blocks.next().is_some() && self.take(io, client, buffer) {}
    }

    /// Copies the available bytes in both directions. `on_sent` gets the number
    /// of bytes that the client has taken. True if there may be more to copy.
    pub fn carry(
        &mut self,
        io: &mut Io,
        client: &Socket,
        buffer: &mut [u8],
        mut on_sent: impl FnMut(&mut Io, usize),
    ) -> bool {
        io.readable = true;
        (0..ROUNDS).all(|_| {
            let sent = self.carry_out(io, client, buffer, &mut on_sent);
            self.carry_in(io, client, buffer) || sent
        })
    }

    /// Copies bytes from the app to the client; true if there were any.
    fn carry_out(
        &mut self,
        io: &mut Io,
        client: &Socket,
        buffer: &mut [u8],
        on_sent: &mut impl FnMut(&mut Io, usize),
    ) -> bool {
        match io.flush(client) {
            Ok(sent) => on_sent(io, sent),
            Err(_) => return self.fail(io),
        }
        if io.output.is_empty() {
            io.deadline = None;
        }
        let moved = io.output.in_memory() <= HIGH_WATER && self.take(io, client, buffer);
        if self.app_ended && io.output.is_empty() && !self.end_sent {
            self.end_sent = true;
            // It fails if the client has gone.
            let _ = io.shut_down(client);
        }
        moved
    }

    /// Takes one block from the app; false if there is none.
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
        io.send(client, &UNLIMITED, parts).is_ok() || self.fail(io)
    }

    /// Copies bytes from the client to the app; true if there were any.
    fn carry_in(&mut self, io: &mut Io, client: &Socket, buffer: &mut [u8]) -> bool {
        let had = self.inbound.len();
        while !self.inbound.is_empty() {
            match self.end.send_with_flags(&self.inbound, libc::MSG_NOSIGNAL) {
                Ok(sent) => drop(self.inbound.drain(..sent)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.inbound.len() < had;
                }
                // The app does not read any more.
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

    /// The client has gone: the app notices when it reads or writes.
    fn fail(&mut self, io: &mut Io) -> bool {
        io.broken = true;
        self.client_ended = true;
        let _ = self.end.shutdown(Shutdown::Both);
        false
    }
}
