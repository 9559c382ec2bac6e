//! The C libraries that CPython is linked with, collected in one folder as configure
//! needs it: `include/` and `lib/*.a`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use crate::cache::Cache;

/// Crates with C source that is linked into CPython.
const CRATES: [&str; 6] = [
    "libz-sys",
    "bzip2-sys",
    "liblzma-sys",
    "libsqlite3-sys",
    "libffi-sys",
    "zstd-sys",
];

/// Collect the libraries in `dir`, and build OpenSSL if it is not in the cache.
pub fn sysroot(cache: &Cache, dir: &Path) -> Result<PathBuf> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    let (include, lib) = (dir.join("include"), dir.join("lib"));
    fs::create_dir_all(&include)?;
    fs::create_dir_all(&lib)?;
    let z = dep("DEP_Z_ROOT")?;
    copy_tree(&z.join("include"), &include)?;
    fs::copy(z.join("lib/libz.a"), lib.join("libz.a"))?;
    let bzip2 = dep("DEP_BZIP2_ROOT")?;
    copy_tree(&bzip2.join("include"), &include)?;
    fs::copy(bzip2.join("lib/libbz2.a"), lib.join("libbz2.a"))?;
    copy_tree(&dep("DEP_LZMA_INCLUDE")?, &include)?;
    fs::copy(
        dep("DEP_LZMA_ROOT")?.join("liblzma.a"),
        lib.join("liblzma.a"),
    )?;
    copy_tree(&dep("DEP_SQLITE3_INCLUDE")?, &include)?;
    fs::copy(
        dep("DEP_SQLITE3_LIB_DIR")?.join("libsqlite3.a"),
        lib.join("libsqlite3.a"),
    )?;
    copy_tree(&dep("DEP_ZSTD_INCLUDE")?, &include)?;
    fs::copy(
        dep("DEP_ZSTD_ROOT")?.join("libzstd.a"),
        lib.join("libzstd.a"),
    )?;
    let ffi = libffi()?;
    copy_tree(&ffi.join("include"), &include)?;
    fs::copy(ffi.join("lib/libffi.a"), lib.join("libffi.a"))?;
    copy_tree(&crate::openssl::build(cache)?, dir)?;
    uuid(&include, &lib)?;
    bz_internal_error(&lib)?;
    Ok(dir.to_owned())
}

/// Names, versions and checksums of the crates in Cargo.lock.
pub fn versions() -> Result<String> {
    let lock = fs::read_to_string("Cargo.lock")?;
    Ok(lock
        .split("[[package]]")
        .filter(|package| {
            CRATES
                .iter()
                .chain(&["openssl-src"])
                .any(|name| package.contains(&format!("name = \"{name}\"\n")))
        })
        .collect())
}

/// The version of the C compiler, as it reports it.
pub fn compiler() -> Result<String> {
    let compiler = cc::Build::new().get_compiler();
    let said = compiler.to_command().arg("--version").output()?;
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}

fn dep(name: &str) -> Result<PathBuf> {
    Ok(env::var_os(name)
        .with_context(|| format!("{name} is not set"))?
        .into())
}

/// The only crate that does not say where its library is: it is beside our own output
/// folder.
fn libffi() -> Result<PathBuf> {
    let out = dep("OUT_DIR")?;
    let mut found = Vec::new();
    for above in out.ancestors().skip(1).take(3) {
        for child in fs::read_dir(above)?.filter_map(Result::ok) {
            if child
                .file_name()
                .to_string_lossy()
                .starts_with("libffi-sys")
            {
                find_folder(&child.path(), "libffi-root", 3, &mut found);
            }
        }
    }
    found
        .into_iter()
        .max_by_key(|root| fs::metadata(root).and_then(|data| data.modified()).ok())
        .context("libffi-sys has built no libffi")
}

fn find_folder(dir: &Path, name: &str, depth: usize, found: &mut Vec<PathBuf>) {
    if dir.ends_with(name) {
        found.push(dir.to_owned());
    } else if depth > 0 {
        for child in fs::read_dir(dir)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
        {
            find_folder(&child.path(), name, depth - 1, found);
        }
    }
}

fn uuid(include: &Path, lib: &Path) -> Result<()> {
    if let Some(archive) = uuid_archive()? {
        fs::copy(archive, lib.join("libuuid.a"))?;
        fs::create_dir_all(include.join("uuid"))?;
        fs::copy(UUID_HEADER, include.join("uuid/uuid.h"))?;
    }
    Ok(())
}

const UUID_HEADER: &str = "/usr/include/uuid/uuid.h";

/// No crate has libuuid, so the machine's is used if there is one (Debian: uuid-dev).
/// Without it the uuid module makes time-based ids in Python.
pub fn uuid_archive() -> Result<Option<PathBuf>> {
    let asked = cc::Build::new()
        .get_compiler()
        .to_command()
        .arg("-print-file-name=libuuid.a")
        .output()?;
    let archive = PathBuf::from(String::from_utf8(asked.stdout)?.trim());
    let there = archive.is_absolute() && Path::new(UUID_HEADER).exists();
    Ok(there.then_some(archive))
}

/// libbz2 without stdio calls a function of the program for an internal error. The
/// function is put into the archive, so that no other code needs to define it.
fn bz_internal_error(lib: &Path) -> Result<()> {
    let source = lib.join("bz_internal_error.c");
    fs::write(
        &source,
        "#include <stdlib.h>\nvoid bz_internal_error(int code) { (void)code; abort(); }\n",
    )?;
    let objects = cc::Build::new()
        .file(&source)
        .pic(true)
        .out_dir(lib)
        .compile_intermediates();
    let status = Command::new("ar")
        .arg("r")
        .arg(lib.join("libbz2.a"))
        .args(objects)
        .status()?;
    ensure!(status.success(), "ar cannot add to libbz2.a");
    Ok(())
}

/// Copy a folder and all that is in it.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for child in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let child = child?;
        let target = to.join(child.file_name());
        if child.file_type()?.is_dir() {
            copy_tree(&child.path(), &target)?;
        } else {
            fs::copy(child.path(), target)?;
        }
    }
    Ok(())
}
