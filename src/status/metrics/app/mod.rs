//! The app's own metrics, which Python's package `prometheus_client` keeps in files if
//! several processes serve the app (its "multiprocess mode"): one file for each
//! process and kind of metric, in the folder that `PROMETHEUS_MULTIPROC_DIR` names.

mod file;
mod merge;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::family::Family;
use merge::{Merge, Source};

/// The modes of gauges that only count processes that live.
const LIVE_MODES: [&str; 5] = ["liveall", "livemin", "livemax", "livesum", "livemostrecent"];

/// The app's metrics in a folder.
#[derive(Debug)]
pub struct AppMetrics {
    folder: PathBuf,
    /// The files whose faults are in the log already.
    told: BTreeSet<OsString>,
}

/// The folder of the app's metrics, if the app's environment has one. `variable` looks
/// up a variable there.
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let names = ["PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"];
    let value = names.into_iter().find_map(variable)?;
    (!value.is_empty()).then(|| value.into())
}

impl AppMetrics {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            told: BTreeSet::new(),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes what does not count any more after a process has ended: its gauges of
    /// the modes that begin with `live`. It is what `mark_process_dead` of
    /// `prometheus_client` does, and the app may call that as well.
    ///
    /// # Errors
    /// A file is there and cannot be removed. The others are removed nevertheless.
    pub fn forget(&self, pid: i32) -> io::Result<()> {
        let mut done = Ok(());
        for mode in LIVE_MODES {
            let name = format!("gauge_{mode}_{pid}.db");
            match fs::remove_file(self.folder.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => done = Err(error),
                _ => {}
            }
        }
        done
    }

    /// What all files say together. Files that are damaged, or that are being made, are
    /// left out, and named once in the log.
    pub fn families(&mut self) -> Vec<Family> {
        let mut merge = Merge::default();
        for name in self.files() {
            let Some(source) = name.to_str().and_then(Source::of_file) else {
                continue;
            };
            let read = file::read(&self.folder.join(&name));
            let added = read.and_then(|bytes| {
                merge.add(source, &file::entries(&bytes)?);
                Ok(())
            });
            match added {
                Ok(()) => {}
                // The file of a worker that has just ended.
                Err(file::Fault::Unreadable(error)) if error.kind() == ErrorKind::NotFound => {}
                Err(fault) => {
                    if self.told.insert(name.clone()) {
                        let path = self.folder.join(name);
                        ::log::debug!("{} is left out of the metrics: {fault}.", path.display());
                    }
                }
            }
        }
        merge.finish()
    }

    /// The names of the files, sorted. None if there is no such folder yet.
    fn files(&self) -> BTreeSet<OsString> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name());
        let names: BTreeSet<_> = names
            .filter(|name| name.as_encoded_bytes().ends_with(b".db"))
            .collect();
        names
    }
}
