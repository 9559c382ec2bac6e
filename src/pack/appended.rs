//! The zip that follows the last byte of an executable (an ELF file).
//!
//! An ELF file's own tables say where it ends (ELF-64 Object File Format, version 1.5),
//! so nothing is searched for. What follows is checked with the end record of the zip
//! (APPNOTE 4.3.16): it must be one archive that fills the rest of the file, with
//! offsets that count from the start of the file.

use std::io::{self, Read, Seek, SeekFrom};

/// What is wrong with what follows an executable.
#[derive(Debug, thiserror::Error)]
pub enum AppendedFault {
    #[error("it cannot be read ({0}); check its permissions")]
    Unreadable(#[from] io::Error),
    #[error("what follows the program in it is no whole archive; copy it again, or pack it again")]
    NotWhole,
    #[error("what follows the program in it is not one archive alone; pack it again")]
    NotAlone,
    #[error("the program in it is cut short; copy it again")]
    Short,
}

/// Where the program ends in an executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProgramEnd {
    /// Bytes of the program itself.
    pub program: u64,
    /// Bytes of the file, with what follows the program.
    pub file: u64,
}

/// Finds the end of the program; `None` if the file is not an ELF file for 64 bits.
///
/// # Errors
/// The file is such a file but is not complete.
pub fn end_of_program(file: &mut (impl Read + Seek)) -> Result<Option<ProgramEnd>, AppendedFault> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(header) = read_at::<HEADER>(file, 0, length)? else {
        return Ok(None);
    };
    if !header.starts_with(MAGIC) {
        return Ok(None);
    }
    let short = |place: usize| u64::from(u16::from_le_bytes([header[place], header[place + 1]]));
    let (segments, sections) = (number(&header, 32), number(&header, 40));
    let (segment_size, segment_count) = (short(54), short(56));
    let (section_size, section_count) = (short(58), short(60));
    if segment_size != SEGMENT as u64 {
        return Err(AppendedFault::Short);
    }
    let mut end = table_end(sections, section_size, section_count)?;
    end = end.max(table_end(segments, segment_size, segment_count)?);
    for nth in 0..segment_count {
        let place = segments + nth * segment_size;
        let segment = read_at::<SEGMENT>(file, place, length)?.ok_or(AppendedFault::Short)?;
        let (start, size) = (number(&segment, 8), number(&segment, 32));
        end = end.max(start.checked_add(size).ok_or(AppendedFault::Short)?);
    }
    if end > length {
        return Err(AppendedFault::Short);
    }
    Ok(Some(ProgramEnd {
        program: end,
        file: length,
    }))
}

/// Whether a zip follows the program; false if nothing does.
///
/// # Errors
/// Something follows that is not exactly one whole zip.
pub fn is_followed_by_zip(
    file: &mut (impl Read + Seek),
    end: ProgramEnd,
) -> Result<bool, AppendedFault> {
    if end.program == end.file {
        return Ok(false);
    }
    let record = end.file.checked_sub(END_RECORD as u64);
    let place = record.filter(|place| *place >= end.program);
    let place = place.ok_or(AppendedFault::NotWhole)?;
    let record = read_at::<END_RECORD>(file, place, end.file)?.ok_or(AppendedFault::NotWhole)?;
    // Our zips have no comment, so the record is at the very end of the file.
    if !record.starts_with(b"PK\x05\x06") || record[20..] != [0, 0] {
        return Err(AppendedFault::NotWhole);
    }
    let (size, start) = (four_bytes(&record, 12), four_bytes(&record, 16));
    let is_large = size == u64::from(u32::MAX);
    let is_last = match is_large {
        false => start + size == place,
        true => {
            let directory_end = place.saturating_sub(LARGE_RECORDS);
            read_at(file, directory_end, end.file)? == Some(*b"PK\x06\x06")
        }
    };
    let entry = read_at::<ENTRY>(file, start, place)?.ok_or(AppendedFault::NotWhole)?;
    let is_first = entry.starts_with(b"PK\x01\x02") && four_bytes(&entry, 42) == end.program;
    if !is_last || !is_first {
        return Err(AppendedFault::NotAlone);
    }
    Ok(true)
}

/// Bytes of an ELF file's header.
const HEADER: usize = 64;
/// Bytes of an entry in its table of segments.
const SEGMENT: usize = 56;
/// Bytes of a zip's end record without a comment.
const END_RECORD: usize = 22;
/// Bytes of the two records that come before it in an archive of more than 65,535 files
/// (APPNOTE 4.3.14 and 4.3.15).
const LARGE_RECORDS: u64 = 56 + 20;
/// Bytes of the first part of an entry in a zip's directory.
const ENTRY: usize = 46;
/// ELF, 64 bits, little-endian.
const MAGIC: &[u8] = b"\x7fELF\x02\x01";

fn table_end(start: u64, size: u64, count: u64) -> Result<u64, AppendedFault> {
    start.checked_add(size * count).ok_or(AppendedFault::Short)
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|nth| bytes[at + nth]))
}

fn four_bytes(bytes: &[u8], at: usize) -> u64 {
    u32::from_le_bytes(std::array::from_fn(|nth| bytes[at + nth])).into()
}

/// Bytes of a file of this length, from an offset; `None` if the file ends before them.
fn read_at<const COUNT: usize>(
    file: &mut (impl Read + Seek),
    place: u64,
    length: u64,
) -> io::Result<Option<[u8; COUNT]>> {
    let end = place.checked_add(COUNT as u64);
    if end.is_none_or(|end| end > length) {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(place))?;
    let mut bytes = [0; COUNT];
    file.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// The smallest program: a header, and one segment of four bytes.
    fn program() -> Vec<u8> {
        let mut bytes = vec![0; HEADER + SEGMENT];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[32] = HEADER as u8;
        bytes[54] = SEGMENT as u8;
        bytes[56] = 1;
        bytes[HEADER + 8] = (HEADER + SEGMENT) as u8;
        bytes[HEADER + 32] = 4;
        bytes.extend(b"code");
        bytes
    }

    /// A zip with these files after these bytes.
    fn appended(before: &[u8], files: &[&str]) -> Vec<u8> {
        let mut out = Cursor::new(before.to_vec());
        out.set_position(before.len() as u64);
        let mut zip = ZipWriter::new(out);
        for file in files {
            zip.start_file(*file, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"text").unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn located(bytes: &[u8]) -> Result<Option<u64>, String> {
        let mut file = Cursor::new(bytes);
        let Some(end) = end_of_program(&mut file).map_err(|fault| fault.to_string())? else {
            return Ok(None);
        };
        let found = is_followed_by_zip(&mut file, end).map_err(|fault| fault.to_string())?;
        Ok(found.then_some(end.program))
    }

    #[test]
    fn one_whole_zip_is_found_and_nothing_else() {
        let program = program();
        let length = program.len() as u64;
        assert_eq!(located(&program), Ok(None));
        assert_eq!(located(b"#!/bin/sh\n"), Ok(None));
        let whole = appended(&program, &["a.py", "b.py"]);
        assert_eq!(located(&whole), Ok(Some(length)));
        for cut in program.len() + 1..whole.len() {
            assert!(located(&whole[..cut]).is_err(), "cut to {cut}");
        }
        for cut in HEADER..program.len() {
            let fault = located(&whole[..cut]).unwrap_err();
            assert!(fault.contains("cut short"), "{fault}");
        }
    }

    #[test]
    fn archives_that_are_not_alone_are_refused() {
        let program = program();
        let one = appended(&program, &["a.py"]);
        // A second zip after the first; a zip whose offsets count from its own start; a
        // zip with a gap before it.
        let second = appended(&one, &["b.py"]);
        let loose = [program.clone(), appended(b"", &["a.py"])].concat();
        let gap = appended(&[&program[..], b"gap"].concat(), &["a.py"]);
        for bytes in [second, loose, gap] {
            let fault = located(&bytes).unwrap_err();
            assert!(fault.contains("not one archive alone"), "{fault}");
        }
    }

    #[test]
    fn the_largest_archives_have_two_more_records() {
        let program = program();
        let names: Vec<String> = (0..65_536).map(|nth| nth.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let bytes = appended(&program, &names);
        assert_eq!(located(&bytes), Ok(Some(program.len() as u64)));
    }
}
