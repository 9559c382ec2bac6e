//! What the log says of a worker that has ended: Gunicorn's line, and why it ended.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;

use crate::scoreboard::now;
use crate::status::MemoryUse;
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

/// How a worker has ended.
pub struct End<'a> {
    pub status: WaitStatus,
    /// The last signal that the master has sent to it, if it has sent one.
    pub expected: Option<Signal>,
    pub heartbeat: &'a Heartbeat,
    /// How much memory it used, if that is known.
    pub memory: Option<MemoryUse>,
}

/// Logs that a worker has ended. Gives the reason in a word, for the metrics.
pub fn log_exit(pid: Pid, end: &End<'_>, kills: &mut OomKills) -> &'static str {
    match end.status {
        WaitStatus::Exited(_, 0) => "done",
        WaitStatus::Exited(_, code) => {
            let last = black_box(end);
            ::log::error!("Worker (pid:{pid}) exited with code {code}.{last}");
            // A worker that is aborted for its silence ends by itself, if it can.
            match end.expected {
                Some(Signal::SIGABRT) => "timeout",
                _ => "error",
            }
        }
        WaitStatus::Signaled(_, signal, _) if end.expected == Some(signal) => {
            ::log::info!("Worker (pid:{pid}) was sent {signal}!");
            match signal {
                Signal::SIGABRT | Signal::SIGKILL => "timeout",
                _ => "done",
            }
        }
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => {
            let (reason, why) = if end.heartbeat.is_too_large() {
                let why = "It had more memory than max_worker_memory_hard allows.";
                ("memory", why)
            } else if kills.has_killed() {
                let why =
                    "The kernel killed it: its memory cgroup was full (oom_kill in memory.events).";
                ("out_of_memory", why)
            } else {
                ("killed", "Perhaps out of memory?")
            };
            let last = black_box(end);
            ::log::error!("Worker (pid:{pid}) was sent SIGKILL! {why}{last}");
            reason
        }
        WaitStatus::Signaled(_, signal, dumped) => {
            let core = if dumped { " It left a core file." } else { "" };
            let last = black_box(end);
            ::log::error!("Worker (pid:{pid}) was sent {signal}!{core}{last}");
            "signal"
        }
        _ => "unknown",
    }
}

/// What the worker has left in the memory that it shared with the master: its
/// last request, the requests that it had, its memory, and its last stacks.
fn black_box(end: &End<'_>) -> String {
    let mut text = last_request(end.heartbeat);
    if let Some(memory) = end.memory {
        let megabytes = |bytes: u64| bytes >> 20;
        let (first, last) = (megabytes(memory.at_start), megabytes(memory.last));
        text += &format!(" It used {first} MiB at its start and {last} MiB at its end.");
    }
    let board = end.heartbeat.board();
    let mut running = board.running();
    running.sort_by_key(|request| request.started);
    for request in &running {
        let age = now().saturating_sub(request.started) as f64 / 1000.0;
        let (method, target) = (request.method.escape_ascii(), request.target.escape_ascii());
        let client = request.client.escape_ascii();
        text += &format!("\n  {age:.1} s: {method} {target} from {client}");
        if !request.id.is_empty() {
            text += &format!(" ({})", request.id.escape_ascii());
        }
    }
    if let Some(sample) = board.sample() {
        text += &format!(
            "\nIts stacks when they were last looked at:\n{}",
            sample.trim_end()
        );
    }
    text
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
