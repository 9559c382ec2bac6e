//! Writes a pack as a zip.

use std::io::{Cursor, Seek, Write};
use std::thread;

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::times::Times;
use crate::pack::label::{self, Label};
use crate::pack::tree::{PackFile, Tree};

/// Writes the files of the trees, which have different paths, to the current position
/// of `out`. The label is first and is not compressed, so that the first bytes show
/// that it is a pack.
///
/// # Errors
/// A file cannot be read, or `out` cannot be written.
pub fn write<W: Write + Seek>(out: W, label: &Label, trees: &[&Tree], times: Times) -> Result<W> {
    let mut zip = ZipWriter::new(out);
    let plain = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o644);
    let label = label.to_json();
    zip.start_file(
        label::NAME,
        plain.last_modified_time(dos_time(times.of(&label))),
    )?;
    zip.write_all(&label)?;
    let entries: Vec<_> = trees.iter().flat_map(|tree| &tree.0).collect();
    for part in in_parts(&entries, plain, times) {
        zip.merge_archive(ZipArchive::new(Cursor::new(part?))?)
            .context("The archive cannot be written")?;
    }
    zip.finish().context("The archive cannot be written")
}

/// Compresses the entries as several archives in parallel.
fn in_parts(
    entries: &[(&String, &PackFile)],
    plain: SimpleFileOptions,
    times: Times,
) -> Vec<Result<Vec<u8>>> {
    let count = thread::available_parallelism().map_or(1, usize::from);
    // There are more parts than processors, as one part may be much larger than
    // another.
    let length = entries.len().div_ceil(8 * count).max(1);
    thread::scope(|scope| {
        let running: Vec<_> = entries
            .chunks(length)
            .map(|part| scope.spawn(move || part_of(part, plain, times)))
            .collect();
        let parts = running.into_iter();
        parts
            .map(|part| part.join().expect("it does not panic"))
            .collect()
    })
}

fn part_of(
    entries: &[(&String, &PackFile)],
    plain: SimpleFileOptions,
    times: Times,
) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, file) in entries {
        let bytes = file.read()?;
        let time = dos_time(times.of(&bytes));
        zip.start_file(
            path.as_str(),
            options(plain, path, file).last_modified_time(time),
        )?;
        zip.write_all(&bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Extensions of files that are already compressed.
const COMPRESSED: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "webp", "avif", "woff", "woff2", "gz", "br", "zst", "zip", "mp4",
    "webm",
];

fn options(plain: SimpleFileOptions, path: &str, file: &PackFile) -> SimpleFileOptions {
    let ending = path.rsplit('.').next().unwrap_or_default();
    let is_compressed = COMPRESSED.contains(&&*ending.to_ascii_lowercase());
    let options = match is_compressed {
        true => plain,
        false => plain.compression_method(CompressionMethod::Deflated),
    };
    options.unix_permissions(file.mode())
}

/// A time as zips have it: from 1980 to 2107.
fn dos_time(seconds: u64) -> DateTime {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| time::UtcDateTime::from_unix_timestamp(seconds).ok());
    let time = time.and_then(|it| {
        let year = u16::try_from(it.year()).ok()?;
        let (hour, minute, second) = it.as_hms();
        DateTime::from_date_and_time(year, it.month().into(), it.day(), hour, minute, second).ok()
    });
    time.unwrap_or_default()
}
