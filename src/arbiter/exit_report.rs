//! What the log says of a worker that has ended: Gunicorn's line, and why it ended.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use crate::worker::Heartbeat;

/// How many processes the kernel has killed because memory was short.
#[derive(Debug)]
pub struct OomKills {
    /// The cgroup's `memory.events`; none without cgroup v2.
    events: Option<PathBuf>,
    kills: u64,
}

impl OomKills {
    /// Begins to count for this process's cgroup, which its children share.
    pub fn watch() -> Self {
        let mut watch = Self {
            events: memory_events(),
            kills: 0,
        };
        watch.has_killed();
        watch
    }

    /// True if the kernel has killed a process in this cgroup since the last call.
    fn has_killed(&mut self) -> bool {
        let Some(text) = self
            .events
            .as_ref()
            .and_then(|it| fs::read_to_string(it).ok())
        else {
            return false;
        };
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("oom_kill "))
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(self.kills);
        let before = std::mem::replace(&mut self.kills, count);
        count > before
    }
}

/// The file in which cgroup v2 counts for this process.
fn memory_events() -> Option<PathBuf> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = PathBuf::from("/sys/fs/cgroup").join(group.trim_start_matches('/'));
    let events = folder.join("memory.events");
    events.is_file().then_some(events)
}

/// Logs that a worker has ended. `expected` is the last signal that the master
/// has sent to it, if it has sent one.
pub fn log_exit(
    pid: Pid,
    status: WaitStatus,
    expected: Option<Signal>,
    heartbeat: &Heartbeat,
    memory: &mut OomKills,
) {
    match status {
        WaitStatus::Exited(_, 0) => {}
        WaitStatus::Exited(_, code) => {
            let last = last_request(heartbeat);
            ::log::error!("Worker (pid:{pid}) exited with code {code}.{last}");
        }
        WaitStatus::Signaled(_, signal, _) if expected == Some(signal) => {
            ::log::info!("Worker (pid:{pid}) was sent {signal}!");
        }
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => {
            let why = if heartbeat.is_too_large() {
                "It had more memory than max_worker_memory_hard allows."
            } else if memory.has_killed() {
                "The kernel killed it: its memory cgroup was full (oom_kill in memory.events)."
            } else {
                "Perhaps out of memory?"
            };
            let last = last_request(heartbeat);
            ::log::error!("Worker (pid:{pid}) was sent SIGKILL! {why}{last}");
        }
        WaitStatus::Signaled(_, signal, dumped) => {
            let core = if dumped { " It left a core file." } else { "" };
            let last = last_request(heartbeat);
            ::log::error!("Worker (pid:{pid}) was sent {signal}!{core}{last}");
        }
        _ => {}
    }
}

fn last_request(heartbeat: &Heartbeat) -> String {
    let line = heartbeat.last_request();
    let line = line.escape_ascii();
    match (heartbeat.in_flight(), heartbeat.requests()) {
        (0, 0) => String::new(),
        (0, handled) => format!(" It was idle; the last of its {handled} requests was '{line}'."),
        (1, _) => format!(" It was handling '{line}'."),
        (count, _) => format!(" It was handling {count} requests, the last of them '{line}'."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::MasterWaker;

    #[test]
    fn the_last_request_is_named() {
        let heartbeat = Heartbeat::new(&MasterWaker::new().unwrap()).unwrap();
        assert_eq!(last_request(&heartbeat), "");
        heartbeat.begin_request(&[b"GET /a\n"]);
        assert_eq!(last_request(&heartbeat), r" It was handling 'GET /a\n'.");
        heartbeat.end_request();
        let idle = " It was idle; the last of its 1 requests was 'GET /a\\n'.";
        assert_eq!(last_request(&heartbeat), idle);
    }

    #[test]
    fn kills_are_noticed_once() {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("memory.events");
        let mut memory = OomKills {
            events: Some(events.clone()),
            kills: 0,
        };
        fs::write(&events, "low 0\noom 1\noom_kill 0\n").unwrap();
        assert!(!memory.has_killed());
        fs::write(&events, "low 0\noom 2\noom_kill 1\n").unwrap();
        assert!(memory.has_killed());
        assert!(!memory.has_killed());
    }
}
