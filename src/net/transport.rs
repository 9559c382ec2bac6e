//! Reads and writes the bytes of a connection, with or without TLS. Nothing
//! here waits: `WouldBlock` is an error, and epoll tells when to try again.

use super::tls::{ClientCertificate, TlsFacts, TlsSession};
use nix::sys::sendfile::sendfile;
use socket2::{MsgHdr, Socket};
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;

/// The largest number of parts in one write (UIO_MAXIOV of Linux).
const MOST_PARTS: usize = 1024;

/// The state of a connection's bytes over a non-blocking socket. Each call gets
/// the socket, so that one thread can wait for the socket while another uses
/// this.
#[derive(Debug)]
pub enum Transport {
    /// The bare socket.
    Plain,
    Tls(Box<TlsSession>),
}

impl Transport {
    /// Reads received bytes. Gives their number; 0 when the client sends no
    /// more.
    pub fn read(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain => retry(|| (&mut &*socket).read(into)),
            Transport::Tls(session) => session.read(socket, into),
        }
    }

    /// True if a read that did not fill its buffer has read everything. Then
    /// the next read can wait for epoll.
    pub fn short_read_means_empty(&self) -> bool {
        match self {
            Transport::Plain => true,
            Transport::Tls(session) => session.has_read_socket(),
        }
    }

    /// Writes the start of `parts`. Gives the number of accepted bytes.
    pub fn write(&mut self, socket: &Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Transport::Plain => retry(|| match parts {
                [part] => socket.send_with_flags(part, libc::MSG_NOSIGNAL),
                parts => {
                    let parts = &parts[..parts.len().min(MOST_PARTS)];
                    let message = MsgHdr::new().with_buffers(parts);
                    socket.sendmsg(&message, libc::MSG_NOSIGNAL)
                }
            }),
            Transport::Tls(session) => session.write(socket, parts),
        }
    }

    /// True while accepted bytes are not sent.
    pub fn has_unsent(&self) -> bool {
        match self {
            Transport::Plain => false,
            Transport::Tls(session) => session.has_unsent(),
        }
    }

    /// Writes at most `length` bytes of a file from `offset`. Gives the number
    /// of accepted bytes; 0 at the end of the file.
    pub fn send_file(
        &mut self,
        socket: &Socket,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
    ) -> io::Result<usize> {
        match self {
            Transport::Plain => {
                let too_large = |_| io::ErrorKind::InvalidInput;
                let mut offset = offset.try_into().map_err(too_large)?;
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                retry(|| Ok(sendfile(socket, file, Some(&mut offset), length)?))
            }
            Transport::Tls(session) => session.send_file(socket, file, offset, length),
        }
    }

    /// Sends bytes that `write` has accepted and not sent.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        match self {
            Transport::Plain => Ok(()),
            Transport::Tls(session) => session.flush(socket),
        }
    }

    /// The client's certificate, if it has sent one.
    pub fn client_certificate(&self) -> Option<ClientCertificate> {
        match self {
            Transport::Plain => None,
            Transport::Tls(session) => session.client_certificate(),
        }
    }

    /// Whether the handshake of TLS is finished; nothing without TLS, and before
    /// the client's first bytes.
    pub fn handshake(&self) -> Option<bool> {
        match self {
            Transport::Plain => None,
            Transport::Tls(session) => session.handshake(),
        }
    }

    /// True once the handshake of TLS has chosen HTTP/2.
    pub fn speaks_http2(&self) -> bool {
        match self {
            Transport::Plain => false,
            Transport::Tls(session) => session.speaks_http2(),
        }
    }

    /// The facts of the TLS session; nothing without TLS.
    pub fn tls_facts(&self) -> Option<TlsFacts> {
        match self {
            Transport::Plain => None,
            Transport::Tls(session) => Some(session.facts()),
        }
    }

    /// Ends the writing. The client may still send.
    pub fn shut_down(&mut self, socket: &Socket) -> io::Result<()> {
        self.end(socket);
        socket.shutdown(Shutdown::Write)
    }

    /// Says that nothing more comes, if the socket's end does not say so itself:
    /// before the socket is closed.
    pub fn end(&mut self, socket: &Socket) {
        match self {
            Transport::Plain => {}
            Transport::Tls(session) => session.end(socket),
        }
    }
}

fn retry<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
