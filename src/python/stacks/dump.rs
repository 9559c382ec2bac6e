//! The stacks of threads without the GIL.
//!
//! CPython has a function for this, which reads the frames while other threads
//! may change them. So a copy of this process calls it: there nothing changes,
//! and if it reads what is half written and is killed for that, this process
//! goes on.

use std::ffi::{c_char, c_int, c_long};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use pyo3::ffi;

use super::report::{Frame, ThreadStack};

/// How many copies are made, if they are killed.
const TRIES: u32 = 3;

/// How long a copy may take.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The pause between two looks whether the copy has ended.
const PAUSE: Duration = Duration::from_millis(1);

unsafe extern "C" {
    /// The function that `faulthandler` calls in its watchdog thread (CPython's
    /// `Include/internal/pycore_traceback.h`).
    fn _Py_DumpTracebackThreads(
        fd: c_int,
        interpreter: *mut ffi::PyInterpreterState,
        current: *mut ffi::PyThreadState,
    ) -> *const c_char;
}

/// What CPython writes of all threads; nothing if no copy of this process can be
/// made, or none has ended well.
pub fn text() -> Option<String> {
    (0..TRIES).find_map(|_| try_once())
}

fn try_once() -> Option<String> {
    let file = memfd_create("stacks", MFdFlags::MFD_CLOEXEC).ok()?;
    let mut file = File::from(file);
    let descriptor = file.as_raw_fd();
    // SAFETY: without flags it is a `fork` that calls no handlers of it and gives
    // no SIGCHLD. The copy only calls functions that need no lock: CPython's is
    // made for signal handlers, and the others are system calls.
    let child = unsafe {
        let child: c_long = libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0);
        if child == 0 {
            // No handler of the app, and no core file.
            libc::signal(libc::SIGSEGV, libc::SIG_DFL);
            libc::signal(libc::SIGBUS, libc::SIG_DFL);
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
            let interpreter = ffi::PyInterpreterState_Main();
            let error = _Py_DumpTracebackThreads(descriptor, interpreter, ptr::null_mut());
            libc::_exit(c_int::from(!error.is_null()));
        }
        child as libc::pid_t
    };
    if child < 0 || !ends_well(child) {
        return None;
    }
    let mut text = Vec::new();
    file.rewind().ok()?;
    file.read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Waits for the copy, and kills it if it takes too long.
fn ends_well(child: libc::pid_t) -> bool {
    let begin = Instant::now();
    loop {
        let late = begin.elapsed() > TIMEOUT;
        let mut status = 0;
        // SAFETY: `child` is a child of this process that nobody else waits for,
        // because it gives no SIGCHLD (`__WALL`). The status is ours.
        let ended = unsafe {
            if late {
                libc::kill(child, libc::SIGKILL);
            }
            let options = if late { 0 } else { libc::WNOHANG };
            libc::waitpid(child, &mut status, options | libc::__WALL)
        };
        match ended {
            0 => thread::sleep(PAUSE),
            ended => {
                return ended == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0;
            }
        }
    }
}

/// The threads in what CPython has written.
pub fn threads(text: &str) -> Vec<ThreadStack> {
    let mut threads: Vec<ThreadStack> = Vec::new();
    for line in text.lines() {
        if let Some(id) = thread_id(line) {
            threads.push(ThreadStack {
                id,
                name: String::new(),
                request: None,
                frames: Vec::new(),
            });
        } else if let (Some(thread), Some(frame)) = (threads.last_mut(), frame(line)) {
            thread.frames.push(frame);
        }
    }
    // CPython writes the innermost frame first. Threads without frames are those
    // of the server.
    threads.retain(|thread| !thread.frames.is_empty());
    for thread in &mut threads {
        thread.frames.reverse();
    }
    threads
}

/// Of a line as `Thread 0x00007f0c3a7fe6c0 (most recent call first):`.
fn thread_id(line: &str) -> Option<u64> {
    let (_, id) = line.split_once("hread 0x")?;
    let end = id.find(|it: char| !it.is_ascii_hexdigit());
    u64::from_str_radix(&id[..end.unwrap_or(id.len())], 16).ok()
}

/// Of a line as `  File "app.py", line 3 in view`.
fn frame(line: &str) -> Option<Frame> {
    let line = line.trim_start();
    let plain = |function: &str| Frame {
        file: String::new(),
        line: 0,
        function: function.to_owned(),
        source: None,
    };
    let Some(rest) = line.strip_prefix("File ") else {
        return (line == "...").then(|| plain("(more)"));
    };
    let (file, rest) = rest.rsplit_once(", line ")?;
    let (line, function) = rest.split_once(" in ")?;
    Some(Frame {
        file: file.trim_matches('"').to_owned(),
        line: line.parse().unwrap_or_default(),
        ..plain(function)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cpython_writes_is_understood() {
        let text = "Thread 0x00007f0c3a7fe6c0 (most recent call first):\n  \
            File \"/srv/a, line b.py\", line 7 in inner\n  File \"app.py\", line 3 in outer\n  ...\n\
            \nCurrent thread 0x00000000000000ff [pool] (most recent call first):\n  <no Python frame>\n";
        let threads = threads(text);
        assert_eq!(threads.len(), 1);
        assert_eq!(threads[0].id, 0x7f0c_3a7f_e6c0);
        let frames = &threads[0].frames;
        assert_eq!(frames[0].function, "(more)");
        assert_eq!((&*frames[1].file, frames[1].line), ("app.py", 3));
        assert_eq!(
            (&*frames[2].file, &*frames[2].function),
            ("/srv/a, line b.py", "inner")
        );
    }
}
