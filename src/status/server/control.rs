//! One client of a control socket.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::Uid;
use socket2::Socket;

use crate::control::{Frames, Reply, Request, frame};

/// How long a client may be silent, as in Gunicorn.
const IDLE_TIME: Duration = Duration::from_secs(300);

/// How long a client may take none of its replies.
const SEND_TIME: Duration = Duration::from_secs(10);

/// The rest of a reply that is too long, or of a client that reads too slowly,
/// is not kept beyond this number of bytes.
const MOST_UNSENT: usize = 64 << 20;

/// A client.
#[derive(Debug)]
pub struct ControlClient {
    socket: UnixStream,
    frames: Frames,
    output: Vec<u8>,
    deadline: Instant,
    pub watches_writable: bool,
}

/// What a client has done.
#[derive(Debug)]
pub enum Progress {
    /// It has sent these requests.
    Requests(Vec<Request>),
    Closed,
}

impl ControlClient {
    /// # Errors
    /// The client is another user, and not root; or the socket cannot be used.
    pub fn new(socket: Socket) -> io::Result<Self> {
        let peer = Uid::from_raw(getsockopt(&socket, sockopt::PeerCredentials)?.uid());
        if !peer.is_root() && peer != Uid::effective() {
            return Err(io::Error::other(format!(
                "user {peer} may not steer this server; be its own user, or root"
            )));
        }
        Ok(Self {
            socket: UnixStream::from(std::os::fd::OwnedFd::from(socket)),
            frames: Frames::of_commands(),
            output: Vec::new(),
            deadline: Instant::now() + IDLE_TIME,
            watches_writable: false,
        })
    }

    /// When it is closed unless something happens.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn has_unsent(&self) -> bool {
        !self.output.is_empty()
    }

    /// Reads and sends what can be read and sent.
    pub fn advance(&mut self) -> Progress {
        if self.flush().is_err() {
            return Progress::Closed;
        }
        let mut requests = Vec::new();
        let mut buffer = [0; 8192];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Progress::Closed,
                Ok(length) => self.frames.push(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Progress::Closed,
            }
            loop {
                match self.frames.next::<Request>() {
                    Ok(Some(request)) => requests.push(request),
                    Ok(None) => break,
                    Err(error) => {
                        self.reply(&Reply::error(0, &error.to_string()));
                        return Progress::Closed;
                    }
                }
            }
        }
        if !requests.is_empty() {
            self.deadline = Instant::now() + IDLE_TIME;
        }
        Progress::Requests(requests)
    }

    /// The reply may take until then.
    pub fn wait_until(&mut self, deadline: Instant) {
        self.deadline = self.deadline.max(deadline + SEND_TIME);
    }

    /// Sends a reply, as far as the socket takes it.
    pub fn reply(&mut self, reply: &Reply) {
        let bytes = frame(reply).or_else(|error| {
            let id = reply.id.clone();
            frame(&Reply::error(id, &error.to_string()))
        });
        if let Ok(bytes) = bytes
            && self.output.len() < MOST_UNSENT
        {
            self.output.extend_from_slice(&bytes);
        }
        // An error shows again at the next read.
        let _ = self.flush();
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.output.len() {
            match self.socket.write(&self.output[sent..]) {
                Ok(length) => sent += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.drain(..sent);
        if self.has_unsent() && sent > 0 {
            self.deadline = Instant::now() + SEND_TIME;
        }
        Ok(())
    }
}

impl AsFd for ControlClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
