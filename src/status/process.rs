//! What the system knows of a process (proc(5)).

use std::fs;
use std::path::PathBuf;

use nix::unistd::{SysconfVar, sysconf};

use super::report::ProcessReport;
use crate::system::{ProcessMemory, ProcessStat, read_text};

/// What is known of a process; zeros where `/proc` is missing.
pub fn process(pid: i32) -> ProcessReport {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let stat = ProcessStat::of(pid);
    let field = |number| stat.as_ref()?.field(number)?.parse::<u64>().ok();
    let memory = ProcessMemory::of(pid.cast_unsigned());
    let ticks = field(14).unwrap_or(0) + field(15).unwrap_or(0);
    let limits = read_text(folder.join("limits")).unwrap_or_default();
    let limit = limits.lines().find_map(|line| {
        let rest = line.strip_prefix("Max open files")?;
        rest.split_ascii_whitespace().next()?.parse().ok()
    });
    let descriptors = fs::read_dir(folder.join("fd")).ok();
    ProcessReport {
        pid,
        cpu: ticks as f64 / ticks_per_second() as f64,
        memory: memory.map_or(0, |memory| memory.resident),
        address_space: memory.map_or(0, |memory| memory.size),
        threads: field(20).unwrap_or(0),
        descriptors: descriptors.map(|all| all.count() as u64),
        max_descriptors: limit,
    }
}

/// Bytes of memory that a process uses (RSS); 0 where it is not known.
pub fn memory(pid: i32) -> u64 {
    ProcessMemory::of(pid.cast_unsigned()).map_or(0, |memory| memory.resident)
}

/// True if a signal has stopped the process, or a debugger has.
pub fn is_stopped(pid: i32) -> bool {
    ProcessStat::of(pid).is_some_and(|stat| matches!(stat.field(3), Some("T" | "t")))
}

fn ticks_per_second() -> u64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks.map_or(100, i64::cast_unsigned).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_known() {
        let pid = std::process::id() as i32;
        let report = process(pid);
        assert!(report.memory > 1 << 20 && report.address_space > report.memory);
        assert!(report.threads >= 1 && report.descriptors.unwrap() > 2);
        assert!(report.max_descriptors.unwrap() > 2);
        assert!(memory(pid) > 1 << 20 && !is_stopped(pid));
        assert_eq!(memory(-1), 0);
    }
}
