//! Metrics to a statsd daemon, under Gunicorn's names and types.
//!
//! Metrics of requests are collected, as the access log's lines are, and sent
//! many in a packet, one in each line. A metric that cannot be sent is lost:
//! nothing waits for it.

use std::fmt::{self, Write};
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Mutex;

use super::record::AccessRecord;
use super::syslog::datagram_to;
use crate::system::lock;

/// The largest packet: the UDP data in an Ethernet frame over IPv6.
const PACKET: usize = 1432;

/// Where a statsd daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsdAddress {
    /// Host and port.
    Udp(String, u16),
    Unix(PathBuf),
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The current value.
    Gauge,
    /// An increment.
    Counter,
    /// One value of a distribution.
    Histogram,
    /// One value of a distribution, in milliseconds.
    Timer,
}

impl Metric {
    fn suffix(self) -> &'static str {
        match self {
            Self::Gauge => "g",
            Self::Counter => "c|@1.0",
            Self::Histogram => "h",
            Self::Timer => "ms",
        }
    }
}

/// A statsd daemon.
#[derive(Debug)]
pub struct Statsd {
    socket: Socket,
    prefix: String,
    /// With a bar and a hash before them; empty if there are none.
    tags: String,
    /// The collected metrics, each with the end of its line.
    waiting: Mutex<String>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    /// Connected for each packet, because the daemon may start later.
    Unix(UnixDatagram, PathBuf),
}

impl Statsd {
    /// `tags` are separated by commas, as dogstatsd expects.
    ///
    /// # Errors
    /// The host has no address.
    pub fn open(address: &StatsdAddress, prefix: &str, tags: &str) -> io::Result<Self> {
        let socket = match address {
            StatsdAddress::Udp(host, port) => datagram_to(host, *port).map(Socket::Udp),
            StatsdAddress::Unix(path) => {
                UnixDatagram::unbound().map(|socket| Socket::Unix(socket, path.clone()))
            }
        };
        let socket = socket.map_err(|error| {
            let text = format!("The statsd daemon at {address} cannot be reached: {error}.");
            io::Error::new(error.kind(), text)
        })?;
        if let Socket::Udp(socket) = &socket {
            socket.set_nonblocking(true)?;
        } else if let Socket::Unix(socket, _) = &socket {
            socket.set_nonblocking(true)?;
        }
        let tags = if tags.is_empty() {
            String::new()
        } else {
            format!("|#{tags}")
        };
        Ok(Self {
            socket,
            prefix: prefix.to_owned(),
            tags,
            waiting: Mutex::default(),
        })
    }

    /// Counts a request.
    pub fn request(&self, record: &AccessRecord<'_>) {
        let mut waiting = lock(&self.waiting);
        let microseconds = record.elapsed.as_micros();
        let duration = format_args!("{}.{:03}", microseconds / 1000, microseconds % 1000);
        let status = format_args!("gunicorn.request.status.{}", record.status);
        self.add(
            &mut waiting,
            Metric::Timer,
            &"gunicorn.request.duration",
            &duration,
        );
        self.add(&mut waiting, Metric::Counter, &"gunicorn.requests", &1);
        self.add(&mut waiting, Metric::Counter, &status, &1);
        if waiting.len() >= PACKET {
            self.send_all(&mut waiting);
        }
    }

    /// Sends a metric at once.
    pub fn tell(&self, metric: Metric, name: &str, value: &dyn fmt::Display) {
        let mut waiting = lock(&self.waiting);
        self.add(&mut waiting, metric, &name, value);
        self.send_all(&mut waiting);
    }

    /// Sends what waits.
    pub fn flush(&self) {
        self.send_all(&mut lock(&self.waiting));
    }

    fn add(
        &self,
        waiting: &mut String,
        metric: Metric,
        name: &dyn fmt::Display,
        value: &dyn fmt::Display,
    ) {
        let (prefix, kind, tags) = (&self.prefix, metric.suffix(), &self.tags);
        // Writing to a String cannot fail.
        let _ = writeln!(waiting, "{prefix}{name}:{value}|{kind}{tags}");
    }

    /// Sends as few packets as possible. Each ends at the end of a line.
    fn send_all(&self, waiting: &mut String) {
        let mut rest = waiting.as_bytes();
        while !rest.is_empty() {
            let page = &rest[..rest.len().min(PACKET)];
            let end = match memchr::memrchr(b'\n', page) {
                Some(end) => end,
                // A line that is longer than a packet is sent nevertheless.
                None => memchr::memchr(b'\n', rest).unwrap_or(rest.len() - 1),
            };
            self.send(&rest[..end]);
            rest = &rest[end + 1..];
        }
        waiting.clear();
    }

    fn send(&self, packet: &[u8]) {
        let _ = match &self.socket {
            Socket::Udp(socket) => socket.send(packet),
            Socket::Unix(socket, path) => socket.send_to(packet, path),
        };
    }
}

impl fmt::Display for StatsdAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}
