//! `max_worker_memory` and `max_worker_memory_hard`: how much private memory a
//! worker may use.
//!
//! A thread checks five times a second, so that it also sees a request that
//! fills the memory while it runs. Only private memory counts: pages that a
//! worker shares with the master or with other workers do not.

use std::fs;
use std::process;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::config::Settings;
use crate::system::ProcessMemory;
use crate::worker::shared::Heartbeat;

const PAUSE: Duration = Duration::from_millis(200);

const MIB: u64 = 1 << 20;

/// Starts the thread that watches this process's memory, if there is a limit.
pub fn watch(settings: &Settings, heartbeat: &Heartbeat) {
    let limit = |mib: u32| (mib > 0).then(|| u64::from(mib) * MIB);
    let soft = limit(settings.limits.max_worker_memory);
    let hard = limit(settings.limits.max_worker_memory_hard);
    let Some(lower) = soft.into_iter().chain(hard).min() else {
        return;
    };
    if private().is_none() {
        ::log::warn!("The memory of workers cannot be watched: /proc is missing");
        return;
    }
    let heartbeat = heartbeat.clone();
    let started = thread::Builder::new()
        .name("memory".to_owned())
        .spawn(move || {
            let mut soft = soft;
            loop {
                thread::sleep(PAUSE);
                if anonymous().is_some_and(|bytes| bytes <= lower) {
                    continue;
                }
                let Some(used) = private() else { continue };
                if let Some(limit) = hard.filter(|limit| used > *limit) {
                    ::log::error!(
                        "{}; it is killed",
                        message(used, "max_worker_memory_hard", limit)
                    );
                    crate::log::flush_without_waiting();
                    heartbeat.grew_too_large();
                    // SIGKILL, since the app can neither handle nor delay it.
                    let _ = kill(Pid::this(), Signal::SIGKILL);
                }
                if let Some(limit) = soft.filter(|limit| used > *limit) {
                    ::log::warn!(
                        "{}; it is replaced",
                        message(used, "max_worker_memory", limit)
                    );
                    heartbeat.retire();
                    soft = None;
                }
            }
        });
    if let Err(error) = started {
        ::log::error!("The worker's memory cannot be watched: {error}");
    }
}

fn message(used: u64, setting: &str, limit: u64) -> String {
    format!(
        "Worker (pid: {}) uses {} MiB of memory, more than {setting} ({} MiB)",
        process::id(),
        used / MIB,
        limit / MIB
    )
}

/// Resident bytes that belong to no file (proc_pid_statm(5)). Quick to read,
/// and not less than `private` unless the process has pages of files to itself.
fn anonymous() -> Option<u64> {
    let memory = ProcessMemory::of(process::id())?;
    Some(memory.resident.saturating_sub(memory.shared))
}

/// Resident bytes that only this process uses (proc_pid_smaps_rollup(5)).
fn private() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/smaps_rollup").ok()?;
    let kib = text.lines().filter_map(|line| {
        let (_, rest) = line.strip_prefix("Private_")?.split_once(':')?;
        rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    });
    Some(kib.sum::<u64>() * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_written_to_is_seen() {
        let before = (private().unwrap(), anonymous().unwrap());
        // Large, since other tests of this process free memory meanwhile.
        let block = std::hint::black_box(vec![1_u8; 256 << 20]);
        let after = (private().unwrap(), anonymous().unwrap());
        assert!(after.0 >= before.0 + 128 * MIB, "{before:?} {after:?}");
        assert!(after.1 >= before.1 + 128 * MIB, "{before:?} {after:?}");
        drop(block);
    }
}
