//! Passes idle connections from a worker that ends to the other workers.
//!
//! An idle connection has no state except its socket, and the system keeps what
//! the client sends meanwhile. So a worker that is replaced need not close it:
//! it sends the socket through a socket pair that all workers of a master share
//! (`SCM_RIGHTS`, unix(7)). Any worker that still serves takes it, as it takes
//! connections from a listener.

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, setsockopt, socketpair, sockopt,
};
use socket2::Socket;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Bytes of the longest message, which is one letter and an address.
const MAX_MESSAGE: usize = 128;

/// The socket pair's buffer in bytes. The system counts about 800 for each
/// connection.
const BUFFER_SIZE: usize = 1 << 20;

/// Both ends of the socket pair. All workers have both.
#[derive(Debug)]
pub struct Handover {
    give: OwnedFd,
    take: OwnedFd,
}

/// A connection that was handed over.
pub struct HandedOver {
    pub socket: Socket,
    /// The address of the listener that accepted it; nothing for a unix socket.
    pub server: Option<SocketAddr>,
    /// True if it has carried a request.
    pub is_used: bool,
}

impl Handover {
    /// # Errors
    /// The process has no descriptors left.
    pub fn new() -> io::Result<Handover> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let (give, take) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        // The system may allow less; then fewer connections fit at a time.
        let _ = setsockopt(&give, sockopt::SndBuf, &BUFFER_SIZE);
        Ok(Handover { give, take })
    }

    /// The socket pair that the workers have already.
    pub fn adopt([give, take]: [OwnedFd; 2]) -> Handover {
        Handover { give, take }
    }

    /// The ends, in the order in which [`adopt`](Handover::adopt) takes them.
    pub fn ends(&self) -> [BorrowedFd<'_>; 2] {
        [self.give.as_fd(), self.take.as_fd()]
    }

    /// Sends a connection. The socket stays open until the caller drops it.
    ///
    /// # Errors
    /// `WouldBlock` when the buffer is full, or any other error of the system.
    pub fn give(
        &self,
        socket: &Socket,
        server: Option<SocketAddr>,
        is_used: bool,
    ) -> io::Result<()> {
        let server = server.map(|address| address.to_string());
        let kind = if is_used { 'u' } else { 'n' };
        let text = format!("{kind}{}", server.unwrap_or_default());
        let descriptors = [socket.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        let parts = [IoSlice::new(text.as_bytes())];
        sendmsg::<()>(self.give.as_raw_fd(), &parts, &rights, flags, None)?;
        Ok(())
    }

    /// Takes the connection that was sent first; nothing if there is none.
    ///
    /// # Errors
    /// The process has no descriptors left, or any other error of the system.
    pub fn take(&self) -> io::Result<Option<HandedOver>> {
        // Fails here if there is no free descriptor: in `recvmsg` the socket
        // would be lost.
        drop(self.take.try_clone()?);
        loop {
            let mut text = [0; MAX_MESSAGE];
            let mut parts = [IoSliceMut::new(&mut text)];
            let mut space = cmsg_space!(RawFd);
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let take = self.take.as_raw_fd();
            let received = match recvmsg::<()>(take, &mut parts, Some(&mut space), flags) {
                Ok(received) => received,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let mut socket = None;
            for message in received.cmsgs()? {
                if let ControlMessageOwned::ScmRights(descriptors) = message {
                    for descriptor in descriptors {
                        // SAFETY: the system has just made this descriptor for
                        // the message, and nothing else uses it.
                        socket = Some(unsafe { Socket::from_raw_fd(descriptor) });
                    }
                }
            }
            let length = received.bytes;
            // Any other message is dropped, with its descriptors.
            if let (Some(socket), Ok(text)) = (socket, str::from_utf8(&text[..length])) {
                return Ok(Some(HandedOver {
                    socket,
                    server: text.get(1..).and_then(|address| address.parse().ok()),
                    is_used: text.starts_with('u'),
                }));
            }
        }
    }
}

impl AsFd for Handover {
    /// Readable while there is a connection to take.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.take.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_connection_goes_over_with_what_its_client_has_sent() {
        let handover = Handover::new().unwrap();
        assert!(handover.take().unwrap().is_none());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(server).unwrap();
        client.write_all(b"hello").unwrap();
        let socket = Socket::from(listener.accept().unwrap().0);
        handover.give(&socket, Some(server), true).unwrap();
        handover.give(&socket, None, false).unwrap();
        drop(socket);
        let mut first = handover.take().unwrap().unwrap();
        assert_eq!((first.server, first.is_used), (Some(server), true));
        let mut text = [0; 5];
        first.socket.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
        let second = handover.take().unwrap().unwrap();
        assert_eq!((second.server, second.is_used), (None, false));
        drop((first, second));
        assert_eq!(client.read(&mut text).unwrap(), 0);
    }

    #[test]
    fn there_is_room_for_many_and_then_it_would_block() {
        let handover = Handover::new().unwrap();
        let (_client, socket) = Socket::pair(socket2::Domain::UNIX, socket2::Type::STREAM, None)
            .expect("a pair of sockets");
        let mut given = 0;
        let error = loop {
            match handover.give(&socket, None, true) {
                Ok(()) => given += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(given > 100, "{given}");
        for _ in 0..given {
            assert!(handover.take().unwrap().is_some());
        }
        assert!(handover.take().unwrap().is_none());
    }
}
