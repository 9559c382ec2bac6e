//! What the executable carries: shared libraries, and a list of everything in it that
//! others have made.

pub mod packed;
mod parts;

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rgunicorn_loader::Library;

pub use parts::{Part, licenses, parts};

/// The carried library with this file name, such as `libstdc++.so.6`.
pub fn library(name: &[u8]) -> Option<io::Result<Cow<'static, [u8]>>> {
    let mut libraries = rgunicorn_loader::libraries().iter();
    libraries.find(|it| it.name() == name).map(whole)
}

fn whole(library: &'static Library) -> io::Result<Cow<'static, [u8]>> {
    Ok(match library.unpacked_size() {
        Some(size) => zstd::bulk::decompress(library.bytes(), size)?.into(),
        None => library.bytes().into(),
    })
}

/// Writes the carried libraries into `folder`, so that a debugger can read their
/// symbols. Returns the paths of the files.
pub fn extract_libraries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let libraries = rgunicorn_loader::libraries().iter();
    libraries
        .map(|library| {
            let path = folder.join(OsStr::from_bytes(library.name()));
            fs::write(&path, whole(library)?)?;
            Ok(path)
        })
        .collect()
}

/// A sentence about variables for the dynamic loader that are set but have no effect on
/// the carried one.
pub fn disobeyed(is_set: impl Fn(&str) -> bool) -> Option<String> {
    if is_set("RGUNICORN_LOADER") {
        return None;
    }
    let variables = ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT"];
    let set: Vec<_> = variables.into_iter().filter(|name| is_set(name)).collect();
    if set.is_empty() {
        return None;
    }
    Some(format!(
        "Not obeyed, but passed on to child processes: {}. This program brings its own loader; to \
         have the host's instead, name it in RGUNICORN_LOADER, such as \
         /lib64/ld-linux-x86-64.so.2",
        set.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use std::backtrace::Backtrace;
    use std::panic::{self, AssertUnwindSafe};

    #[inline(never)]
    fn panics_here(backtrace: &mut String) {
        *backtrace = Backtrace::force_capture().to_string();
        let table = [1, 2, 3];
        assert_eq!(table[std::hint::black_box(3)], 0);
    }

    #[test]
    fn every_library_is_whole() {
        for carried in rgunicorn_loader::libraries() {
            let bytes = super::library(carried.name()).expect("it").expect("whole");
            assert!(bytes.starts_with(b"\x7fELF"));
            let size = carried.unpacked_size().unwrap_or(carried.bytes().len());
            assert_eq!(bytes.len(), size);
        }
        assert!(super::library(b"libnothing.so.1").is_none());
    }

    /// Unwinding and symbols depend on what ld.so says about the program. In this test
    /// program, too, it is the carried ld.so.
    #[test]
    fn a_panic_unwinds_and_knows_the_names_of_functions() {
        let mut backtrace = String::new();
        let caught = panic::catch_unwind(AssertUnwindSafe(|| panics_here(&mut backtrace)));
        let message = caught.unwrap_err();
        let message = message.downcast_ref::<String>().expect("a message");
        assert!(message.contains("index out of bounds"), "{message}");
        assert!(backtrace.contains("panics_here"), "{backtrace}");
        assert!(backtrace.contains("src/carried/mod.rs:"), "{backtrace}");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(maps.contains("/memfd:rgunicorn"), "not the carried ld.so");
    }
}
