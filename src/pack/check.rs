//! Checks an archive before anything is unpacked: its directory must hold only what the
//! archive of a site may hold.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use time::{Date, Month, UtcDateTime};
use zip::read::ZipFile;
use zip::{CompressionMethod, ExtraField, ZipArchive};

use super::appended::AppendedFault;
use super::error::{EntryFault, Error, Problem};
use super::label;
use super::locate::archive_start;
use crate::python::zip_names;

/// A site with a large framework has about 10 000 files.
pub(super) const MAX_ENTRIES: usize = 200_000;
/// The most an archive may unpack to, in bytes.
pub(super) const MAX_UNPACKED: u64 = 4 << 30;
/// Code shrinks to a fifth, tables of data to a fiftieth. The limit of deflate itself,
/// which zip bombs come close to, is a thousandth.
pub(super) const MAX_RATIO: u64 = 200;
/// Below this size, in bytes, any ratio is allowed: it does not fill a disk.
pub(super) const HARMLESS: u64 = 64 << 20;
/// Linux's limit for a name (NAME_MAX), and a limit for paths that leaves room for the
/// path of the cache folder below PATH_MAX.
const MAX_NAME: usize = 255;
pub(super) const MAX_PATH: usize = 2048;

/// An archive whose directory was checked.
pub(super) struct Archive<'f> {
    pub(super) zip: ZipArchive<BufReader<&'f File>>,
    /// Sorted by path, so that folders come before what is in them.
    pub(super) entries: Vec<Entry>,
}

/// A file or folder of the archive.
#[derive(Debug)]
pub(super) struct Entry {
    /// The index in the archive's directory.
    pub(super) index: usize,
    /// Relative, with `/`, without `.` or `..`.
    pub(super) path: String,
    pub(super) is_dir: bool,
    pub(super) executable: bool,
    /// Size when unpacked, in bytes, as the directory declares it.
    pub(super) size: u64,
    pub(super) modified: Option<SystemTime>,
}

impl Entry {
    /// The problem that its bytes are damaged.
    pub(super) fn damaged(&self, error: &impl Display) -> Problem {
        EntryFault::Damaged(error.to_string().to_lowercase()).of(&self.path)
    }
}

impl<'f> Archive<'f> {
    /// Reads the directory of the archive that begins at `start` in the file, and
    /// checks every entry.
    pub(super) fn open(file: &'f File, start: u64) -> Result<Self, Problem> {
        let length = file.metadata().map_err(Problem::Unreadable)?.len();
        let packed = length.saturating_sub(start);
        let not_a_zip = |error: zip::result::ZipError| Problem::NotAZip(error.to_string());
        let mut zip = ZipArchive::new(BufReader::new(file)).map_err(not_a_zip)?;
        check_names_are_unique(file, &zip)?;
        if zip.len() > MAX_ENTRIES {
            return Err(Problem::TooManyEntries {
                count: zip.len(),
                limit: MAX_ENTRIES,
            });
        }

        let mut entries = Vec::with_capacity(zip.len());
        let mut extents = Vec::with_capacity(zip.len());
        for index in 0..zip.len() {
            let raw = zip.by_index_raw(index).map_err(not_a_zip)?;
            if let Some(entry) = check_entry(index, &raw)? {
                let data = raw.data_start().unwrap_or_else(|| raw.header_start());
                extents.push((raw.header_start(), data + raw.compressed_size(), index));
                entries.push(entry);
            }
        }
        entries.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
        check_paths_agree(&entries)?;
        extents.sort_unstable();
        if extents.first().is_some_and(|(first, ..)| *first < start) {
            return Err(AppendedFault::NotAlone.into());
        }
        for pair in extents.windows(2) {
            if pair[1].0 < pair[0].1 {
                let raw = zip.by_index_raw(pair[1].2).map_err(not_a_zip)?;
                return Err(EntryFault::Overlap.of(zip_names::name(&raw)));
            }
        }
        check_total(packed, &entries)?;
        Ok(Self { zip, entries })
    }

    /// Whether the app has native modules, which the dynamic loader must map.
    pub(super) fn has_native_code(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.path.ends_with(".so") || entry.path.contains(".so."))
    }

    /// Whether `rgunicorn pack` made it.
    pub(super) fn is_packed(&self) -> bool {
        self.entries.iter().any(|entry| entry.path == label::NAME)
    }

    pub(super) fn has_folder(&self, name: &str) -> bool {
        self.entries.iter().any(|entry| {
            let below = entry.path.strip_prefix(name);
            below.is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && entry.is_dir))
        })
    }
}

/// Checks that a pack which was just written, and which will be at `path`, can be
/// served.
///
/// # Errors
/// One sentence that names the entry and says what to do.
pub(super) fn check_pack(path: &Path, file: &File) -> Result<(), Error> {
    let opened = archive_start(path, file).and_then(|start| Archive::open(file, start));
    opened.map(drop).map_err(|problem| problem.of(path))
}

/// The zip library keeps only one of several entries with the same name, and other
/// readers may keep another. So we read the names from the directory ourselves (APPNOTE
/// 4.3.12) and refuse such archives.
fn check_names_are_unique<R>(file: &File, zip: &ZipArchive<R>) -> Result<(), Problem>
where
    R: Read + Seek,
{
    let mut names = directory_names(file, zip.central_directory_start())
        .map_err(|error| Problem::NotAZip(error.to_string()))?;
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(EntryFault::Twice.of(&String::from_utf8_lossy(&pair[0])));
    }
    if names.len() != zip.len() {
        return Err(Problem::NotAZip(format!(
            "it announces {} entries and lists {}",
            zip.len(),
            names.len()
        )));
    }
    Ok(())
}

fn directory_names(file: &File, start: u64) -> io::Result<Vec<Vec<u8>>> {
    const SIGNATURE: &[u8] = b"PK\x01\x02";
    const HEADER: usize = 46;
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(start))?;
    let mut names = Vec::new();
    let mut header = [0; HEADER];
    loop {
        match reader.read_exact(&mut header) {
            Ok(()) if header.starts_with(SIGNATURE) => {}
            // The end record follows, which is shorter than a header.
            Ok(()) => return Ok(names),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(names),
            Err(error) => return Err(error),
        }
        let length = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let mut name = vec![0; length(28).into()];
        reader.read_exact(&mut name)?;
        names.push(name);
        reader.seek_relative(i64::from(length(30)) + i64::from(length(32)))?;
    }
}

/// `None` for an entry that is the root of the archive itself (`./`).
fn check_entry<R: Read>(index: usize, raw: &ZipFile<'_, R>) -> Result<Option<Entry>, Problem> {
    const S_IFMT: u32 = 0o170_000;
    const S_IFREG: u32 = 0o100_000;
    const S_IFDIR: u32 = 0o040_000;
    const S_IFLNK: u32 = 0o120_000;

    let name = zip_names::name(raw);
    let path = clean_path(name).map_err(|fault| fault.of(name))?;
    let mode = raw.unix_mode().unwrap_or(0);
    match mode & S_IFMT {
        0 | S_IFREG | S_IFDIR => {}
        S_IFLNK => return Err(EntryFault::Link.of(name)),
        _ => return Err(EntryFault::Special.of(name)),
    }
    if raw.encrypted() {
        return Err(EntryFault::Encrypted.of(name));
    }
    match raw.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => {}
        other => return Err(EntryFault::Compression(other.to_string()).of(name)),
    }
    if path.is_empty() {
        if raw.is_dir() {
            return Ok(None);
        }
        return Err(EntryFault::Nameless.of(name));
    }
    Ok(Some(Entry {
        index,
        path,
        is_dir: raw.is_dir(),
        executable: mode & 0o111 != 0,
        size: raw.size(),
        modified: modified(raw),
    }))
}

/// The path of an entry with this name, below the root of the archive.
fn clean_path(name: &str) -> Result<String, EntryFault> {
    if name.is_empty() {
        return Err(EntryFault::Nameless);
    }
    if name.contains('\0') {
        return Err(EntryFault::Nul);
    }
    if name.contains('\\') {
        return Err(EntryFault::Backslash);
    }
    let drive = matches!(name.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
    if name.starts_with('/') || drive {
        return Err(EntryFault::Absolute);
    }
    let mut parts = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err(EntryFault::ClimbsOut),
            _ if part.len() > MAX_NAME => return Err(EntryFault::LongName),
            _ => parts.push(part),
        }
    }
    let path = parts.join("/");
    if path.len() > MAX_PATH {
        return Err(EntryFault::LongName);
    }
    Ok(path)
}

/// In the order of paths a file comes directly before any entry that is inside it.
fn check_paths_agree(entries: &[Entry]) -> Result<(), Problem> {
    for pair in entries.windows(2) {
        let (first, second) = (&pair[0], &pair[1]);
        if first.path == second.path {
            return match (first.is_dir, second.is_dir) {
                (true, true) => continue,
                (false, false) => Err(EntryFault::Twice.of(&second.path)),
                _ => Err(EntryFault::FileAndFolder.of(&first.path)),
            };
        }
        let inside = second.path.strip_prefix(&first.path);
        if !first.is_dir && inside.is_some_and(|rest| rest.starts_with('/')) {
            return Err(EntryFault::FileAndFolder.of(&first.path));
        }
    }
    Ok(())
}

fn check_total(packed: u64, entries: &[Entry]) -> Result<(), Problem> {
    let unpacked = entries
        .iter()
        .fold(0_u64, |total, entry| total.saturating_add(entry.size));
    if unpacked > MAX_UNPACKED {
        return Err(Problem::TooLarge {
            unpacked,
            limit: MAX_UNPACKED,
        });
    }
    if unpacked > HARMLESS && unpacked / packed.max(1) > MAX_RATIO {
        return Err(Problem::Bomb { packed, unpacked });
    }
    Ok(())
}

/// The exact time if the archive has it, else the MS-DOS time, which has no time zone
/// and is taken as UTC.
fn modified<R: Read>(raw: &ZipFile<'_, R>) -> Option<SystemTime> {
    let exact = raw.extra_data_fields().find_map(|field| match field {
        ExtraField::ExtendedTimestamp(stamp) => stamp.mod_time(),
        _ => None,
    });
    if let Some(seconds) = exact {
        return Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()));
    }
    let dos = raw.last_modified()?;
    let month = Month::try_from(dos.month()).ok()?;
    let date = Date::from_calendar_date(dos.year().into(), month, dos.day()).ok()?;
    let time = time::Time::from_hms(dos.hour(), dos.minute(), dos.second()).ok()?;
    Some(UtcDateTime::new(date, time).into())
}
