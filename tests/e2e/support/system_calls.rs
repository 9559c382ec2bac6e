//! Counts the system calls of a process, without other programs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use nix::errno::Errno;
use nix::libc::{self, c_int, c_long, c_void, pid_t};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const WAKE_UP: Signal = Signal::SIGURG;

/// How often each system call was made.
#[derive(Debug)]
pub struct Calls(BTreeMap<c_long, usize>);

impl Calls {
    /// How often one of these was made.
    pub fn of(&self, numbers: &[c_long]) -> usize {
        numbers.iter().filter_map(|it| self.0.get(it)).sum()
    }
}

/// The system calls of a process's main thread during `act`; nothing if this process
/// may not trace it.
pub fn calls_during(process: Pid, act: impl FnOnce()) -> Option<Calls> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let (say, hear) = mpsc::channel();
        let is_over = &is_over;
        // All calls of ptrace must come from one thread.
        let tracer = scope.spawn(move || {
            let tracer = Tracer::seize(process)?;
            say.send(()).unwrap();
            Some(tracer.count(is_over))
        });
        if hear.recv().is_ok() {
            let _end = End { is_over, process };
            act();
        }
        tracer.join().unwrap()
    })
}

/// Ends the counting, also if the test fails meanwhile.
struct End<'a> {
    is_over: &'a AtomicBool,
    process: Pid,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // The process may sleep. This signal stops it for its tracer, and has no other
        // effect.
        let _ = kill(self.process, WAKE_UP);
    }
}

/// Follows a process's main thread from system call to system call (ptrace(2)).
struct Tracer(pid_t);

impl Tracer {
    fn seize(process: Pid) -> Option<Self> {
        let tracer = Self(process.as_raw());
        let options = libc::PTRACE_O_TRACESYSGOOD as usize;
        match tracer.call(libc::PTRACE_SEIZE, 0, options) {
            Err(Errno::EPERM | Errno::ENOSYS) => return None,
            result => result.unwrap(),
        };
        tracer.call(libc::PTRACE_INTERRUPT, 0, 0).unwrap();
        tracer.wait();
        Some(tracer)
    }

    /// Counts the calls until `is_over`.
    fn count(self, is_over: &AtomicBool) -> Calls {
        let mut calls = BTreeMap::new();
        let mut signal = 0;
        while !is_over.load(Ordering::Relaxed) {
            self.call(libc::PTRACE_SYSCALL, 0, signal).unwrap();
            let stop = libc::WSTOPSIG(self.wait());
            let is_call = stop == libc::SIGTRAP | 0x80;
            signal = if is_call || stop == libc::SIGTRAP {
                0
            } else {
                stop as usize
            };
            if is_call && let Some(number) = self.entered() {
                *calls.entry(number).or_default() += 1;
            }
        }
        self.call(libc::PTRACE_DETACH, 0, signal).unwrap();
        Calls(calls)
    }

    /// The number of the system call that begins; nothing if one ends.
    fn entered(&self) -> Option<c_long> {
        // SAFETY: the struct has only integers, for which zero is a valid value.
        let mut info: libc::ptrace_syscall_info = unsafe { std::mem::zeroed() };
        let size = size_of_val(&info);
        let address = (&raw mut info).expose_provenance();
        self.call(libc::PTRACE_GET_SYSCALL_INFO, size, address)
            .unwrap();
        // SAFETY: the kernel has filled in this part.
        let number = || unsafe { info.u.entry.nr } as c_long;
        (info.op == libc::PTRACE_SYSCALL_INFO_ENTRY).then(number)
    }

    fn wait(&self) -> c_int {
        let mut status = 0;
        // SAFETY: it writes to a live local.
        let waited = unsafe { libc::waitpid(self.0, &mut status, libc::__WALL) };
        assert_eq!(waited, self.0);
        assert!(libc::WIFSTOPPED(status), "the worker has ended: {status}");
        status
    }

    fn call(&self, what: libc::c_uint, address: usize, data: usize) -> Result<c_long, Errno> {
        let address = std::ptr::without_provenance_mut::<c_void>(address);
        let data = std::ptr::with_exposed_provenance_mut::<c_void>(data);
        // SAFETY: the requests here read and write nothing of this process, except
        // one, whose buffer lives and has the size that it is told.
        Errno::result(unsafe { libc::ptrace(what, self.0, address, data) })
    }
}
