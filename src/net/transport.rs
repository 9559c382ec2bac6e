//! What a connection's bytes go through. Nothing here waits: what cannot be
//! done now is `WouldBlock`, and epoll tells when to try again.

use super::tls::{ClientCertificate, TlsFacts, TlsSession};
use nix::sys::sendfile::sendfile;
use socket2::{MsgHdr, Socket};
use std::io::{self, IoSlice, Read};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;

/// The most parts that one write takes: Linux's UIO_MAXIOV.
const MOST_PARTS: usize = 1024;

/// The bytes' way through a socket that does not block. The socket itself is
/// given to each call: it can be waited for while another thread is in here.
#[derive(Debug)]
pub enum Transport {
    /// The bare socket.
    Plain,
    Tls(Box<TlsSession>),
}

impl Transport {
    /// Reads what has come: its length, 0 at the end of what the client sends.
    pub fn read(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain => retry(|| (&mut &*socket).read(into)),
            Transport::Tls(session) => session.read(socket, into),
        }
    }

    /// True if a read that gave less than it had room for has left nothing
    /// behind, so that the next one can wait until epoll has news.
    pub fn short_read_means_empty(&self) -> bool {
        match self {
            Transport::Plain => true,
            Transport::Tls(_) => false,
        }
    }

    /// Writes the front of `parts`; gives how many bytes were taken.
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

    /// True while something that `write` has taken waits for the socket.
    pub fn has_unsent(&self) -> bool {
        match self {
            Transport::Plain => false,
            Transport::Tls(session) => session.has_unsent(),
        }
    }

    /// Writes at most `length` bytes of a file from `offset` on; gives how many
    /// were taken, 0 where the file has ended.
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

    /// Passes on what `write` has taken and not yet sent.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        match self {
            Transport::Plain => Ok(()),
            Transport::Tls(session) => session.flush(socket),
        }
    }

    /// What the client has shown to prove who it is.
    pub fn client_certificate(&self) -> Option<ClientCertificate> {
        match self {
            Transport::Plain => None,
            Transport::Tls(session) => session.client_certificate(),
        }
    }

    /// What was agreed upon with the client, where TLS is spoken.
    pub fn tls_facts(&self) -> Option<TlsFacts> {
        match self {
            Transport::Plain => None,
            Transport::Tls(session) => Some(session.facts()),
        }
    }

    /// Says that nothing more will be written; the client may go on sending.
    pub fn shut_down(&mut self, socket: &Socket) -> io::Result<()> {
        match self {
            Transport::Plain => socket.shutdown(Shutdown::Write),
            Transport::Tls(session) => session.shut_down(socket),
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
