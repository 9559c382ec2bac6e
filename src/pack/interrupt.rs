//! After Ctrl-C, `TERM` or `HUP` no temporary file and no child process is left.
//!
//! One thread waits for the signals. When one comes, it kills all processes that this
//! process started, removes the listed files and folders, and ends the process with the
//! same signal, so that a shell sees it.

use std::collections::BTreeSet;
use std::io::{self, PipeReader, PipeWriter};
use std::ops::{Deref, DerefMut};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::{fs, process};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getpid};

use crate::process::{is_ignored, unblock_in};
use crate::system::{ProcessStat, lock};

/// Files and folders to remove. After a signal, the lock is never released.
static LISTED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Watches for the signals until the result is dropped. Call it before other threads
/// are started, as those must not receive the signals. Signals that are ignored, as
/// under `nohup`, stay ignored.
///
/// # Errors
/// There are no file descriptors or threads left.
pub fn watch() -> Result<Watch> {
    let signals = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
    let signals: SigSet = signals.into_iter().filter(|it| !is_ignored(*it)).collect();
    let begin = || -> io::Result<Watch> {
        // Orphans of our children become our children, so that we find them.
        prctl::set_child_subreaper(true)?;
        let coming = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
        let (stopped, stop) = io::pipe()?;
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let thread = thread::Builder::new().spawn(move || {
            if let Some(signal) = next(&coming, &stopped) {
                end_by(signal);
            }
        })?;
        Ok(Watch {
            before,
            running: Some((stop, thread)),
        })
    };
    begin().context("Signals cannot be watched for")
}

/// A thread that waits for signals.
pub struct Watch {
    before: SigSet,
    running: Option<(PipeWriter, JoinHandle<()>)>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            drop(stop);
            // If a signal has come, the process ends here.
            let _ = thread.join();
        }
        let _ = self.before.thread_set_mask();
    }
}

/// While the result lives, nothing is removed and no child is killed. Code that writes
/// into a listed folder by path must hold it for each file; else the file could be made
/// after the folder was removed.
#[must_use]
pub fn block() -> impl Sized {
    listed()
}

/// Starts a child, in which no signal is blocked. After a signal has come, no child is
/// started any more.
///
/// # Errors
/// Those of [`Command::spawn`].
pub fn start(command: &mut Command) -> io::Result<Child> {
    unblock_in(command);
    let _blocked = block();
    command.spawn()
}

/// Starts a child, and waits for its end and its output.
///
/// # Errors
/// Those of [`Command::output`].
pub fn output(command: &mut Command) -> io::Result<Output> {
    start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?.wait_with_output()
}

/// A temporary file or folder. It is removed after a signal while this value lives.
pub struct Temporary<T> {
    value: T,
    listing: Listing,
}

impl<T> Temporary<T> {
    /// Calls `make`; the path of what it made is `path` of it.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn new(
        make: impl FnOnce() -> io::Result<T>,
        path: impl FnOnce(&T) -> &Path,
    ) -> io::Result<Self> {
        let mut listed = listed();
        let value = make()?;
        let path = path(&value).to_owned();
        listed.insert(path.clone());
        Ok(Self {
            value,
            listing: Listing(path),
        })
    }

    /// Calls `keep` to make it permanent, and takes it off the list.
    pub fn keep<K>(self, keep: impl FnOnce(T) -> K) -> K {
        let Self { value, listing } = self;
        let kept = keep(value);
        drop(listing);
        kept
    }
}

impl<T> Deref for Temporary<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Temporary<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

/// A path on the list.
struct Listing(PathBuf);

impl Drop for Listing {
    fn drop(&mut self) {
        listed().remove(&self.0);
    }
}

fn listed() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    lock(&LISTED)
}

/// The next signal; `None` if the watch has ended.
fn next(coming: &SignalFd, stopped: &PipeReader) -> Option<Signal> {
    let mut ends = [coming.as_fd(), stopped.as_fd()].map(|it| PollFd::new(it, PollFlags::POLLIN));
    while poll(&mut ends, PollTimeout::NONE) == Err(Errno::EINTR) {}
    if ends[0].any() != Some(true) {
        return None;
    }
    let signal = coming.read_signal().ok()??;
    i32::try_from(signal.ssi_signo).ok()?.try_into().ok()
}

fn end_by(signal: Signal) {
    let listed = listed();
    kill_children();
    for path in listed.iter() {
        let _ = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
    }
    let _ = SigSet::from(signal).thread_unblock();
    let _ = raise(signal);
    // The first process of a container is not ended by such signals; this is the exit
    // code that a shell would report.
    process::exit(128 + signal as i32);
}

/// Kills all children and their orphans, until only processes of other users are left.
fn kill_children() {
    loop {
        let mut killed = children();
        killed.retain(|it| kill(*it, Signal::SIGKILL).is_ok());
        if killed.is_empty() {
            return;
        }
        // Only these: another thread may have waited for one already, and its orphans
        // are not killed yet.
        for child in killed {
            let _ = waitpid(child, None);
        }
    }
}

/// The children of this process.
fn children() -> Vec<Pid> {
    let own = getpid().to_string();
    // The fourth field is the parent.
    let is_ours = |stat: ProcessStat| stat.field(4) == Some(&*own);
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ours = processes.filter_map(|process| {
        let id = process.file_name().to_str()?.parse().ok()?;
        is_ours(ProcessStat::of(id)?).then(|| Pid::from_raw(id))
    });
    ours.collect()
}
