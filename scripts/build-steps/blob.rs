//! The bundle: the standard library, our own Python files, time zones and
//! certificate authorities as one blob. `src/python/bundle.rs` reads it and
//! describes its shape.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache::Key;

/// A file of the bundle.
#[derive(Default)]
pub struct File {
    pub data: Vec<u8>,
    /// Marshalled code; empty when it is not a Python file.
    pub code: Vec<u8>,
}

/// All files by path.
pub type Files = BTreeMap<String, File>;

/// Write `bundle.blob` into `out`.
pub fn make(cpython: &Path, version: &str, out: &Path) -> Result<()> {
    let stream = out.join("bundle.stream");
    let mut command = Command::new(cpython.join("python"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PYTHONHOME", cpython)
        .env("PYTHONHASHSEED", "0")
        .args(["-S", "-B", "scripts/cpython/bundle.py"])
        .arg(cpython.join("lib").join(format!("python{version}")))
        .arg(cpython.join("include"))
        .args(["stdlib-bundle", version])
        .arg(&stream);
    crate::run(&mut command, "compiling the standard library")?;
    let mut files = read(&fs::read(&stream)?)?;
    crate::fallback::add(&mut files);
    let blob = pack(&files, &at_start(&files, version)?)?;
    let mut key = Key::new();
    key.bytes(&blob);
    println!("cargo:rustc-env=RGUNICORN_BUNDLE_ID={}", key.finish());
    fs::write(out.join("bundle.blob"), blob)?;
    fs::remove_file(&stream)?;
    Ok(())
}

/// Names the modules of every start.
const START: &str = "stdlib-bundle/start.txt";

fn read(mut stream: &[u8]) -> Result<Files> {
    let mut part = || -> Option<Vec<u8>> {
        let (length, rest) = stream.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        stream = rest;
        Some(part.to_vec())
    };
    let mut files = Files::new();
    while let Some(path) = part() {
        let (data, code) = part().zip(part()).context("a cut stream of files")?;
        files.insert(String::from_utf8(path)?, File { data, code });
    }
    Ok(files)
}

/// The level of zstd: it does not change the time for unpacking.
const LEVEL: i32 = 19;

/// Packs the parts of one kind. Files are small and similar, so each is packed with a
/// dictionary of what they have in common.
struct Packer {
    dictionary: Vec<u8>,
    /// One compressor for all parts: preparing it is most of the work.
    compressor: zstd::bulk::Compressor<'static>,
}

impl Packer {
    /// A packer for parts like these.
    fn of(parts: &[&[u8]]) -> Result<Self> {
        const SIZE: usize = 256 << 10;
        let dictionary = zstd::dict::from_samples(parts, SIZE)?;
        let compressor = zstd::bulk::Compressor::with_dictionary(LEVEL, &dictionary)?;
        Ok(Self {
            dictionary,
            compressor,
        })
    }

    fn pack(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        Ok(self.compressor.compress(bytes)?)
    }
}

/// Packs all files. The code of those in `start` is not compressed, and lies together.
fn pack(files: &Files, start: &[String]) -> Result<Vec<u8>> {
    const RECORD: usize = 8 * 4;
    let sources: Vec<&[u8]> = files.values().map(|file| &file.data[..]).collect();
    let codes: Vec<&[u8]> = files.values().map(|file| &file.code[..]).collect();
    let (mut sources, mut codes) = (Packer::of(&sources)?, Packer::of(&codes)?);
    let mut index = Vec::new();
    let mut payload = Vec::new();
    for packer in [&sources, &codes] {
        index.extend_from_slice(&u32::try_from(packer.dictionary.len())?.to_le_bytes());
        payload.extend_from_slice(&packer.dictionary);
    }
    index.extend_from_slice(&u32::try_from(files.len())?.to_le_bytes());
    let base = index.len() + files.len() * RECORD;
    let mut place = |bytes: &[u8], packer: Option<&mut Packer>| -> Result<[usize; 2]> {
        let at = base + payload.len();
        let squeezed = packer.map(|packer| packer.pack(bytes)).transpose()?;
        let smaller = squeezed
            .as_deref()
            .filter(|packed| packed.len() < bytes.len());
        let kept = smaller.unwrap_or(bytes);
        payload.extend_from_slice(kept);
        Ok([at, kept.len()])
    };
    let mut ready = BTreeMap::new();
    for path in start {
        let file = files.get(path).with_context(|| {
            format!("{START} names {path}, which is not in the bundle; correct the list")
        })?;
        ready.insert(path, place(&file.code, None)?);
    }
    for (path, file) in files {
        let [path_at, path_length] = place(path.as_bytes(), None)?;
        let [data_at, data_length] = place(&file.data, Some(&mut sources))?;
        let [code_at, code_length] = match ready.get(path) {
            Some(placed) => *placed,
            None => place(&file.code, Some(&mut codes))?,
        };
        for number in [
            path_at,
            path_length,
            data_at,
            data_length,
            file.data.len(),
            code_at,
            code_length,
            file.code.len(),
        ] {
            index.extend_from_slice(&u32::try_from(number)?.to_le_bytes());
        }
    }
    index.extend_from_slice(&payload);
    Ok(index)
}

/// The paths of what runs before anything can be imported, and of what is imported at every
/// start.
fn at_start(files: &Files, version: &str) -> Result<Vec<String>> {
    let boot = files.keys().filter(|path| path.starts_with("boot/"));
    let list = fs::read_to_string(START)?;
    let listed = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| format!("lib/python{version}/{line}"));
    Ok(boot.cloned().chain(listed).collect())
}
