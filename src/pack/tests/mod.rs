//! Unpacks good and bad archives into temporary folders.

mod damage;
mod hostile;
mod names;
mod place;
mod raw;
mod sharing;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::cache::{Origin, UnpackedSite};
use super::unpack::{Unpacked, unpack_into};

/// A folder for a zip, and a cache folder that does not exist yet.
struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn zip(&self) -> PathBuf {
        self.dir.path().join("site.zip")
    }

    fn place(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn unpack(&self) -> Result<Unpacked, String> {
        unpack_into(&self.zip(), &[self.place()], false, None)
            .map_err(|problem| problem.to_string())
    }

    fn folder(&self) -> UnpackedSite {
        match self.unpack().unwrap() {
            Unpacked::Folder(folder) => folder,
            Unpacked::InMemory { reason, .. } => panic!("not unpacked: {reason}"),
            Unpacked::Ready(_) => panic!("it is no folder"),
        }
    }

    /// The archive is refused with `sentence`, and nothing is left behind.
    #[track_caller]
    fn refused(&self, sentence: &str) {
        let error = self.unpack().expect_err("must be refused");
        assert!(error.contains(sentence), "{error}");
        assert_eq!(self.left(), [] as [PathBuf; 0]);
        let around = fs::read_dir(self.dir.path()).unwrap().count();
        let cache = usize::from(self.place().exists());
        assert_eq!(around, 1 + cache, "something beside the zip and the cache");
    }

    /// What is in the cache, hidden files included.
    fn left(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.place()).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// Waits until the zip is old enough to be recognised without being read.
    fn settle(&self) {
        let file = File::open(self.zip()).unwrap();
        while !Origin::of(&self.zip(), &file).unwrap().is_settled() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn write_zip(path: &Path, files: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(path).unwrap());
    for (name, data) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap();
}
