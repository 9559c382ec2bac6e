//! What was written to a client and its socket has not taken yet.

use crate::net::Transport;
use socket2::Socket;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

/// The bytes between the app and the socket, in their order.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<Piece>,
    /// Bytes of memory in the queue; files cost none.
    held: usize,
    /// True while the transport has taken more than the socket has.
    unsent: bool,
}

#[derive(Debug)]
enum Piece {
    Bytes {
        bytes: Vec<u8>,
        sent: usize,
    },
    File {
        file: OwnedFd,
        offset: u64,
        left: u64,
    },
}

impl Output {
    /// True once the socket has taken everything.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && !self.unsent
    }

    /// Bytes of memory that wait for the socket.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Sends the parts as far as the socket takes them, and keeps the rest.
    pub fn write(
        &mut self,
        transport: &mut Transport,
        socket: &Socket,
        mut parts: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        while self.queue.is_empty() && !parts.is_empty() {
            match transport.write(socket, parts) {
                Ok(sent) => IoSlice::advance_slices(&mut parts, sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if !parts.is_empty() {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            self.held += bytes.len();
            self.queue.push_back(Piece::Bytes { bytes, sent: 0 });
        }
        self.unsent = transport.has_unsent();
        Ok(())
    }

    /// Sends a part of a file after everything else.
    pub fn send_file(
        &mut self,
        transport: &mut Transport,
        socket: &Socket,
        file: OwnedFd,
        offset: u64,
        left: u64,
    ) -> io::Result<()> {
        self.queue.push_back(Piece::File { file, offset, left });
        self.flush(transport, socket).map(drop)
    }

    /// Sends what the socket takes now; gives the bytes that went out.
    pub fn flush(&mut self, transport: &mut Transport, socket: &Socket) -> io::Result<usize> {
        let result = self.send_queue(transport, socket);
        self.unsent = transport.has_unsent();
        result
    }

    fn send_queue(&mut self, transport: &mut Transport, socket: &Socket) -> io::Result<usize> {
        let mut total = 0;
        while let Some(piece) = self.queue.front_mut() {
            let result = match piece {
                Piece::Bytes { bytes, sent } => {
                    transport.write(socket, &[IoSlice::new(&bytes[*sent..])])
                }
                Piece::File { file, offset, left } if *left > 0 => {
                    transport.send_file(socket, file.as_fd(), *offset, *left)
                }
                Piece::File { .. } => Ok(0),
            };
            let moved = match result {
                Ok(moved) => moved,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(total),
                Err(error) => return Err(error),
            };
            total += moved;
            let done = match piece {
                Piece::Bytes { bytes, sent } => {
                    *sent += moved;
                    self.held -= moved;
                    *sent == bytes.len()
                }
                // A file that became shorter cannot keep the head's promise.
                Piece::File { left: 1.., .. } if moved == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Piece::File { offset, left, .. } => {
                    *offset += moved as u64;
                    *left -= moved as u64;
                    *left == 0
                }
            };
            if done {
                self.queue.pop_front();
            }
        }
        match transport.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(total),
        }
    }
}
