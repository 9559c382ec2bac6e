//! `reload`: a worker that sees its code change asks for a successor.
//!
//! A thread compares, again and again, what the files look like with what they
//! looked like before. With inotify it does so as soon as something happens in
//! one of their folders, else once a second. Either way the comparison decides,
//! so an event too many or too few does no harm.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::config::ReloadEngine;
use crate::python::{self, Hooks, reloading};
use crate::worker::shared::Heartbeat;

/// Between two looks, when nothing says that one is due: new modules may have
/// been imported meanwhile.
const PULSE_MS: u16 = 1000;

/// Editors and copies change a file in several steps; the successor should
/// see the last of them.
const SETTLING: Duration = Duration::from_millis(50);

/// How far a file system's clock may be behind.
const TICK: Duration = Duration::from_millis(10);

/// What is watched besides the files of imported modules.
#[derive(Clone, Debug)]
pub struct Watched {
    /// When the app's loading began: what has changed since may not be what
    /// was loaded.
    pub since: SystemTime,
    /// Files that may not be there yet.
    pub files: Vec<PathBuf>,
    /// Patterns of file names, absolute.
    pub patterns: Vec<OsString>,
}

/// The watch, until this value is dropped. The thread is not in the
/// interpreter any more then, so that this can be ended.
#[derive(Debug)]
pub struct Watch {
    /// Held by the thread while it is in the interpreter; true once it must
    /// not go there again.
    ended: Arc<Mutex<bool>>,
}

impl Watch {
    /// # Errors
    /// The system gives no thread, or no inotify where that was asked for.
    pub fn start(
        engine: ReloadEngine,
        watched: Watched,
        heartbeat: Heartbeat,
        hooks: Hooks,
    ) -> io::Result<Watch> {
        let bell = match engine {
            ReloadEngine::Poll => None,
            ReloadEngine::Inotify => Some(MasterWaker::new()?),
            ReloadEngine::Auto => MasterWaker::new().ok(),
        };
        let ended = Arc::new(Mutex::new(false));
        let gate = Arc::clone(&ended);
        python::thread("reload").spawn(move || {
            if let Some(file) = wait_for_change(&gate, bell, &watched) {
                ::log::info!("Worker reloading: {} modified", file.display());
                let ended = gate.lock().unwrap_or_else(PoisonError::into_inner);
                if !*ended {
                    hooks.worker_int();
                }
                drop(ended);
                heartbeat.retire();
            }
        })?;
        Ok(Watch { ended })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}

/// The file that changed; nothing if the watch has ended before one did.
fn wait_for_change(
    gate: &Mutex<bool>,
    mut bell: Option<MasterWaker>,
    watched: &Watched,
) -> Option<PathBuf> {
    let mut known = Known::new(watched.since);
    loop {
        let (modules, mut others) = {
            let ended = gate.lock().unwrap_or_else(PoisonError::into_inner);
            if *ended {
                return None;
            }
            // It fails in an interpreter that has no memory left.
            reloading::files(&watched.patterns).unwrap_or_default()
        };
        others.extend_from_slice(&watched.files);
        if let Some(bell) = &mut bell {
            // Before the look, lest a change slip in between.
            bell.watch(modules.iter().chain(&others));
        }
        if let Some(changed) = known.first_change(modules, others) {
            thread::sleep(SETTLING);
            return Some(changed);
        }
        match &bell {
            Some(bell) => bell.wait(),
            None => thread::sleep(Duration::from_millis(PULSE_MS.into())),
        }
    }
}

/// What tells one content of a file from another: where it lies, its size, and
/// when it was changed.
type Stamp = (u64, u64, i64, i64);

fn stamp(file: &Path) -> Option<Stamp> {
    let meta = fs::metadata(file).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// Whether a file was changed, or put in another's place, since then. Times to
/// come are a wrong clock's, and say nothing.
fn is_younger(file: &Path, since: SystemTime) -> bool {
    let Ok(meta) = fs::metadata(file) else {
        return false;
    };
    let Ok(seconds) = meta.ctime().try_into() else {
        return false;
    };
    let nanoseconds = Duration::from_nanos(meta.ctime_nsec().unsigned_abs());
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) + nanoseconds;
    since < changed && changed <= SystemTime::now()
}

/// What the files looked like at the last look.
struct Known {
    stamps: HashMap<PathBuf, Option<Stamp>>,
    /// Until the first look.
    since: Option<SystemTime>,
}

impl Known {
    fn new(since: SystemTime) -> Known {
        Known {
            stamps: HashMap::new(),
            since: Some(since - TICK),
        }
    }

    /// A file that looks different now. One that is gone for the moment is left
    /// for the next look. A new one is a change unless it is a module's: those
    /// are imported when they are needed.
    fn first_change(&mut self, modules: Vec<PathBuf>, others: Vec<PathBuf>) -> Option<PathBuf> {
        let modules = modules.into_iter().map(|file| (file, true));
        let others = others.into_iter().map(|file| (file, false));
        for (file, is_module) in modules.chain(others) {
            let now = stamp(&file);
            let changed = match self.stamps.get(&file) {
                Some(before) => now.is_some() && *before != now,
                None => match self.since {
                    Some(since) => is_younger(&file, since),
                    None => now.is_some() && !is_module,
                },
            };
            if changed {
                return Some(file);
            }
            self.stamps.entry(file).or_insert(now);
        }
        self.since = None;
        None
    }
}

/// Tells when something happens in folders.
struct MasterWaker {
    inotify: Inotify,
    folders: HashSet<PathBuf>,
}

impl MasterWaker {
    fn new() -> io::Result<MasterWaker> {
        Ok(MasterWaker {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            folders: HashSet::new(),
        })
    }

    /// Watches the folders of these files, too: a file that is replaced is
    /// another file, in the same folder.
    fn watch<'a>(&mut self, files: impl Iterator<Item = &'a PathBuf>) {
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        for folder in files.filter_map(|file| file.parent()) {
            // One that is not there, or too many: the pulse finds its changes.
            if !self.folders.contains(folder) && self.inotify.add_watch(folder, events).is_ok() {
                self.folders.insert(folder.to_owned());
            }
        }
    }

    /// Returns when something happened, or after a while.
    fn wait(&self) {
        let mut ready = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::from(PULSE_MS));
        while self
            .inotify
            .read_events()
            .is_ok_and(|events| !events.is_empty())
        {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_counts_as_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("app.py"), "1").unwrap();
        let mut known = Known::new(SystemTime::now() + Duration::from_secs(1));
        let mut look = |modules: &[&str], others: &[&str]| {
            let paths = |names: &[&str]| names.iter().map(|name| path(name)).collect();
            known.first_change(paths(modules), paths(others))
        };
        assert_eq!(look(&["app.py"], &["site.zip"]), None);
        assert_eq!(look(&["app.py"], &["site.zip"]), None);
        // A module that is imported later is none; a new page is one.
        fs::write(path("late.py"), "1").unwrap();
        fs::write(path("page.html"), "1").unwrap();
        assert_eq!(look(&["app.py", "late.py"], &[]), None);
        assert_eq!(look(&[], &["page.html"]), Some(path("page.html")));
        // An editor that takes the old file away first.
        fs::remove_file(path("app.py")).unwrap();
        assert_eq!(look(&["app.py"], &[]), None);
        fs::write(path("app.py"), "22").unwrap();
        assert_eq!(look(&["app.py"], &[]), Some(path("app.py")));
        // A watched file that was not there.
        fs::write(path("site.zip"), "1").unwrap();
        assert_eq!(look(&[], &["site.zip"]), Some(path("site.zip")));
    }

    #[test]
    fn what_changes_during_the_loading_is_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("app.py");
        let before = SystemTime::now();
        fs::write(&file, "1").unwrap();
        let look = |since| Known::new(since).first_change(vec![file.clone()], Vec::new());
        assert_eq!(look(before), Some(file.clone()));
        assert_eq!(look(SystemTime::now() + Duration::from_secs(1)), None);
    }
}
