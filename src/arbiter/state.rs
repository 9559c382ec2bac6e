//! The state of the master.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::backoff::Backoff;
use super::metrics::Metrics;
use super::notify::Notify;
use super::pidfile::{self, Pidfile};
use super::signals::Signals;
use super::sockets::Sockets;
use super::workers::Workers;
use crate::process::{Program, title};
use crate::python::hooks;
use crate::service::Service;
use crate::status::Status;
use crate::worker::MasterWaker;

/// The time between turning new clients away and telling the workers to end:
/// handshakes that have begun are finished in it, so that workers find those
/// clients in the queue.
pub const TURN_AWAY: Duration = Duration::from_millis(100);

/// The master.
pub struct Arbiter {
    /// What new workers serve.
    pub service: Service,
    pub program: &'static Program,
    pub sockets: Sockets,
    pub signals: Signals,
    /// How workers wake the master.
    pub waker: MasterWaker,
    pub workers: Workers,
    pub notify: Notify,
    pub pidfile: Option<Pidfile>,
    /// The master that this one is to replace (USR2).
    pub parent: Option<Pid>,
    /// The master that is to replace this one.
    pub upgrade: Option<Pid>,
    /// The number of `service`: each reading of the settings counts up.
    pub generation: u64,
    /// The highest such number.
    pub generations: u64,
    /// The generation that is being tried.
    pub reload: Option<Reload>,
    /// The child that tries whether the app can be loaded again.
    pub preload_check: Option<PreloadCheck>,
    /// Whether any worker has ever served.
    pub established: bool,
    /// Since when the sockets are open.
    pub opened: Instant,
    /// No worker of an older generation is ended before this moment.
    pub not_before: Instant,
    pub backoff: Backoff,
    /// Whether balancers are asked to send no more clients.
    pub drain: Drain,
    pub metrics: Metrics,
    /// What the server says of itself.
    pub status: Status,
    /// Requests that have begun are finished, and then the master ends.
    pub stopping: bool,
    /// How many times other settings came into force.
    pub reloads: u64,
    /// How many times they did not.
    pub failed_reloads: u64,
}

/// Whether the server drains, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drain {
    /// A person asked for it, without a stop.
    pub asked: bool,
    /// When the master stops, after it was told to end.
    pub ends: Option<Instant>,
}

impl Drain {
    /// True while balancers are asked to send no more clients.
    pub fn is_on(self) -> bool {
        self.asked || self.ends.is_some()
    }
}

/// A generation of workers that is being tried (HUP).
pub struct Reload {
    pub generation: u64,
    pub service: Service,
    /// How many workers there are to be.
    pub target: usize,
    pub sockets: Sockets,
}

/// A child that tries to load the app (HUP with `preload_app`).
pub struct PreloadCheck {
    pub pid: Pid,
    /// What it prints, where the system gives memory files.
    pub output: Option<File>,
    pub started: Instant,
}

impl Arbiter {
    /// What hooks can see of the master.
    pub fn facts(&self) -> hooks::Master {
        self.workers.facts(&self.sockets.listeners)
    }

    /// Changes how many workers are wanted.
    pub fn set_target(&mut self, target: usize) {
        let old = std::mem::replace(&mut self.workers.target, target);
        let hooks = &self.service.hooks;
        hooks.nworkers_changed(&self.facts(), target, Some(old));
        // The person who asks for workers does not want to wait.
        self.backoff.reset();
    }

    /// Writes the pid file, in place of one that was elsewhere.
    pub fn write_pidfile(&mut self) {
        let path = pidfile_path(&self.service, self.parent.is_some());
        self.pidfile = Pidfile::moved(self.pidfile.take(), path.as_deref());
    }

    pub fn remove_pidfile(&mut self) {
        if let Some(file) = self.pidfile.take() {
            file.remove();
        }
    }

    pub fn show_title(&self) {
        show_title(&self.service.name, self.parent.is_some());
    }
}

/// The path of the pid file, if there is to be one. A master that is to replace
/// another is the second.
pub fn pidfile_path(service: &Service, is_second: bool) -> Option<PathBuf> {
    let path = service.settings.mechanics.pidfile.as_deref()?;
    Some(pidfile::path(path, is_second))
}

/// Lets `ps` show the master; one that is to replace another is the second.
pub fn show_title(name: &str, is_second: bool) {
    let number = if is_second { ".2" } else { "" };
    title::set(&format!("gunicorn: master{number} [{name}]"));
}

/// A setting of seconds.
pub fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// A limit in seconds, of which 0 is none.
pub fn limit(limit: u32) -> Option<Duration> {
    (limit > 0).then(|| seconds(limit))
}
