//! The server's side of one TLS connection, over a non-blocking socket that
//! each call gets.
//!
//! The handshake is part of reading. So the code that waits for the request's
//! bytes also does the handshake.

use super::sni::CertificatesByName;
use super::{ClientCertificate, TlsFacts};
use nix::sys::uio::pread;
use rustls::{ServerConfig, ServerConnection};
use socket2::Socket;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// How much of a file is read at once.
const BLOCK: usize = 64 * 1024;

/// The first byte of a TLS connection: the record type `handshake`.
const HANDSHAKE: u8 = 22;

#[derive(Debug)]
pub struct TlsSession {
    session: ServerConnection,
    certificates: Arc<CertificatesByName>,
    /// The bytes that were received before the session began.
    received: Vec<u8>,
    /// The response to a client that does not use TLS.
    to_plain_text: &'static [u8],
    /// True once the client's first byte was checked.
    begun: bool,
    /// True if the last read has left nothing in the socket, and the client has
    /// not ended the session.
    read_socket: bool,
}

impl TlsSession {
    pub(super) fn new(
        config: Arc<ServerConfig>,
        certificates: Arc<CertificatesByName>,
        received: Vec<u8>,
        to_plain_text: &'static [u8],
    ) -> io::Result<TlsSession> {
        let session = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(TlsSession {
            session,
            certificates,
            received,
            to_plain_text,
            begun: false,
            read_socket: false,
        })
    }

    /// Reads decrypted bytes. Gives their number; 0 at the end.
    ///
    /// # Errors
    /// `WouldBlock`; `InvalidData` for bytes that are not TLS or not
    /// acceptable. The client was told.
    pub fn read(&mut self, socket: &Socket, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The client has closed without a close_notify. The framing of
                // HTTP shows if something is missing (`suppress_ragged_eofs`).
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            self.receive(socket)?;
        }
    }

    /// Reads records from the socket, and answers those of the handshake.
    fn receive(&mut self, socket: &Socket) -> io::Result<()> {
        self.read_socket = false;
        let mut input = Uninterrupted::new(socket);
        if self.begun && self.received.is_empty() {
            self.session.read_tls(&mut input)?;
        } else {
            self.begin(&mut input)?;
        }
        match self.session.process_new_packets() {
            Ok(news) => self.read_socket = input.is_empty && !news.peer_has_closed(),
            Err(error) => {
                // Sends the alert. The connection is lost anyway.
                let _ = self.flush(socket);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads the connection's first bytes, and checks that they are TLS.
    fn begin(&mut self, input: &mut Uninterrupted<'_>) -> io::Result<()> {
        if self.received.is_empty() {
            let mut first = [0; 4096];
            let length = input.read(&mut first)?;
            self.received.extend_from_slice(&first[..length]);
        }
        let first = self.received.first();
        if !self.begun
            && let Some(first) = first
            && *first != HANDSHAKE
        {
            if first.is_ascii_uppercase() {
                let _ = input.write(self.to_plain_text);
            }
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the client does not speak TLS",
            ));
        }
        self.begun = true;
        let mut rest = &self.received[..];
        self.session.read_tls(&mut rest)?;
        let taken = self.received.len() - rest.len();
        self.received.drain(..taken);
        Ok(())
    }

    /// Encrypts and sends the start of `parts`. Gives the number of accepted
    /// bytes. Some of them may wait for [`TlsSession::flush`].
    ///
    /// # Errors
    /// `WouldBlock` while bytes of an earlier call wait.
    pub fn write(&mut self, socket: &Socket, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush(socket)?;
        let taken = self.session.writer().write_vectored(parts)?;
        match self.flush(socket) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// As [`TlsSession::write`], for at most `length` bytes of a file.
    pub fn send_file(
        &mut self,
        socket: &Socket,
        file: BorrowedFd<'_>,
        offset: u64,
        length: u64,
    ) -> io::Result<usize> {
        self.flush(socket)?;
        let mut block = vec![0; BLOCK.min(usize::try_from(length).unwrap_or(BLOCK))];
        let offset = offset.try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
        let length = pread(file, &mut block, offset)?;
        if length == 0 {
            return Ok(0);
        }
        self.write(socket, &[IoSlice::new(&block[..length])])
    }

    /// Sends waiting bytes.
    ///
    /// # Errors
    /// `WouldBlock` if some still wait.
    pub fn flush(&mut self, socket: &Socket) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut Uninterrupted::new(socket))?;
        }
        Ok(())
    }

    /// True while bytes wait for [`TlsSession::flush`].
    pub fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Ends the session (`close_notify`). The client may still send.
    pub fn end(&mut self, socket: &Socket) {
        if self.begun {
            self.session.send_close_notify();
            let _ = self.flush(socket);
        }
    }

    /// True if the last read has left nothing in the socket, and the client has
    /// not ended the session.
    pub fn has_read_socket(&self) -> bool {
        // What the client has sent before the session began is not read from
        // the socket.
        self.read_socket && self.received.is_empty()
    }

    /// Whether the handshake is finished; nothing before the client's first
    /// bytes.
    pub fn handshake(&self) -> Option<bool> {
        self.begun.then(|| !self.session.is_handshaking())
    }

    /// True once the handshake has chosen HTTP/2 (RFC 9113 section 3.2).
    pub fn speaks_http2(&self) -> bool {
        !self.session.is_handshaking() && self.session.alpn_protocol() == Some(b"h2")
    }

    /// The client's certificate, after the handshake.
    pub fn client_certificate(&self) -> Option<ClientCertificate> {
        let chain = self.session.peer_certificates()?;
        ClientCertificate::read(chain.first()?)
    }

    /// The facts of the session, after the handshake.
    pub fn facts(&self) -> TlsFacts {
        TlsFacts::of(&self.session, &self.certificates)
    }
}

/// The socket. Calls that a signal interrupts are repeated, and writes raise no
/// SIGPIPE.
struct Uninterrupted<'a> {
    socket: &'a Socket,
    /// True if the last read has not filled its buffer, so that nothing is left.
    is_empty: bool,
}

impl<'a> Uninterrupted<'a> {
    fn new(socket: &'a Socket) -> Self {
        Self {
            socket,
            is_empty: false,
        }
    }
}

impl Read for Uninterrupted<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = retry(|| self.socket.read(into))?;
        self.is_empty = length < into.len();
        Ok(length)
    }
}

impl Write for Uninterrupted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| self.socket.send_with_flags(bytes, libc::MSG_NOSIGNAL))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
