//! Messages to the service manager (`sd_notify(3)`).

use std::env;
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// The service manager, if one has started this process.
#[derive(Debug)]
pub struct Notify {
    socket: Option<OsString>,
    /// How often it wants a sign of life.
    pulse: Option<Duration>,
    last: Instant,
}

impl Notify {
    /// Finds it by the variables of the environment.
    pub fn from_environment() -> Self {
        let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
        let ours = number("WATCHDOG_PID").is_none_or(|pid: u64| pid == u64::from(process::id()));
        let limit = number("WATCHDOG_USEC").filter(|limit| ours && *limit > 0);
        Self {
            socket: env::var_os("NOTIFY_SOCKET").filter(|it| !it.is_empty()),
            // One message may be lost; the next one must still come in time.
            pulse: limit.map(|limit| Duration::from_micros(limit) / 3),
            last: Instant::now(),
        }
    }

    /// The service is up, or up again after a reload.
    pub fn ready(&self, status: &str) {
        self.send(&format!(
            "READY=1\nMAINPID={}\nSTATUS={status}",
            process::id()
        ));
    }

    /// It reads its settings again.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).expect("Linux has this clock");
        let now = Duration::from(now).as_micros();
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=Reloading"
        ));
    }

    /// It ends.
    pub fn stopping(&self, status: &str) {
        self.send(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// Another process has become the service's main one.
    pub fn main_process(&self, pid: Pid) {
        self.send(&format!("MAINPID={pid}"));
    }

    /// Gives a sign of life when it is due, and says when the next will be.
    pub fn beat(&mut self) -> Option<Duration> {
        let pulse = self.pulse?;
        if self.last.elapsed() >= pulse {
            self.last = Instant::now();
            self.send("WATCHDOG=1");
        }
        Some(pulse.saturating_sub(self.last.elapsed()))
    }

    fn send(&self, message: &str) {
        let Some(path) = &self.socket else { return };
        let address = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(path),
        };
        let sent = address.and_then(|address| {
            UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address)
        });
        if let Err(error) = sent {
            ::log::debug!("The service manager cannot be told: {error}");
        }
    }
}
