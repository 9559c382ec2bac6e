//! The files inside the executable: the standard library and other carried
//! files, in one packed blob that is read in place.
//!
//! Its format; all numbers are little-endian `u32`: the lengths of two
//! dictionaries, for the bytes and for the code; a count; for each file, in the
//! order of the paths, eight numbers (place and length of the path; place,
//! length and unpacked length of the bytes; the same three of the marshalled
//! code, which only Python files have); the dictionaries; then the data. A part
//! whose two lengths differ is a zstd frame made with its dictionary.
//! `scripts/build-steps/blob.rs` writes it.

use std::borrow::Cow;
use std::io;
use std::sync::{LazyLock, Mutex};

use zstd::bulk::Decompressor;
use zstd::dict::DecoderDictionary;

static BLOB: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bundle.blob"));

const RECORD: usize = 8;

/// Bytes before the first record.
const HEADER: usize = 3 * 4;

static OF_DATA: Unpacker = Unpacker::new(|| dictionary(0));
static OF_CODE: Unpacker = Unpacker::new(|| dictionary(1));

/// A file in the bundle.
#[derive(Clone, Copy)]
pub struct File([u32; RECORD]);

impl File {
    /// The file at `path`, as in `lib/python3.13/json/__init__.py`.
    pub fn find(path: &str) -> Option<File> {
        let at = first_at_or_after(path);
        (at < count())
            .then(|| File::nth(at))
            .filter(|file| file.path() == path)
    }

    /// Its path.
    pub fn path(self) -> &'static str {
        let [place, length, ..] = self.0;
        let path = &BLOB[place as usize..][..length as usize];
        std::str::from_utf8(path).expect("the build wrote the paths from strings")
    }

    /// Its size in bytes.
    pub fn size(self) -> usize {
        let [_, _, _, _, size, ..] = self.0;
        size as usize
    }

    /// Its bytes: the source of a Python file.
    pub fn data(self) -> Cow<'static, [u8]> {
        let [_, _, place, length, size, ..] = self.0;
        unpack(&OF_DATA, place, length, size)
    }

    /// Its marshalled code; empty when it is not a Python file.
    pub fn code(self) -> Cow<'static, [u8]> {
        let [.., place, length, size] = self.0;
        unpack(&OF_CODE, place, length, size)
    }

    fn nth(index: usize) -> File {
        let start = HEADER + index * RECORD * 4;
        File(std::array::from_fn(|place| number(start + place * 4)))
    }
}

/// The sorted names in a folder; none if there is no such folder.
pub fn names(folder: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for file in below(folder) {
        let path = &file.path()[folder.len() + 1..];
        let name = path.split('/').next().unwrap_or_default();
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names
}

/// All files in a folder and its subfolders, in the order of their paths.
pub fn below(folder: &str) -> impl Iterator<Item = File> {
    let prefix = format!("{folder}/");
    (first_at_or_after(&prefix)..count())
        .map(File::nth)
        .take_while(move |file| file.path().starts_with(&prefix))
}

/// True if there is a folder with this path.
pub fn is_folder(path: &str) -> bool {
    below(path).next().is_some()
}

fn count() -> usize {
    number(HEADER - 4) as usize
}

fn number(at: usize) -> u32 {
    let bytes = BLOB[at..].first_chunk().expect("the blob is whole");
    u32::from_le_bytes(*bytes)
}

/// The dictionary of the bytes (0) or of the code (1).
fn dictionary(which: usize) -> DecoderDictionary<'static> {
    let length = |which: usize| number(which * 4) as usize;
    let start = HEADER + count() * RECORD * 4 + (0..which).map(length).sum::<usize>();
    DecoderDictionary::new(&BLOB[start..][..length(which)])
}

/// The position of `path` among the sorted paths, or where it would be.
fn first_at_or_after(path: &str) -> usize {
    let (mut low, mut high) = (0, count());
    while low < high {
        let middle = low + (high - low) / 2;
        if File::nth(middle).path() < path {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

fn unpack(unpacker: &'static Unpacker, place: u32, length: u32, size: u32) -> Cow<'static, [u8]> {
    let packed = &BLOB[place as usize..][..length as usize];
    if length == size {
        return Cow::Borrowed(packed);
    }
    let bytes = unpacker.unpack(packed, size as usize);
    Cow::Owned(bytes.expect("the build wrote whole zstd frames"))
}

/// Unpacks the parts of one kind.
struct Unpacker {
    dictionary: LazyLock<DecoderDictionary<'static>>,
    /// Kept for the next part: to make it costs as much as to unpack a small
    /// part.
    kept: Mutex<Option<Decompressor<'static>>>,
}

impl Unpacker {
    const fn new(dictionary: fn() -> DecoderDictionary<'static>) -> Self {
        Self {
            dictionary: LazyLock::new(dictionary),
            kept: Mutex::new(None),
        }
    }

    fn unpack(&'static self, packed: &[u8], size: usize) -> io::Result<Vec<u8>> {
        let new = || Decompressor::with_prepared_dictionary(&self.dictionary);
        // Never waits for the lock: after a fork it may stay locked for ever.
        let Ok(mut kept) = self.kept.try_lock() else {
            return new()?.decompress(packed, size);
        };
        let decompressor = match kept.take() {
            Some(decompressor) => decompressor,
            None => new()?,
        };
        kept.insert(decompressor).decompress(packed, size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stdlib(path: &str) -> String {
        format!("lib/python{}/{path}", env!("RGUNICORN_PYTHON_MINOR"))
    }

    #[test]
    fn a_file_has_its_source_and_its_code() {
        let file = File::find(&stdlib("json/__init__.py")).expect("json");
        assert!(file.data().windows(9).any(|part| part == b"def dumps"));
        assert!(!file.code().is_empty());
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert!(File::find("lib").is_none());
        assert!(File::find("zzz").is_none());
        assert!(!is_folder(&stdlib("os.py")));
        assert!(names("nowhere").is_empty());
    }

    #[test]
    fn a_folder_lists_each_name_once() {
        let names = names(&stdlib("json"));
        assert!(names.contains(&"decoder.py") && names.contains(&"__init__.py"));
        assert!(names.is_sorted());
        assert!(is_folder(&stdlib("json")));
    }

    #[test]
    fn every_file_unpacks() {
        for index in 0..count() {
            let file = File::nth(index);
            let code = file.code();
            assert_eq!(
                code.is_empty(),
                !file.path().ends_with(".py") || file.path().contains("tzdata")
            );
            file.data();
        }
    }
}
