//! The transport of a connection: the bytes both ways, and their deadline. It
//! knows nothing of requests.

use crate::net::{Tls, Transport};
use crate::worker::network::output::{BufferLimits, Output};
use socket2::Socket;
use std::io::{self, IoSlice};
use std::time::Instant;

pub struct Io {
    pub transport: Transport,
    pub output: Output,
    /// Received and not used: the start of a head, or what came after the
    /// request that is being answered.
    pub received: Vec<u8>,
    /// True if the socket may have something to read: epoll tells each time
    /// only once.
    pub readable: bool,
    /// True once the client has ended its side, or all of it.
    pub hung_up: bool,
    /// True once epoll also tells about room for output.
    pub watched_for_room: bool,
    /// Nothing can or may be written any more.
    pub broken: bool,
    /// When the reactor ends the connection, unless something happens.
    pub deadline: Option<Instant>,
}

impl Io {
    pub fn new(deadline: Option<Instant>) -> Io {
        Io {
            transport: Transport::Plain,
            output: Output::default(),
            received: Vec::new(),
            readable: false,
            hung_up: false,
            watched_for_room: false,
            broken: false,
            deadline,
        }
    }

    /// From now on the bytes of the connection are TLS. False if that cannot be
    /// begun.
    pub fn encrypt(&mut self, tls: &Tls) -> bool {
        match tls.accept(std::mem::take(&mut self.received)) {
            Ok(session) => self.transport = Transport::Tls(Box::new(session)),
            Err(error) => {
                ::log::error!("A TLS connection cannot be begun: {error}");
                return false;
            }
        }
        true
    }

    /// Reads what has come; nothing when nothing is there.
    pub fn receive(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.readable {
            return Ok(None);
        }
        match self.transport.read(socket, into) {
            Ok(length) => {
                let all = length < into.len() && self.transport.short_read_means_empty();
                // After the end of the client's side there is no more news.
                self.readable = !all || length == 0 || self.hung_up;
                Ok(Some(length))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends the parts as far as the socket takes them, and keeps the rest.
    pub fn send(
        &mut self,
        socket: &Socket,
        limits: &BufferLimits,
        parts: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        self.output
            .write(&mut self.transport, socket, limits, parts)
    }

    /// Sends what the socket takes now; gives the bytes that went out.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<usize> {
        self.output.flush(&mut self.transport, socket)
    }

    /// Says that nothing more will be written; the client may go on sending.
    pub fn shut_down(&mut self, socket: &Socket) -> io::Result<()> {
        self.transport.shut_down(socket)
    }
}
