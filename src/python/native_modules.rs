//! Shared objects from places where the kernel cannot map them: from a zip, and
//! from file systems mounted with `noexec`.
//!
//! If nothing can be written, an app is imported from its zip, with the native
//! modules of its wheels: ld.so asks the loader for
//! `site.zip/site-packages/orjson/orjson.so`, the loader asks this file, and
//! the answer is a memory file with the unpacked bytes. In a container, the
//! only writable place is often mounted with `noexec`. Files that were unpacked
//! there are copied to memory files, too. (Python code can run everything that
//! it can read, so this does not bypass `noexec`.)
//!
//! The same holds for carried libraries that only native modules need, which
//! are packed.

use std::{
    ffi::{CStr, OsStr, c_char, c_int},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::{ffi::OsStrExt, fs::FileExt},
    panic::catch_unwind,
    path::{Component, Path, PathBuf},
    sync::{Arc, OnceLock},
};

use nix::sys::statvfs::{FsFlags, fstatvfs};
use rgunicorn_loader::{VIRTUAL_FOLDER, memory_file_holding};
use zip::ZipArchive;

/// From now on this file answers ld.so's opens, if that is needed, in this
/// process and its forks.
pub fn serve() {
    rgunicorn_loader::serve_opens_with(open);
}

/// Lets ld.so open files in `zip`, an absolute path, as if it were a folder.
pub fn serve_zip(path: &Path) {
    let mut place = &ZIPS;
    loop {
        let zip = place.get_or_init(|| Box::new(Zip::new(path)));
        if zip.path == path {
            return;
        }
        place = &zip.next;
    }
}

/// A list that only grows. Any thread reads it, inside ld.so and after forks,
/// where a lock might be held for ever.
static ZIPS: OnceLock<Box<Zip>> = OnceLock::new();

struct Zip {
    path: PathBuf,
    /// Opened when it is first used; nothing if it is not a zip.
    archive: OnceLock<Option<Archive>>,
    next: OnceLock<Box<Zip>>,
}

type Archive = ZipArchive<Positioned>;

/// The loader's callback. It runs inside `dlopen`; a panic must not leave it.
extern "C" fn open(path: *const c_char) -> c_int {
    const NOT_OURS: c_int = -1;
    let answer = catch_unwind(|| {
        // SAFETY: the loader passes the path of ld.so, a C string that outlives
        // the call.
        let path = unsafe { CStr::from_ptr(path) }.to_bytes();
        let path = Path::new(OsStr::from_bytes(path));
        let mut zips = std::iter::successors(ZIPS.get(), |zip| zip.next.get());
        match zips.find_map(|zip| Some((zip, path.strip_prefix(&zip.path).ok()?))) {
            Some((zip, inside)) => zip.file(inside).or_else(|| carried(path)),
            None if path.starts_with(VIRTUAL_FOLDER) => carried(path),
            None => from_noexec(path),
        }
    });
    answer.ok().flatten().unwrap_or(NOT_OURS)
}

impl Zip {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            archive: OnceLock::new(),
            next: OnceLock::new(),
        }
    }

    fn file(&self, inside: &Path) -> Option<c_int> {
        let name = entry_name(inside)?;
        // Clones share the index, and each has its own position, so threads and
        // forked processes do not disturb each other.
        let mut archive = self.archive()?.clone();
        let mut entry = archive.by_name(&name).ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(entry.size()).ok()?);
        entry.read_to_end(&mut bytes).ok()?;
        memory_file_holding(&bytes)
    }

    fn archive(&self) -> Option<&Archive> {
        // Opened outside of the cell, so that the cell is locked only for a
        // moment.
        if self.archive.get().is_none() {
            let _ = self.archive.set(Positioned::open(&self.path));
        }
        self.archive.get()?.as_ref()
    }
}

/// A carried library. ld.so may look for it first in a folder of a zip. If the
/// answer is no, ld.so asks the kernel whether the folder exists, and does not
/// look for libraries in it any more.
fn carried(path: &Path) -> Option<c_int> {
    let library = crate::carried::library(path.file_name()?.as_bytes())?;
    memory_file_holding(&library.ok()?)
}

fn from_noexec(path: &Path) -> Option<c_int> {
    let mut file = File::open(path).ok()?;
    if !fstatvfs(&file).ok()?.flags().contains(FsFlags::ST_NOEXEC) {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    memory_file_holding(&bytes)
}

/// The entry for a path inside the zip. Libraries find others by
/// `$ORIGIN/../name.libs`, so `..` is resolved here.
fn entry_name(inside: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in inside.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::ParentDir => drop(parts.pop()?),
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// A reader of a shared file, with its own position.
#[derive(Clone)]
struct Positioned {
    file: Arc<File>,
    position: u64,
}

impl Positioned {
    fn open(path: &Path) -> Option<Archive> {
        let file = Arc::new(File::open(path).ok()?);
        ZipArchive::new(Self { file, position: 0 }).ok()
    }
}

impl Read for Positioned {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Positioned {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, offset) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(offset) => (self.position, offset),
            SeekFrom::End(offset) => (self.file.metadata()?.len(), offset),
        };
        self.position = from
            .checked_add_signed(offset)
            .ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::fd::FromRawFd;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    #[test]
    fn steps_up_are_taken_inside_the_zip_only() {
        let name = |path: &str| entry_name(Path::new(path));
        assert_eq!(
            name("numpy/core/../../numpy.libs/x.so"),
            Some("numpy.libs/x.so".into())
        );
        assert_eq!(name("./a//b.so"), Some("a/b.so".into()));
        assert_eq!(name("a/../../b.so"), None);
    }

    #[test]
    fn a_name_is_found_without_the_flag_of_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.zip");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        let options = SimpleFileOptions::default();
        writer.start_file("größe/x.so", options).unwrap();
        writer.write_all(b"code").unwrap();
        writer.finish().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        for (header, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
            let start = bytes.windows(4).position(|it| it == header).unwrap();
            bytes[start + flags + 1] &= !(1 << 3);
        }
        fs::write(&path, bytes).unwrap();
        let file = Zip::new(&path).file(Path::new("größe/x.so"));
        // SAFETY: the descriptor was made for this call and has no other owner.
        let mut file = unsafe { File::from_raw_fd(file.unwrap()) };
        let mut content = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut content).unwrap();
        assert_eq!(content, "code");
    }
}
