//! Metrics to a statsd daemon, under Gunicorn's names and types.
//!
//! Those of the requests wait, as the access log's lines do, and travel many
//! in a packet, one a line. What cannot be sent is lost: nobody waits for a
//! metric.

use std::fmt::{self, Write};
use std::io;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::record::AccessRecord;
use super::syslog::datagram_to;

/// The most that a packet holds: what an Ethernet frame carries of UDP over
/// IPv6.
const PACKET: usize = 1432;

/// Where a statsd daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatsdAddress {
    /// Host and port.
    Udp(String, u16),
    Unix(PathBuf),
}

/// What a metric's value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// The value itself, until the next.
    Gauge,
    /// So many more.
    Counter,
    /// One of many values.
    Histogram,
    /// One of many, in milliseconds.
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
    /// With the bar and the hash before them, unless there are none.
    tags: String,
    /// Metrics, each with the end of its line.
    waiting: Mutex<String>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    /// Connected anew for each packet, since the daemon may come later.
    Unix(UnixDatagram, PathBuf),
}

impl Statsd {
    /// `tags` has commas between them, as dogstatsd wants it.
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
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// Tells of a metric, now.
    pub fn tell(&self, metric: Metric, name: &str, value: &dyn fmt::Display) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.add(&mut waiting, metric, &name, value);
        self.send_all(&mut waiting);
    }

    /// Sends what waits.
    pub fn flush(&self) {
        self.send_all(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
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

    /// As few packets as hold it, cut where lines end.
    fn send_all(&self, waiting: &mut String) {
        let mut rest = waiting.as_bytes();
        while !rest.is_empty() {
            let page = &rest[..rest.len().min(PACKET)];
            let end = match memchr::memrchr(b'\n', page) {
                Some(end) => end,
                // A line that is longer than a packet goes out all the same.
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
