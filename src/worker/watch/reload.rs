//! `reload`: a worker asks for a successor when its code has changed.
//!
//! A thread compares the files' sizes and times with the last ones again and
//! again. With inotify it compares as soon as an event comes from one of their
//! folders, else once a second. In both cases the comparison decides, so an
//! additional or a missing event does no harm.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::config::ReloadEngine;
use crate::python::{self, Hooks, reloading};
use crate::system::FileStamp;
use crate::system::lock;
use crate::worker::shared::Heartbeat;

/// The longest pause between two comparisons: new modules may have been
/// imported meanwhile.
const PAUSE_MS: u16 = 1000;

/// Editors and copying programs change a file in several steps. After this
/// pause the successor reads the final file.
const SETTLING: Duration = Duration::from_millis(50);

/// How much a file system's clock may be behind.
const CLOCK_LAG: Duration = Duration::from_millis(10);

/// The files that are watched in addition to those of imported modules.
#[derive(Clone, Debug)]
pub struct Watched {
    /// When the loading of the app began: a file that was changed later may not
    /// be the one that was loaded.
    pub since: SystemTime,
    /// Files that may not exist yet.
    pub files: Vec<PathBuf>,
    /// Patterns of file names, absolute.
    pub patterns: Vec<OsString>,
}

/// The watch, until this value is dropped. After that the thread does not enter
/// the interpreter any more, so that the interpreter can be ended.
#[derive(Debug)]
pub struct Watch {
    /// Locked by the thread while it is in the interpreter; true once the
    /// thread must not enter it any more.
    ended: Arc<Mutex<bool>>,
}

impl Watch {
    /// # Errors
    /// The system has no thread left, or no inotify where the setting asks for
    /// it.
    pub fn start(
        engine: ReloadEngine,
        watched: Watched,
        heartbeat: Heartbeat,
        hooks: Hooks,
    ) -> io::Result<Watch> {
        let folders = match engine {
            ReloadEngine::Poll => None,
            ReloadEngine::Inotify => Some(FolderWatch::new()?),
            ReloadEngine::Auto => FolderWatch::new().ok(),
        };
        let ended = Arc::new(Mutex::new(false));
        let for_thread = Arc::clone(&ended);
        python::thread("reload").spawn(move || {
            if let Some(file) = wait_for_change(&for_thread, folders, &watched) {
                ::log::info!("Worker reloading: {} modified", file.display());
                let ended = lock(&for_thread);
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
    /// Not to be called with the GIL: the thread may hold the lock and wait for
    /// the GIL.
    fn drop(&mut self) {
        *lock(&self.ended) = true;
    }
}

/// The first file that has changed; nothing if the watch has ended before.
fn wait_for_change(
    ended: &Mutex<bool>,
    mut folders: Option<FolderWatch>,
    watched: &Watched,
) -> Option<PathBuf> {
    let mut known = KnownFiles::new(watched.since);
    loop {
        let (modules, mut others) = {
            let ended = lock(ended);
            if *ended {
                return None;
            }
            // It fails in an interpreter that has no memory left.
            reloading::files(&watched.patterns).unwrap_or_default()
        };
        others.extend_from_slice(&watched.files);
        if let Some(folders) = &mut folders {
            // Before the comparison, so that no change between both is missed.
            folders.watch(modules.iter().chain(&others));
        }
        if let Some(changed) = known.first_change(modules, others) {
            thread::sleep(SETTLING);
            return Some(changed);
        }
        match &folders {
            Some(folders) => folders.wait(),
            None => thread::sleep(Duration::from_millis(PAUSE_MS.into())),
        }
    }
}

/// Whether a file was changed or replaced after `since`. A time in the future
/// comes from a wrong clock, and is ignored.
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

/// The stamps of the files at the last comparison.
struct KnownFiles {
    stamps: HashMap<PathBuf, Option<FileStamp>>,
    /// Only before the first comparison.
    since: Option<SystemTime>,
}

impl KnownFiles {
    fn new(since: SystemTime) -> KnownFiles {
        KnownFiles {
            stamps: HashMap::new(),
            since: Some(since - CLOCK_LAG),
        }
    }

    /// The first file that has changed. A file that is missing is compared
    /// again the next time. A new file counts as changed unless it is a
    /// module's: modules are imported when they are needed.
    fn first_change(&mut self, modules: Vec<PathBuf>, others: Vec<PathBuf>) -> Option<PathBuf> {
        let modules = modules.into_iter().map(|file| (file, true));
        let others = others.into_iter().map(|file| (file, false));
        for (file, is_module) in modules.chain(others) {
            let now = FileStamp::of(&file);
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

/// Waits for changes in folders.
struct FolderWatch {
    inotify: Inotify,
    folders: HashSet<PathBuf>,
}

impl FolderWatch {
    fn new() -> io::Result<FolderWatch> {
        Ok(FolderWatch {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            folders: HashSet::new(),
        })
    }

    /// Also watches the folders of these files. The folder and not the file,
    /// since a file that is replaced is another file.
    fn watch<'a>(&mut self, files: impl Iterator<Item = &'a PathBuf>) {
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_ONLYDIR;
        for folder in files.filter_map(|file| file.parent()) {
            // If the folder does not exist or there are too many, the regular
            // comparison finds its changes.
            if !self.folders.contains(folder) && self.inotify.add_watch(folder, events).is_ok() {
                self.folders.insert(folder.to_owned());
            }
        }
    }

    /// Returns when something has happened, or after the pause.
    fn wait(&self) {
        let mut ready = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::from(PAUSE_MS));
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
        let mut known = KnownFiles::new(SystemTime::now() + Duration::from_secs(1));
        let mut first_change = |modules: &[&str], others: &[&str]| {
            let paths = |names: &[&str]| names.iter().map(|name| path(name)).collect();
            known.first_change(paths(modules), paths(others))
        };
        assert_eq!(first_change(&["app.py"], &["site.zip"]), None);
        assert_eq!(first_change(&["app.py"], &["site.zip"]), None);
        // A module that is imported later is no change; a new page is one.
        fs::write(path("late.py"), "1").unwrap();
        fs::write(path("page.html"), "1").unwrap();
        assert_eq!(first_change(&["app.py", "late.py"], &[]), None);
        assert_eq!(first_change(&[], &["page.html"]), Some(path("page.html")));
        // As by an editor that removes the old file first.
        fs::remove_file(path("app.py")).unwrap();
        assert_eq!(first_change(&["app.py"], &[]), None);
        fs::write(path("app.py"), "22").unwrap();
        assert_eq!(first_change(&["app.py"], &[]), Some(path("app.py")));
        // A watched file that did not exist.
        fs::write(path("site.zip"), "1").unwrap();
        assert_eq!(first_change(&[], &["site.zip"]), Some(path("site.zip")));
    }

    #[test]
    fn a_file_that_changes_while_the_app_loads_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("app.py");
        let before = SystemTime::now();
        fs::write(&file, "1").unwrap();
        let first_change =
            |since| KnownFiles::new(since).first_change(vec![file.clone()], Vec::new());
        assert_eq!(first_change(before), Some(file.clone()));
        assert_eq!(
            first_change(SystemTime::now() + Duration::from_secs(1)),
            None
        );
    }
}
