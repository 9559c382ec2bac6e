//! `max_worker_memory` and `max_worker_memory_hard`: how much memory a worker
//! may have of its own.
//!
//! A thread looks five times a second, so that a request that fills the memory
//! is seen while it runs. What counts is memory that nobody shares: pages that
//! a worker has in common with the master or with other workers do not.

use std::fs;
use std::process;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, SysconfVar, sysconf};

use crate::config::Settings;
use crate::worker::shared::Heartbeat;

const PAUSE: Duration = Duration::from_millis(200);

const MIB: u64 = 1 << 20;

/// Watches this process's memory from now on, if there is a limit.
pub fn watch(settings: &Settings, heartbeat: &Heartbeat) {
    let limit = |mib: u32| (mib > 0).then(|| u64::from(mib) * MIB);
    let soft = limit(settings.max_worker_memory);
    let hard = limit(settings.max_worker_memory_hard);
    let Some(least) = soft.into_iter().chain(hard).min() else {
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
                if anonymous().is_some_and(|most| most <= least) {
                    continue;
                }
                let Some(used) = private() else { continue };
                if let Some(limit) = hard.filter(|limit| used > *limit) {
                    ::log::error!(
                        "{}; it is killed",
                        verdict(used, "max_worker_memory_hard", limit)
                    );
                    crate::log::flush_at_last();
                    heartbeat.grew_too_large();
                    // Nothing of the app's may stand in the way of this.
                    let _ = kill(Pid::this(), Signal::SIGKILL);
                }
                if let Some(limit) = soft.filter(|limit| used > *limit) {
                    ::log::warn!(
                        "{}; it is replaced",
                        verdict(used, "max_worker_memory", limit)
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

fn verdict(used: u64, setting: &str, limit: u64) -> String {
    format!(
        "Worker (pid: {}) uses {} MiB of memory, more than {setting} ({} MiB)",
        process::id(),
        used / MIB,
        limit / MIB
    )
}

/// Bytes in memory that are no file's: never less than `private`, files that
/// were changed aside, and quickly known (proc_pid_statm(5)).
fn anonymous() -> Option<u64> {
    let page = sysconf(SysconfVar::PAGE_SIZE).ok()??.unsigned_abs();
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let mut fields = text
        .split(' ')
        .skip(1)
        .map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (fields.next()??, fields.next()??);
    Some(resident.saturating_sub(shared) * page)
}

/// Bytes in memory that this process alone has (proc_pid_smaps_rollup(5)).
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
        // Large, since other tests of this process free theirs meanwhile.
        let block = std::hint::black_box(vec![1_u8; 256 << 20]);
        let after = (private().unwrap(), anonymous().unwrap());
        assert!(after.0 >= before.0 + 128 * MIB, "{before:?} {after:?}");
        assert!(after.1 >= before.1 + 128 * MIB, "{before:?} {after:?}");
        drop(block);
    }
}
