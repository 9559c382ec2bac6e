//! The names of files, in all encodings that archives use.

use std::fs;

use super::Bench;
use super::raw::{Raw, crc32, write_raw};

/// The paths of the files that this entry unpacks to.
fn unpacked(entry: Raw) -> Vec<String> {
    let bench = Bench::new();
    write_raw(&bench.zip(), &[entry]);
    let site = bench.folder();
    let names = fs::read_dir(site.path()).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn without_flag(name: impl Into<Vec<u8>>, system: u8) -> Raw {
    Raw {
        flags: 0,
        system,
        ..Raw::new(name)
    }
}

#[test]
fn utf_8_from_unix_needs_no_flag() {
    const UNIX: u8 = 3;
    const DARWIN: u8 = 19;
    for system in [UNIX, DARWIN] {
        assert_eq!(unpacked(without_flag("größe.txt", system)), ["größe.txt"]);
        // Bytes that are not UTF-8 are in the old code page.
        assert_eq!(unpacked(without_flag(*b"caf\x82", system)), ["café"]);
    }
}

#[test]
fn names_from_elsewhere_are_in_the_old_code_page() {
    const DOS: u8 = 0;
    assert_eq!(unpacked(without_flag(*b"caf\x82", DOS)), ["café"]);
    assert_eq!(unpacked(without_flag("ä", DOS)), ["├ñ"]);
    assert_eq!(
        unpacked(Raw {
            system: DOS,
            ..Raw::new("ä")
        }),
        ["ä"]
    );
}

#[test]
fn the_unicode_path_of_info_zip_counts() {
    let name = b"gr__e.txt";
    let path = "größe.txt";
    // APPNOTE 4.6.9: version 1, and the checksum of the name that it replaces.
    let length = (5 + path.len()) as u16;
    let mut extra = [0x7075_u16, length].map(u16::to_le_bytes).concat();
    extra.push(1);
    extra.extend(crc32(name).to_le_bytes());
    extra.extend(path.as_bytes());
    for system in [0, 3] {
        let entry = Raw {
            extra: extra.clone(),
            ..without_flag(*name, system)
        };
        assert_eq!(unpacked(entry), [path]);
    }
}

#[test]
fn a_colon_makes_no_absolute_path() {
    for name in ["a:b.txt", "a:", "x:y:z"] {
        assert_eq!(unpacked(Raw::new(name)), [name]);
    }
}

#[test]
fn two_encodings_of_one_name_are_the_same_name() {
    let bench = Bench::new();
    let two = [without_flag("ä.py", 3), Raw::new("ä.py/b")];
    write_raw(&bench.zip(), &two);
    bench.refused("\"ä.py\" is a file and a folder at once");
}
