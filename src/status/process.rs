//! What the system knows of a process (proc(5)).

use std::fs;
use std::path::PathBuf;

use nix::unistd::{SysconfVar, sysconf};

use super::report::ProcessReport;
use crate::system::{ProcessMemory, read_text};

/// What is known of a process; zeros where `/proc` is missing.
pub fn process(pid: i32) -> ProcessReport {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let read = |name: &str| read_text(folder.join(name)).unwrap_or_default();
    let stat = read("stat");
    let field = |number| stat_field(&stat, number).and_then(|text| text.parse::<u64>().ok());
    let memory = ProcessMemory::of(pid.cast_unsigned());
    let ticks = field(14).unwrap_or(0) + field(15).unwrap_or(0);
    let limits = read("limits");
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
    let stat = read_text(format!("/proc/{pid}/stat")).unwrap_or_default();
    matches!(stat_field(&stat, 3), Some("T" | "t"))
}

/// A field of the file `stat`, numbered from 1 as in its manual page. The second
/// one is the name, which may have any character.
fn stat_field(stat: &str, number: usize) -> Option<&str> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_ascii_whitespace().nth(number - 3)
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

    #[test]
    fn a_name_may_have_any_character() {
        let stat = "7 (a b) c) T 1 7 7";
        assert_eq!(stat_field(stat, 3), Some("T"));
        assert_eq!(stat_field(stat, 4), Some("1"));
        assert_eq!(stat_field("", 3), None);
    }
}
