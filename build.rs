//! Turns `stdlib-bundle/` into an interpreter to link with and one blob.
//!
//! The long steps (OpenSSL, CPython) are kept by content in a cache folder
//! outside `target/`, so that the next clean checkout does not repeat them.

#[path = "scripts/build-steps/blob.rs"]
mod blob;
#[path = "scripts/build-steps/cache.rs"]
mod cache;
#[path = "scripts/build-steps/components/mod.rs"]
mod components;
#[path = "scripts/build-steps/fallback.rs"]
mod fallback;
#[path = "scripts/build-steps/libraries.rs"]
mod libraries;
#[path = "scripts/build-steps/openssl.rs"]
mod openssl;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use cache::{Cache, Key};

fn main() {
    if let Err(error) = build() {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}

fn build() -> Result<()> {
    watch();
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let cache = Cache::open()?;
    let sysroot = libraries::sysroot(&cache, &out.join("sysroot"))?;
    let source = cpython_source(&cache)?;
    let cpython = cpython(&cache, &source, &sysroot)?;
    let version = fs::read_to_string(cpython.join("version"))?;
    let version = version.trim();
    let minor = version
        .rsplit_once('.')
        .context("a version without dots")?
        .0;
    check_pyo3_speaks(minor)?;
    println!("cargo:rustc-env=RGUNICORN_PYTHON_VERSION={version}");
    println!("cargo:rustc-env=RGUNICORN_PYTHON_MINOR={minor}");
    blob::make(&cpython, minor, &out)?;
    components::write(&source, &cpython, version, &out)?;
    link(&cpython)
}

fn watch() {
    for path in [
        "build.rs",
        "scripts/build-steps",
        "stdlib-bundle",
        "scripts/cpython",
        "Cargo.lock",
    ] {
        println!("cargo:rerun-if-changed={path}");
    }
    for name in [
        "RGUNICORN_CPYTHON_SOURCE",
        "RGUNICORN_CACHE_DIR",
        "CC",
        "LIBSQLITE3_FLAGS",
        "PYO3_CONFIG_FILE",
        "RGUNICORN_ORDINARY_LINK",
    ] {
        println!("cargo:rerun-if-env-changed={name}");
    }
}

/// The cached CPython: see `scripts/cpython/build`.
fn cpython(cache: &Cache, source: &Path, sysroot: &Path) -> Result<PathBuf> {
    let mut key = Key::new();
    key.tree(source)?;
    for file in [
        "scripts/cpython/build",
        "scripts/cpython/train.py",
        "stdlib-bundle/cpython.env",
        openssl::SCRIPT,
    ] {
        key.tree(Path::new(file))?;
    }
    key.text(&libraries::versions()?);
    key.text(&libraries::compiler()?);
    key.text(&env::var("LIBSQLITE3_FLAGS").unwrap_or_default());
    cache.entry("cpython", key, |scratch, result| {
        let mut command = Command::new(fs::canonicalize("scripts/cpython/build")?);
        command
            .arg(source)
            .arg(sysroot)
            .arg(result)
            .current_dir(scratch);
        command.env("JOBS", env::var("NUM_JOBS")?);
        run(&mut command, "building CPython")
    })
}

fn cpython_source(cache: &Cache) -> Result<PathBuf> {
    let mut key = Key::new();
    key.tree(Path::new("scripts/cpython/fetch"))?;
    key.tree(Path::new("stdlib-bundle/cpython.env"))?;
    if let Some(given) = env::var_os("RGUNICORN_CPYTHON_SOURCE") {
        key.tree(Path::new(&given))
            .with_context(|| format!("RGUNICORN_CPYTHON_SOURCE={}", given.display()))?;
    }
    cache.entry("source", key, |_, result| {
        let mut command = Command::new("scripts/cpython/fetch");
        run(command.arg(result), "fetching CPython's source")
    })
}

/// pyo3 is told the version by a file; the wrong one would compile, and crash.
fn check_pyo3_speaks(minor: &str) -> Result<()> {
    let file = env::var("PYO3_CONFIG_FILE").context("PYO3_CONFIG_FILE is not set")?;
    let config = fs::read_to_string(&file).with_context(|| file.clone())?;
    ensure!(
        config
            .lines()
            .any(|line| line == format!("version={minor}")),
        "pyo3 is set up for another Python than {minor}; \
         set PYO3_CONFIG_FILE=$PWD/stdlib-bundle/pyo3-{minor}.txt"
    );
    Ok(())
}

/// Whole libpython, so that wheels find every C function of Python's; and of
/// all that is linked in, only Python's own names are visible to them: a wheel
/// that brings its own zlib or OpenSSL must not be given ours.
fn link(cpython: &Path) -> Result<()> {
    let arg = |word: &str| println!("cargo:rustc-link-arg-bins={word}");
    for word in fs::read_to_string(cpython.join("link"))?.lines() {
        match word.strip_prefix("archives/") {
            Some(_) => arg(&cpython.join(word).display().to_string()),
            None => arg(word),
        }
    }
    // It would depend on the folder of the build, through what is stripped later.
    arg("-Wl,--build-id=none");
    arg("-Wl,--export-dynamic-symbol=Py*");
    arg("-Wl,--export-dynamic-symbol=_Py*");
    // The loader's entry instead of the host's. Without it the program is an
    // ordinary one, for comparing the two.
    if env::var_os("RGUNICORN_ORDINARY_LINK").is_none() {
        arg(&env::var("DEP_RGUNICORN_LOADER_LINK_ARGS")
            .context("the loader gave no linker arguments")?);
    }
    Ok(())
}

/// Run a command of ours; its output is the build script's.
fn run(command: &mut Command, doing: &str) -> Result<()> {
    let status = command.status().with_context(|| doing.to_owned())?;
    if !status.success() {
        bail!("{doing} failed ({status}); what it said is above");
    }
    Ok(())
}
