//! Archives that are refused and leave nothing behind.

use std::fs::{self, File};
use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::raw::{Raw, write_raw};
use super::{Bench, unpack_into};
use crate::pack::check;

#[track_caller]
fn refused(entries: &[Raw], sentence: &str) {
    let bench = Bench::new();
    write_raw(&bench.zip(), entries);
    bench.refused(sentence);
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    refused(&[Raw::new("../evil.py")], "\"../evil.py\" climbs out");
    refused(&[Raw::new("a/../../evil.py")], "climbs out");
    refused(&[Raw::new("a/..")], "climbs out");
    refused(&[Raw::new("/etc/cron.d/evil")], "has an absolute path");
    refused(&[Raw::new("C:/evil.py")], "has an absolute path");
    refused(&[Raw::new("..\\evil.py")], "has a backslash");
    refused(&[Raw::new("a.py\0.txt")], "has a NUL byte");
    refused(&[Raw::new("")], "has no name");
    refused(&[Raw::new("n".repeat(256))], "too long");
    refused(&[Raw::new("d/".repeat(1500) + "f")], "too long");
}

/// An entry that differs from a good one.
fn changed(name: &str, change: impl FnOnce(&mut Raw)) -> Raw {
    let mut raw = Raw::new(name);
    change(&mut raw);
    raw
}

#[test]
fn links_and_special_files_are_refused() {
    let with_mode = |mode| [changed("odd", |it| it.mode = mode)];
    refused(&with_mode(0o120_777), "\"odd\" is a symbolic link");
    refused(&with_mode(0o010_644), "neither a file nor a folder");
    refused(&with_mode(0o020_644), "neither a file nor a folder");
}

#[test]
fn ambiguous_names_are_refused() {
    let pair = |a: &str, b: &str| [Raw::new(a), Raw::new("z.py"), Raw::new(b)];
    refused(&pair("a.py", "a.py"), "\"a.py\" is there twice");
    refused(&pair("a.py", "./a.py"), "\"a.py\" is there twice");
    refused(&pair("a", "a/b.py"), "\"a\" is a file and a folder at once");
    refused(&pair("a/b.py", "a"), "\"a\" is a file and a folder at once");
    let folder = changed("a/", |it| {
        it.data = Vec::new();
        it.mode = 0o040_755;
    });
    refused(
        &[folder, Raw::new("a")],
        "\"a\" is a file and a folder at once",
    );
    let bench = Bench::new();
    write_raw(&bench.zip(), &pair("a/b.py", "a!.py"));
    drop(bench.folder());
}

#[test]
fn unreadable_entries_are_refused() {
    let encrypted = changed("a.py", |it| it.flags = 1);
    refused(&[encrypted], "\"a.py\" is encrypted");
    let odd = changed("a.py", |it| it.method = 97);
    refused(&[odd], "\"a.py\" is compressed with");
    let corrupt = changed("b.py", |it| it.crc = Some(7));
    refused(
        &[Raw::new("a.py"), corrupt],
        "\"b.py\" is damaged (invalid checksum)",
    );
    let deflated = changed("a.py", |it| it.method = 8);
    refused(&[deflated], "\"a.py\" is damaged");
}

#[test]
fn wrong_sizes_are_refused() {
    let sized = |name: &str, size| changed(name, |it| it.size = Some(size));
    refused(&[sized("a.py", 3)], "another size than it declares");
    refused(&[sized("a.py", 7)], "another size than it declares");
    let huge = sized("a.py", u32::MAX);
    refused(std::slice::from_ref(&huge), "as only a zip bomb's would");
    let limit = check::MAX_UNPACKED.to_string();
    refused(&[huge, sized("b.py", u32::MAX)], &limit);
}

#[test]
fn bombs_are_refused() {
    let bench = Bench::new();
    let mut zip = ZipWriter::new(File::create(bench.zip()).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let zeros = vec![0; 1 << 20];
    zip.start_file("zeros", options).unwrap();
    for _ in 0..65 {
        zip.write_all(&zeros).unwrap();
    }
    zip.finish().unwrap();
    bench.refused("as only a zip bomb's would");

    let shared = changed("b.py", |it| it.offset = Some(0));
    refused(
        &[Raw::new("a.py"), shared],
        "shares its bytes with another entry",
    );
}

#[test]
fn other_files_are_refused() {
    let bench = Bench::new();
    let error = bench.unpack().unwrap_err();
    assert!(error.contains("cannot be read"), "{error}");
    fs::write(bench.zip(), b"").unwrap();
    bench.refused("not a whole zip archive");
    fs::write(bench.zip(), b"#!/bin/sh\n").unwrap();
    bench.refused("not a whole zip archive");
    let folder = unpack_into(bench.dir.path(), &[bench.place()], false, None).unwrap();
    assert_eq!(folder.root(), bench.dir.path().canonicalize().unwrap());
    fs::remove_file(bench.zip()).unwrap();
    nix::unistd::mkfifo(&bench.zip(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    bench.refused("not a file");
}

#[test]
fn a_file_cut_anywhere_is_refused_or_whole() {
    let bench = Bench::new();
    write_raw(&bench.zip(), &[Raw::new("a.py"), Raw::new("b.py")]);
    let whole = fs::read(bench.zip()).unwrap();
    for length in 0..whole.len() {
        fs::write(bench.zip(), &whole[..length]).unwrap();
        bench.refused("build or copy");
    }
}
