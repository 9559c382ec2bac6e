//! Writing a pack as a zip.

use std::io::{Seek, Write};

use anyhow::{Context, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::pack::label::{self, Label};
use crate::pack::tree::{Item, Tree};

/// Writes the files of the trees, whose paths differ, from where `out` stands. The
/// label comes first, and as it is, so that a pack can be told by its first bytes.
/// All files have the same time, in seconds since 1970.
///
/// # Errors
/// A file cannot be read, or `out` cannot be written.
pub fn write<W: Write + Seek>(out: W, label: &Label, trees: &[&Tree], time: u64) -> Result<W> {
    let mut zip = ZipWriter::new(out);
    let plain = SimpleFileOptions::default()
        .last_modified_time(dos_time(time))
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o644);
    zip.start_file(label::NAME, plain)?;
    zip.write_all(&label.to_json())?;
    for (path, item) in trees.iter().flat_map(|tree| &tree.0) {
        let options = options(plain, path, item);
        zip.start_file(path.as_str(), options)?;
        zip.write_all(&item.read()?)
            .context("The archive cannot be written")?;
    }
    zip.finish().context("The archive cannot be written")
}

/// Endings of files that are compressed already.
const COMPRESSED: [&str; 14] = [
    "png", "jpg", "jpeg", "gif", "webp", "avif", "woff", "woff2", "gz", "br", "zst", "zip", "mp4",
    "webm",
];

fn options(plain: SimpleFileOptions, path: &str, item: &Item) -> SimpleFileOptions {
    let ending = path.rsplit('.').next().unwrap_or_default();
    let is_compressed = COMPRESSED.contains(&&*ending.to_ascii_lowercase());
    let options = match is_compressed {
        true => plain,
        false => plain.compression_method(CompressionMethod::Deflated),
    };
    options.unix_permissions(if item.executable { 0o755 } else { 0o644 })
}

/// A time as zips have it, which begin with 1980 and end with 2107.
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
