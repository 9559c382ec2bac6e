//! Where a connection leads, and its bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::super::certificates::Authority;
use super::super::{DEADLINE, Target, uninterrupted};

/// A server, and how it is spoken to.
#[derive(Clone)]
pub struct Origin {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, String)>,
}

impl Origin {
    /// In clear text, with prior knowledge of HTTP/2 (RFC 9113, section 3.3).
    #[track_caller]
    pub fn http(target: &Target) -> Self {
        let Target::Tcp(address) = target else {
            panic!("{target:?} has no port");
        };
        Self {
            address: *address,
            tls: None,
        }
    }

    /// Over TLS, to a server with a certificate of `authority` for `name`.
    #[track_caller]
    pub fn https(target: &Target, authority: &Authority, name: &str) -> Self {
        let config = authority.client_config(&["h2"]);
        Self {
            tls: Some((config, name.to_owned())),
            ..Self::http(target)
        }
    }

    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// A connection that has agreed on HTTP/2 and sent nothing of it.
    #[track_caller]
    pub fn connect(&self) -> Transport {
        let mut socket = TcpStream::connect_timeout(&self.address, DEADLINE).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        socket.set_nodelay(true).unwrap();
        let Some((config, name)) = &self.tls else {
            return Transport::Clear(socket);
        };
        let name = name.clone().try_into().unwrap();
        let mut session = ClientConnection::new(config.clone(), name).unwrap();
        while session.is_handshaking() {
            session
                .complete_io(&mut socket)
                .expect("the handshake must succeed");
        }
        assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
        Transport::Tls(Box::new(StreamOwned::new(session, socket)))
    }
}

pub enum Transport {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Transport {
    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Clear(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    /// Reads what there is into `received`, and waits for it not longer than `patience`.
    /// Returns how much it was: 0 at the end of the connection, however it ended.
    pub fn read(&mut self, received: &mut Vec<u8>, patience: Duration) -> io::Result<usize> {
        self.socket()
            .set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut block = [0; 64 << 10];
        let count = uninterrupted(|| match self {
            Self::Clear(socket) => socket.read(&mut block),
            Self::Tls(stream) => stream.read(&mut block),
        });
        match count {
            Ok(count) => {
                received.extend_from_slice(&block[..count]);
                Ok(count)
            }
            Err(error) if is_end(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Reads all that there is into `received`, without waiting. Returns whether the
    /// connection has ended.
    pub fn read_all(&mut self, received: &mut Vec<u8>) -> io::Result<bool> {
        self.socket().set_nonblocking(true)?;
        let read = match self {
            Self::Clear(socket) => socket.read_to_end(received),
            Self::Tls(stream) => stream.read_to_end(received),
        };
        self.socket().set_nonblocking(false)?;
        match read {
            Ok(_) => Ok(true),
            Err(error) if is_end(&error) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes all bytes, unless the server has closed the connection.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = match self {
            Self::Clear(socket) => socket.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
        match written {
            Err(error) if is_end(&error) => Ok(()),
            written => written,
        }
    }
}

/// Whether the other side has closed the connection, properly or not.
fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    [
        BrokenPipe,
        ConnectionAborted,
        ConnectionReset,
        UnexpectedEof,
    ]
    .contains(&error.kind())
}
