//! Unpacked sites that have lost some of their files.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Bench, write_zip};

const FILES: &[(&str, &[u8])] = &[
    ("app.py", b"one"),
    ("data/state.json", b"{\"visits\": 1000}"),
    ("data/words.txt", b"a b c d e f g"),
    ("site-packages/dep/__init__.py", b""),
    ("site-packages/dep/more.py", b"x = 1"),
];

/// A bench with an unpacked site. If `settled`, its zip is recognised by its stamp
/// alone.
fn bench(settled: bool) -> (Bench, PathBuf) {
    let bench = Bench::new();
    write_zip(&bench.zip(), FILES);
    if settled {
        bench.settle();
    }
    let site = bench.folder().path().to_owned();
    (bench, site)
}

#[track_caller]
fn assert_whole(site: &Path) {
    for (name, data) in FILES {
        let there = fs::read(site.join(name));
        assert_eq!(
            there.unwrap_or_else(|error| panic!("{name}: {error}")),
            *data
        );
    }
}

/// The next start puts everything back, and says so.
#[track_caller]
fn assert_mended(bench: &Bench, site: &Path, sentence: &str) {
    let folder = bench.folder();
    assert_eq!(folder.path(), site);
    assert_whole(site);
    let notes = folder.notes();
    assert!(notes.len() == 1 && notes[0].contains(sentence), "{notes:?}");
    assert_eq!(bench.left().len(), 1, "{:?}", bench.left());
    drop(folder);
    // It is not reported again.
    assert_eq!(bench.folder().notes(), [] as [String; 0]);
}

#[test]
fn a_deleted_file_is_put_back() {
    for settled in [false, true] {
        let (bench, site) = bench(settled);
        fs::remove_file(site.join("data/words.txt")).unwrap();
        assert_mended(&bench, &site, "data/words.txt");
        fs::remove_dir_all(site.join("site-packages")).unwrap();
        assert_mended(&bench, &site, "site-packages/dep/__init__.py and 1 more");
        fs::remove_dir_all(&site).unwrap();
        assert_mended(&bench, &site, "app.py and 4 more");
    }
}

#[test]
fn a_cut_file_is_put_back() {
    for settled in [false, true] {
        let (bench, site) = bench(settled);
        for length in [0, 4] {
            let file = File::options()
                .write(true)
                .open(site.join("data/words.txt"));
            file.unwrap().set_len(length).unwrap();
            assert_mended(&bench, &site, "data/words.txt");
        }
    }
}

#[test]
fn what_is_beside_the_site_may_be_missing_too() {
    let (bench, site) = bench(true);
    let entry = site.parent().unwrap();
    for lost in [
        &["files"][..],
        &["origin"],
        &["files", "origin", "unpacked"],
    ] {
        for name in lost {
            fs::remove_file(entry.join(name)).unwrap();
        }
        let folder = bench.folder();
        assert_eq!((folder.path(), folder.notes().len()), (&*site, 0));
        assert_whole(&site);
    }
    // A program that cleans caches has removed every file and left the folders.
    for file in ["files", "origin"].map(|name| entry.join(name)) {
        fs::remove_file(file).unwrap();
    }
    for (name, _) in FILES {
        fs::remove_file(site.join(name)).unwrap();
    }
    assert_mended(&bench, &site, "app.py and 4 more");
}

#[test]
fn whoever_uses_the_folder_is_not_disturbed() {
    let (bench, site) = bench(true);
    let running = bench.folder();
    let inode = |name: &str| fs::metadata(site.join(name)).unwrap().ino();
    let (app, words) = (inode("app.py"), inode("data/words.txt"));
    let cut = File::options()
        .read(true)
        .write(true)
        .open(site.join("data/words.txt"))
        .unwrap();
    cut.set_len(3).unwrap();
    fs::remove_file(site.join("site-packages/dep/more.py")).unwrap();
    assert_mended(&bench, &site, "data/words.txt and 1 more");
    // Whole files were not touched, and an open file keeps its content.
    assert_eq!(inode("app.py"), app);
    assert_ne!(inode("data/words.txt"), words);
    let mut open = String::new();
    (&cut).read_to_string(&mut open).unwrap();
    assert_eq!(open, "a b");
    drop(running);
}

#[test]
fn what_the_app_has_written_stays() {
    let (bench, site) = bench(true);
    // One tick of the file system's clock after unpacking.
    std::thread::sleep(Duration::from_millis(20));
    let written: [(&str, &[u8]); 3] = [
        ("data/state.json", b"{\"visits\": 0}"),
        ("data/words.txt", b"a b c d e f g h i j"),
        ("data/new.txt", b"new"),
    ];
    for (name, data) in written {
        fs::write(site.join(name), data).unwrap();
    }
    let assert_kept = || {
        for (name, data) in written {
            assert_eq!(fs::read(site.join(name)).unwrap(), data, "{name}");
        }
    };
    assert_eq!(bench.folder().notes(), [] as [String; 0]);
    assert_kept();
    fs::remove_file(site.join("app.py")).unwrap();
    let notes = bench.folder().notes().to_vec();
    assert!(
        notes.len() == 1 && notes[0].ends_with(": app.py"),
        "{notes:?}"
    );
    assert_kept();
    // The next version does not replace it.
    write_zip(&bench.zip(), &[("app.py", b"two")]);
    drop(bench.folder());
    assert_kept();
}

#[test]
fn what_was_put_back_does_not_count_as_the_apps() {
    let (bench, site) = bench(true);
    // One tick of the file system's clock after unpacking.
    std::thread::sleep(Duration::from_millis(20));
    fs::remove_file(site.join("app.py")).unwrap();
    drop(bench.folder());
    write_zip(&bench.zip(), &[("app.py", b"two")]);
    let folder = bench.folder();
    assert_eq!(folder.notes(), [] as [String; 0]);
    assert_eq!(bench.left().len(), 1);
}
