//! Installed dependencies that are kept for the next pack.
//!
//! Dependencies that are pinned by hashes never change. Those that are pinned by
//! versions stay until a folder with packages (`--find-links`) changes. All others are
//! what an index had at that time, and are kept for a day. Folders, as in `./library`,
//! can change without a trace and are installed each time.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::slice;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::inputs::{self, Inputs};
use crate::cache;
use crate::pack::walk::{self, Links};

/// The folder of the packages, in the kept folder.
pub const PACKAGES: &str = "site-packages";

/// A file with an [`InstallRecord`], in the kept folder.
const ABOUT: &str = "about.json";

/// The name of the kept folder in its cache folder.
const NAME: &str = "installed";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Installed dependencies are removed if they were not used for this time.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long installed dependencies can be used.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub enum Keep {
    Always,
    WhileLinksStay,
    ForADay,
    Never,
}

/// What is known of installed dependencies. It is stored beside them.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct InstallRecord {
    keep: Keep,
    notes: Vec<String>,
    /// [`Inputs::links`] when they were installed.
    #[serde(default)]
    links: String,
    /// The number of files, and their bytes.
    #[serde(default)]
    size: (u64, u64),
}

impl InstallRecord {
    pub fn new(keep: Keep, notes: Vec<String>) -> InstallRecord {
        InstallRecord {
            keep,
            notes,
            links: String::new(),
            size: (0, 0),
        }
    }
}

/// A kept folder.
#[derive(Debug)]
pub struct KeptInstall {
    pub folder: PathBuf,
    pub notes: Vec<String>,
    /// A shared lock: nobody replaces the folder while this is open.
    pub held: File,
}

/// The folder for these inputs. If there is none, `make` makes it in a temporary
/// folder; it also gets the path of a log file, which stays if it fails.
///
/// # Errors
/// Those of `make`, or there is no folder that can be written.
pub fn obtain(
    inputs: &Inputs,
    make: impl Fn(&Path, &Path) -> Result<InstallRecord>,
) -> Result<KeptInstall> {
    let places = cache::places(&format!("packs/{}", inputs.key));
    // Only the first: what fails there would fail in all.
    let mut opened = places.iter().map(|place| cache::open(place));
    let place = opened
        .find_map(Result::ok)
        .context("There is no folder to install dependencies into; set XDG_CACHE_HOME to one")?;
    let log = place.join("pip.log");
    let is_new = |folder: &Path| {
        let record = about(folder);
        record.is_some_and(|it| is_good(&it, folder, inputs)) && !inputs::keeps_nothing()
    };
    let folder = cache::filled(slice::from_ref(&place), NAME, is_new, |folder| {
        let mut record = make(folder, &log).map_err(io::Error::other)?;
        record.links = inputs.links.clone();
        record.size = size(&folder.join(PACKAGES))?;
        fs::write(folder.join(ABOUT), serde_json::to_vec(&record)?)?;
        let _ = fs::remove_file(&log);
        Ok(())
    })?;
    let held = File::open(&place)?;
    held.lock_shared()?;
    let record = about(&folder).context("Installed dependencies have gone while they were used")?;
    let used = File::open(folder.join(ABOUT))?;
    let mut notes = record.notes;
    notes.extend(age_of(record.keep, &used));
    let _ = held.set_modified(SystemTime::now());
    drop_unused(&place);
    Ok(KeptInstall {
        folder,
        notes,
        held,
    })
}

fn about(folder: &Path) -> Option<InstallRecord> {
    serde_json::from_slice(&fs::read(folder.join(ABOUT)).ok()?).ok()
}

fn is_good(record: &InstallRecord, folder: &Path, inputs: &Inputs) -> bool {
    let is_young = || age(&folder.join(ABOUT)).is_some_and(|it| it < DAY);
    let is_new = match record.keep {
        Keep::Always => true,
        Keep::WhileLinksStay => record.links == inputs.links,
        Keep::ForADay => record.links == inputs.links && is_young(),
        Keep::Never => false,
    };
    // Programs that clean caches remove old files.
    is_new && size(&folder.join(PACKAGES)).is_ok_and(|it| it == record.size)
}

/// A sentence, if newer packages may exist.
fn age_of(keep: Keep, about: &File) -> Option<String> {
    let made = about.metadata().ok()?.modified().ok()?;
    let hours = made.elapsed().ok()?.as_secs() / 3600;
    (keep == Keep::ForADay && hours > 0).then(|| {
        format!(
            "The dependencies are those that were newest {hours} hours ago; \
             PIP_NO_CACHE_DIR=1 looks again."
        )
    })
}

fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// The number of files below a folder, and their bytes.
fn size(folder: &Path) -> io::Result<(u64, u64)> {
    let mut sum = (0, 0);
    for file in walk::files(folder, Links::Kept)? {
        sum = (sum.0 + 1, sum.1 + fs::symlink_metadata(file)?.len());
    }
    Ok(sum)
}

/// Removes dependencies that nobody has used for a long time.
fn drop_unused(place: &Path) {
    let others = place.parent().and_then(|it| fs::read_dir(it).ok());
    for other in others.into_iter().flatten().flatten() {
        let path = other.path();
        let is_unused = age(&path).is_some_and(|it| it > UNUSED);
        if is_unused && File::open(&path).is_ok_and(|it| it.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(path);
        }
    }
}
