//! The output of a connection that the socket has not taken yet.

use crate::net::Transport;
use crate::worker::request::spool::Spool;
use bytes::{Buf, Bytes};
use nix::sys::uio::pread;
use socket2::Socket;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// The most bytes that are held back for others.
const MOST_HELD: usize = 16 * 1024;

/// The bytes between the app and the socket, in order.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<Piece>,
    /// Bytes that wait for others, to be sent together with them. Nothing is in the
    /// queue meanwhile.
    held: Vec<u8>,
    /// Bytes in memory, without those in files.
    in_memory: usize,
    /// True while the transport (TLS) has bytes that the socket has not taken.
    unsent: bool,
    /// The file for bytes above the memory limit. It is removed once everything
    /// was sent.
    spool: Option<Spool>,
    /// How many bytes were sent since the last `take_sent`.
    sent: u64,
}

/// How much of a response is kept for a client that reads slower than the app
/// writes.
#[derive(Debug)]
pub struct BufferLimits {
    /// Bytes in memory.
    pub memory: usize,
    /// Bytes in a file; 0 for no file.
    pub file: u64,
    /// The folder of the file; nothing for the system's folder for temporary
    /// files.
    pub folder: Option<PathBuf>,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    File {
        file: OwnedFd,
        offset: u64,
        left: u64,
    },
    /// A part of the spool.
    Spooled {
        offset: u64,
        left: u64,
    },
}

impl Output {
    /// True once the socket has taken everything.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && !self.is_blocked()
    }

    /// True while the socket does not take everything.
    pub fn is_blocked(&self) -> bool {
        !self.queue.is_empty() || self.unsent
    }

    /// True while bytes wait for others.
    pub fn is_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Bytes in memory that wait for the socket.
    pub fn in_memory(&self) -> usize {
        self.in_memory
    }

    /// How many bytes were sent since the last `take_sent`.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// How many bytes were sent since the last call.
    pub fn take_sent(&mut self) -> u64 {
        std::mem::take(&mut self.sent)
    }

    /// Sends as much as the socket takes, and keeps the rest: in memory up to
    /// the limit, then in a file up to its limit, then again in memory.
    pub fn write(
        &mut self,
        transport: &mut Transport,
        socket: &Socket,
        limits: &BufferLimits,
        parts: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        if self.held.is_empty() {
            return self.write_parts(transport, socket, limits, parts);
        }
        if self.hold(parts) {
            // To send one part costs less than to send several.
            let held = std::mem::take(&mut self.held);
            return self.write_parts(transport, socket, limits, &mut [IoSlice::new(&held)]);
        }
        let held = std::mem::take(&mut self.held);
        let mut all = vec![IoSlice::new(&held)];
        all.extend(parts.iter().map(|part| IoSlice::new(part)));
        self.write_parts(transport, socket, limits, &mut all)
    }

    /// Keeps bytes that wait for others, unless they are too many or the socket does
    /// not take what is before them.
    pub fn hold(&mut self, parts: &[IoSlice<'_>]) -> bool {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let holds = !self.is_blocked() && self.held.len() + length <= MOST_HELD;
        if holds {
            parts
                .iter()
                .for_each(|part| self.held.extend_from_slice(part));
        }
        holds
    }

    fn write_parts(
        &mut self,
        transport: &mut Transport,
        socket: &Socket,
        limits: &BufferLimits,
        mut parts: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        while self.queue.is_empty() && !parts.is_empty() {
            match transport.write(socket, parts) {
                Ok(sent) => {
                    self.sent += sent as u64;
                    IoSlice::advance_slices(&mut parts, sent);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if !parts.is_empty() {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            self.keep(bytes, limits);
        }
        self.unsent = transport.has_unsent();
        Ok(())
    }

    /// Keeps bytes after everything else, in the same way.
    pub fn keep(&mut self, bytes: Vec<u8>, limits: &BufferLimits) {
        self.release();
        if bytes.is_empty() {
            return;
        }
        let fits = self.in_memory + bytes.len() <= limits.memory;
        let to_file = !fits || matches!(self.queue.back(), Some(Piece::Spooled { .. }));
        if to_file && let Some(offset) = self.spool(&bytes, limits) {
            let length = bytes.len() as u64;
            match self.queue.back_mut() {
                Some(Piece::Spooled { left, .. }) => *left += length,
                _ => self.queue.push_back(Piece::Spooled {
                    offset,
                    left: length,
                }),
            }
            return;
        }
        self.in_memory += bytes.len();
        self.queue.push_back(Piece::Bytes(bytes.into()));
    }

    /// Appends all bytes to the file, and gives their offset; nothing if the
    /// file has no room or fails. That is no error: the app then waits for its
    /// client, as it does without a file.
    fn spool(&mut self, bytes: &[u8], limits: &BufferLimits) -> Option<u64> {
        let written = self.spool.as_ref().map_or(0, Spool::written);
        if written + bytes.len() as u64 > limits.file {
            return None;
        }
        if self.spool.is_none() {
            self.spool = Spool::new(limits.folder.as_deref()).ok();
        }
        self.spool.as_mut()?.append(bytes).ok()
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
        self.keep_file(file, offset, left);
        self.flush(transport, socket).map(drop)
    }

    /// Keeps a part of a file after everything else.
    pub fn keep_file(&mut self, file: OwnedFd, offset: u64, left: u64) {
        self.release();
        if left > 0 {
            self.queue.push_back(Piece::File { file, offset, left });
        }
    }

    /// How many bytes the next [`take`](Output::take) gives if it may give them all.
    pub fn next_length(&self) -> usize {
        match self.queue.front() {
            Some(Piece::Bytes(bytes)) => bytes.len(),
            Some(Piece::File { left, .. } | Piece::Spooled { left, .. }) => {
                usize::try_from(*left).unwrap_or(usize::MAX)
            }
            None => 0,
        }
    }

    /// Takes at most `most` bytes from the front, for an owner that sends them
    /// itself.
    pub fn take(&mut self, most: usize) -> io::Result<Bytes> {
        let (taken, is_done) = match self.queue.front_mut() {
            Some(Piece::Bytes(bytes)) => {
                let taken = bytes.split_to(most.min(bytes.len()));
                self.in_memory -= taken.len();
                (taken, bytes.is_empty())
            }
            Some(Piece::File { file, offset, left }) => {
                let taken = read_part(file.as_fd(), offset, left, most)?;
                (taken.into(), *left == 0)
            }
            Some(Piece::Spooled { offset, left }) => {
                let file = self.spool.as_ref().expect("a spooled piece has a spool");
                let taken = read_part(file.as_fd(), offset, left, most)?;
                (taken.into(), *left == 0)
            }
            None => (Bytes::new(), false),
        };
        if is_done {
            self.queue.pop_front();
        }
        if self.queue.is_empty() {
            // Frees the disk space.
            self.spool = None;
        }
        Ok(taken)
    }

    /// Moves the bytes that wait for others to the queue.
    fn release(&mut self) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.in_memory += held.len();
            self.queue.push_back(Piece::Bytes(held.into()));
        }
    }

    /// Sends as much as the socket takes now, without waiting for more. Gives the
    /// number of bytes sent.
    pub fn flush(&mut self, transport: &mut Transport, socket: &Socket) -> io::Result<usize> {
        self.release();
        let result = self.send_queue(transport, socket);
        self.unsent = transport.has_unsent();
        result
    }

    fn send_queue(&mut self, transport: &mut Transport, socket: &Socket) -> io::Result<usize> {
        let mut total = 0;
        while let Some(piece) = self.queue.front_mut() {
            let result = match piece {
                Piece::Bytes(bytes) => transport.write(socket, &[IoSlice::new(bytes)]),
                Piece::File { file, offset, left } if *left > 0 => {
                    transport.send_file(socket, file.as_fd(), *offset, *left)
                }
                Piece::Spooled { offset, left } => {
                    let file = self.spool.as_ref().expect("a spooled piece has a spool");
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
            self.sent += moved as u64;
            let done = match piece {
                Piece::Bytes(bytes) => {
                    bytes.advance(moved);
                    self.in_memory -= moved;
                    bytes.is_empty()
                }
                // The file has become shorter than the Content-Length that was
                // sent.
                Piece::File { left: 1.., .. } | Piece::Spooled { .. } if moved == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Piece::File { offset, left, .. } | Piece::Spooled { offset, left } => {
                    *offset += moved as u64;
                    *left -= moved as u64;
                    *left == 0
                }
            };
            if done {
                self.queue.pop_front();
            }
        }
        // Frees the disk space.
        self.spool = None;
        match transport.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(total),
        }
    }
}

/// Reads at most `most` bytes of a part of a file, and takes them off the part.
fn read_part(
    file: BorrowedFd<'_>,
    offset: &mut u64,
    left: &mut u64,
    most: usize,
) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; most.min(usize::try_from(*left).unwrap_or(most))];
    let from = i64::try_from(*offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    let length = pread(file, &mut bytes, from)?;
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.truncate(length);
    *offset += length as u64;
    *left -= length as u64;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Type};
    use std::io::Read;

    const LIMITS: BufferLimits = BufferLimits {
        memory: 1000,
        file: 100_000,
        folder: None,
    };

    /// Writes blocks of 700 bytes to a client that reads nothing, until
    /// `enough`. Then lets the client read everything.
    fn written(
        limits: &BufferLimits,
        enough: impl Fn(&Output) -> bool,
    ) -> (Output, Vec<u8>, Vec<u8>) {
        let (mut client, socket) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (mut output, mut transport) = (Output::default(), Transport::Plain);
        let mut sent = Vec::new();
        while !enough(&output) {
            let block: Vec<u8> = (0..700).map(|it| (it + sent.len()) as u8).collect();
            let parts = &mut [IoSlice::new(&block)];
            output
                .write(&mut transport, &socket, limits, parts)
                .unwrap();
            sent.extend(block);
        }
        let mut read = vec![0; sent.len()];
        let mut length = 0;
        let before = (output.in_memory(), output.spool.is_some());
        while length < read.len() {
            length += client.read(&mut read[length..]).unwrap();
            output.flush(&mut transport, &socket).unwrap();
        }
        assert!(output.is_empty() && output.spool.is_none(), "{before:?}");
        (output, sent, read)
    }

    #[test]
    fn output_above_the_memory_limit_goes_through_a_file_in_order() {
        let (_, sent, read) = written(&LIMITS, |output| {
            output
                .spool
                .as_ref()
                .is_some_and(|it| it.written() > 50_000)
        });
        assert_eq!(sent, read);
    }

    #[test]
    fn a_full_file_leaves_the_rest_to_memory() {
        let (_, sent, read) = written(&LIMITS, |output| output.in_memory() > 3000);
        assert_eq!(sent, read);
        assert!(read.len() > 100_000);
        let none = BufferLimits { file: 0, ..LIMITS };
        let (_, sent, read) = written(&none, |output| output.in_memory() > 3000);
        assert_eq!(sent, read);
    }
}
