//! The transport of a connection: its input, its output and their deadline. It
//! knows nothing of requests.

use crate::http;
use crate::net::{Tls, Transport};
use crate::worker::network::output::{BufferLimits, Output};
use socket2::Socket;
use std::io::{self, IoSlice};
use std::time::Instant;

pub struct Io {
    pub transport: Transport,
    pub output: Output,
    /// Bytes that were received and not used: the start of a head, or bytes
    /// after the present request.
    pub received: Vec<u8>,
    /// How many bytes were received that are not counted yet.
    uncounted: u64,
    /// True if the socket may have something to read. An edge-triggered epoll
    /// reports it only once.
    pub readable: bool,
    /// True once the client has closed the connection, or its sending side.
    pub hung_up: bool,
    /// What epoll reports of the socket.
    pub watched: Watched,
    /// True once nothing can or may be written any more.
    pub broken: bool,
    /// When the reactor ends the connection, unless something happens before.
    pub deadline: Option<Instant>,
}

/// What the reactor's epoll reports of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// Nothing: it does not know the socket.
    Nothing,
    /// When there is something to read, and when the client has closed.
    Input,
    /// Also when the socket can be written to.
    InputAndRoom,
    /// The app has the socket, or the relay watches it.
    Elsewhere,
}

impl Io {
    pub fn new(deadline: Option<Instant>) -> Io {
        Io {
            transport: Transport::Plain,
            output: Output::default(),
            received: Vec::new(),
            uncounted: 0,
            // Epoll does not watch it yet.
            readable: true,
            hung_up: false,
            watched: Watched::Nothing,
            broken: false,
            deadline,
        }
    }

    /// Starts TLS. False if that fails.
    pub fn encrypt(&mut self, tls: &Tls) -> bool {
        match tls.accept(std::mem::take(&mut self.received), http::NOT_TLS) {
            Ok(session) => self.transport = Transport::Tls(Box::new(session)),
            Err(error) => {
                ::log::error!("A TLS connection cannot be begun: {error}");
                return false;
            }
        }
        true
    }

    /// Reads bytes that have arrived, 0 at the end of the input; nothing if
    /// there are none.
    pub fn receive(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.readable {
            return Ok(None);
        }
        match self.transport.read(socket, into) {
            Ok(length) => {
                let all = length < into.len() && self.transport.short_read_means_empty();
                // After the end of the input epoll reports nothing more.
                self.readable = !all || length == 0 || self.hung_up;
                self.uncounted += length as u64;
                Ok(Some(length))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends as much as the socket takes, and keeps the rest.
    pub fn send(
        &mut self,
        socket: &Socket,
        limits: &BufferLimits,
        parts: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        self.output
            .write(&mut self.transport, socket, limits, parts)
    }

    /// Sends as much as the socket takes now. Gives the number of bytes sent.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<usize> {
        self.output.flush(&mut self.transport, socket)
    }

    /// How many bytes were received and sent that are not counted yet.
    pub fn uncounted(&self) -> u64 {
        self.uncounted + self.output.sent()
    }

    /// How many bytes were received since the last call.
    pub fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.uncounted)
    }

    /// Says that nothing more comes, before the socket is closed.
    pub fn end(&mut self, socket: &Socket) {
        self.transport.end(socket);
    }

    /// Closes the sending side. The client may go on sending.
    pub fn shut_down(&mut self, socket: &Socket) -> io::Result<()> {
        self.transport.shut_down(socket)
    }
}
