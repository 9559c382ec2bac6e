//! How much memory a process uses.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};

/// The memory of a process in bytes (proc_pid_statm(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    /// Its address space.
    pub size: u64,
    /// What of it is in memory (RSS).
    pub resident: u64,
    /// What of that belongs to files, or is shared by its nature.
    pub shared: u64,
}

impl ProcessMemory {
    /// That of the process with this id; nothing where it cannot be read.
    pub fn of(pid: u32) -> Option<Self> {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok()??.unsigned_abs();
        let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let fields = text.split_ascii_whitespace();
        let mut bytes = fields.map(|field| Some(field.parse::<u64>().ok()? * page));
        let mut next = || bytes.next().flatten();
        Some(Self {
            size: next()?,
            resident: next()?,
            shared: next()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_some() {
        let memory = ProcessMemory::of(std::process::id()).unwrap();
        assert!(memory.size > memory.resident && memory.resident > memory.shared);
        assert!(memory.shared > 0);
        assert_eq!(ProcessMemory::of(u32::MAX), None);
    }
}
