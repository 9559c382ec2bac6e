//! Lines to a syslog daemon, in Gunicorn's form:
//! `<priority>gunicorn.PREFIX.access: [pid] line`.
//!
//! A log must not delay requests for long: if the daemon does not accept a
//! message within [`TIMEOUT`], this message and those of the next second are
//! lost.

use std::io::{self, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::system::{addresses, lock};

/// How long one message may take, and how long to wait until the next try to
/// reach a daemon.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Where a syslog daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogAddress {
    /// Host and port.
    Udp(String, u16),
    /// Host and port.
    Tcp(String, u16),
    UnixDatagram(PathBuf),
    UnixStream(PathBuf),
    /// A datagram socket, or else a stream.
    Unix(PathBuf),
}

/// A log that goes to a syslog daemon.
#[derive(Debug)]
pub struct Syslog {
    address: SyslogAddress,
    facility: u8,
    /// `gunicorn.PREFIX.error` or `.access`.
    tag: String,
    line: Mutex<SyslogConnection>,
}

/// The connection to the daemon.
#[derive(Debug, Default)]
struct SyslogConnection {
    /// The connection, with the process that has made it: a forked process
    /// makes its own.
    open: Option<(u32, Socket)>,
    /// The time of the last failed try to connect.
    failed: Option<Instant>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Datagram(UnixDatagram),
    Tcp(TcpStream),
    Stream(UnixStream),
}

impl Syslog {
    pub fn new(address: SyslogAddress, facility: u8, tag: String) -> Self {
        Self {
            address,
            facility,
            tag,
            line: Mutex::default(),
        }
    }

    /// Sends each line as a message.
    pub fn send_lines(&self, severity: Severity, lines: &[u8]) {
        for line in lines.split(|&byte| byte == b'\n') {
            if !line.is_empty() {
                self.send(severity, line);
            }
        }
    }

    /// Sends one message, or loses it.
    pub fn send(&self, severity: Severity, text: &[u8]) {
        let pid = process::id();
        let priority = self.facility * 8 + severity as u8;
        let mut message = format!("<{priority}>{}: [{pid}] ", self.tag).into_bytes();
        message.extend_from_slice(text);

        let mut line = lock(&self.line);
        // If the connection broke after the last message, a new one is tried.
        if let Some((_, mut socket)) = line.open.take_if(|(owner, _)| *owner == pid)
            && socket.send(&mut message).is_ok()
        {
            line.open = Some((pid, socket));
        } else if line.failed.is_none_or(|at| at.elapsed() >= TIMEOUT) {
            let socket = Socket::connect(&self.address).and_then(|mut socket| {
                socket.send(&mut message)?;
                Ok(socket)
            });
            line.failed = socket.is_err().then(Instant::now);
            line.open = socket.ok().map(|socket| (pid, socket));
        }
    }
}

/// The severity of a message (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Critical = 2,
    Error = 3,
    Warning = 4,
    Info = 6,
    Debug = 7,
}

impl Socket {
    fn connect(address: &SyslogAddress) -> io::Result<Self> {
        let socket = match address {
            SyslogAddress::Udp(host, port) => {
                let socket = datagram_to(host, *port)?;
                socket.set_write_timeout(Some(TIMEOUT))?;
                Self::Udp(socket)
            }
            SyslogAddress::Tcp(host, port) => {
                let socket = first_ok(addresses(host, *port)?, |address| {
                    TcpStream::connect_timeout(&address, TIMEOUT)
                })?;
                socket.set_write_timeout(Some(TIMEOUT))?;
                Self::Tcp(socket)
            }
            SyslogAddress::UnixDatagram(path) => Self::datagram(path)?,
            SyslogAddress::UnixStream(path) => Self::stream(path)?,
            SyslogAddress::Unix(path) => Self::datagram(path).or_else(|_| Self::stream(path))?,
        };
        Ok(socket)
    }

    fn datagram(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self::Datagram(socket))
    }

    fn stream(path: &Path) -> io::Result<Self> {
        let socket = UnixStream::connect(path)?;
        socket.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self::Stream(socket))
    }

    fn send(&mut self, message: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(message).map(drop),
            Self::Datagram(socket) => socket.send(message).map(drop),
            Self::Tcp(socket) => socket.write_all(framed(message)),
            Self::Stream(socket) => socket.write_all(framed(message)),
        }
    }
}

/// A UDP socket that is connected to that port.
pub fn datagram_to(host: &str, port: u16) -> io::Result<UdpSocket> {
    first_ok(addresses(host, port)?, |address| {
        let any = if address.is_ipv6() {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        let socket = UdpSocket::bind(any)?;
        socket.connect(address)?;
        Ok(socket)
    })
}

fn first_ok<A, T>(
    all: impl IntoIterator<Item = A>,
    mut act: impl FnMut(A) -> io::Result<T>,
) -> io::Result<T> {
    let mut result = Err(io::ErrorKind::NotFound.into());
    for one in all {
        result = act(one);
        if result.is_ok() {
            break;
        }
    }
    result
}

/// In a stream a message is one line (RFC 6587, section 3.4.2). So the lines of
/// a traceback are joined, as rsyslog joins them.
fn framed(message: &mut Vec<u8>) -> &[u8] {
    if message.last() != Some(&b'\n') {
        let mut line = Vec::with_capacity(message.len() + 1);
        for (number, part) in message.split(|&byte| byte == b'\n').enumerate() {
            if number > 0 {
                line.extend_from_slice(b"#012");
            }
            line.extend_from_slice(part);
        }
        line.push(b'\n');
        *message = line;
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_a_stream_is_one_line() {
        let mut message = b"a\nb".to_vec();
        assert_eq!(framed(&mut message), b"a#012b\n");
        assert_eq!(framed(&mut message), b"a#012b\n");
    }
}
