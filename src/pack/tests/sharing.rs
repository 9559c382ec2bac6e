//! What good archives unpack to, and which starts share it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Bench, Origin, Unpacked, UnpackedSite, unpack_into, write_zip};
use crate::pack::error::Problem;
use crate::pack::unpack::{check_unchanged, content_hash};

#[test]
fn a_site_comes_out_as_it_went_in() {
    let bench = Bench::new();
    let mut zip = ZipWriter::new(File::create(bench.zip()).unwrap());
    let plain = SimpleFileOptions::default();
    let noon = zip::DateTime::from_date_and_time(2024, 2, 29, 12, 0, 0).unwrap();
    let dated = plain.last_modified_time(noon).unix_permissions(0o755);
    zip.start_file("app.py", plain).unwrap();
    zip.write_all(b"hello").unwrap();
    zip.start_file("bin/tool", dated).unwrap();
    zip.add_directory("empty", plain).unwrap();
    zip.start_file("site-packages/dep/big.txt", plain).unwrap();
    zip.write_all(&b"line\n".repeat(100_000)).unwrap();
    zip.finish().unwrap();

    let unpacked = bench.unpack().unwrap();
    let root = unpacked.root();
    assert_eq!(unpacked.site_dirs(), [root.join("site-packages")]);
    assert_eq!(fs::read(root.join("app.py")).unwrap(), b"hello");
    assert!(root.join("empty").is_dir());
    let big = fs::read(root.join("site-packages/dep/big.txt")).unwrap();
    assert_eq!(big.len(), 500_000);
    let tool = fs::metadata(root.join("bin/tool")).unwrap();
    assert_eq!(tool.mtime(), 1_709_208_000);
    assert_ne!(tool.mode() & 0o100, 0);
    let app = fs::metadata(root.join("app.py")).unwrap();
    assert_eq!(app.mode() & 0o111, 0);
    for private in [
        bench.place(),
        root.parent().unwrap().to_path_buf(),
        root.to_path_buf(),
    ] {
        assert_eq!(
            fs::metadata(&private).unwrap().mode() & 0o777,
            0o700,
            "{private:?}"
        );
    }
}

#[test]
fn an_archive_without_dependencies_has_no_site_dir() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"")]);
    assert_eq!(bench.unpack().unwrap().site_dirs(), [] as [PathBuf; 0]);
}

#[test]
fn an_archive_may_have_something_before_it() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one"), ("more.py", b"")]);
    let prefixed = [
        b"#!/usr/bin/env python3\n",
        &*fs::read(bench.zip()).unwrap(),
    ]
    .concat();
    fs::write(bench.zip(), prefixed).unwrap();
    let app = bench.folder().path().join("app.py");
    assert_eq!(fs::read(app).unwrap(), b"one");
}

#[test]
fn a_second_start_reuses_the_folder() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    let first = bench.folder();
    let inode = |folder: &UnpackedSite| fs::metadata(folder.path()).unwrap().ino();
    // By content while the file is young ...
    let second = bench.folder();
    assert_eq!(inode(&first), inode(&second));
    // ... and by its stamp later.
    bench.settle();
    drop(bench.folder());
    assert_eq!(inode(&first), inode(&bench.folder()));
    // A touched file with the same content is still the same site.
    File::open(bench.zip())
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!(inode(&first), inode(&bench.folder()));
    assert_eq!(bench.left().len(), 1);
}

#[test]
fn only_new_content_counts_as_a_change_while_unpacking() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    let file = File::open(bench.zip()).unwrap();
    let before = Origin::of(&bench.zip(), &file).unwrap();
    let hash = content_hash(&file, 0).unwrap();
    let check = || check_unchanged(&bench.zip(), &file, 0, &before, &hash);
    check().unwrap();
    // The effects of `cp -l`, `chmod` and `touch` during a start.
    fs::hard_link(bench.zip(), bench.dir.path().join("link.zip")).unwrap();
    fs::set_permissions(bench.zip(), fs::Permissions::from_mode(0o600)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    check().unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(bench.zip())
        .unwrap()
        .write_all(b"more")
        .unwrap();
    assert!(matches!(check(), Err(Problem::Changing)));
}

#[test]
fn a_recognised_archive_is_not_read_again() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    bench.settle();
    drop(bench.folder());
    // The entry in the cache is renamed. A start that looked it up by content would not
    // find the folder with that hash, and would make it again.
    let entry = bench.left().pop().unwrap();
    let moved = bench.place().join("moved");
    fs::rename(entry, &moved).unwrap();
    assert!(bench.folder().path().starts_with(&moved));
    assert_eq!(bench.left(), [moved]);
}

#[test]
fn the_place_that_the_user_chose_is_used_even_if_another_has_it() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    bench.settle();
    drop(bench.folder());
    let chosen = bench.dir.path().join("chosen");
    let places = [chosen.clone(), bench.place()];
    let unpacked = unpack_into(&bench.zip(), &places, true, None).unwrap();
    assert!(unpacked.root().starts_with(&chosen));
}

#[test]
fn many_at_once_share_one_folder() {
    let bench = Bench::new();
    let text = b"0123456789".repeat(20_000);
    let names: Vec<String> = (0..50).map(|n| format!("pkg/m{n}.py")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &*text)).collect();
    write_zip(&bench.zip(), &files);
    let together = Barrier::new(8);
    let roots: Vec<u64> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    together.wait();
                    let folder = bench.folder();
                    let last = fs::read(folder.path().join("pkg/m49.py")).unwrap();
                    assert_eq!(last.len(), text.len());
                    fs::metadata(folder.path()).unwrap().ino()
                })
            })
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect()
    });
    assert!(roots.iter().all(|root| *root == roots[0]));
    assert_eq!(bench.left().len(), 1);
}

#[test]
fn old_versions_go_unless_they_are_in_use() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    let one = bench.folder();
    write_zip(&bench.zip(), &[("app.py", b"two")]);
    let two = bench.folder();
    assert_eq!(fs::read(one.path().join("app.py")).unwrap(), b"one");
    assert_eq!(bench.left().len(), 2);
    drop(one);
    write_zip(&bench.zip(), &[("app.py", b"three")]);
    drop(two);
    let three = bench.folder();
    assert_eq!(fs::read(three.path().join("app.py")).unwrap(), b"three");
    assert_eq!(bench.left().len(), 1);
}

#[test]
fn what_the_app_wrote_is_never_pruned() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("pkg/app.py", b"one")]);
    let one = bench.folder();
    let pycache = one.path().join("pkg/__pycache__");
    fs::create_dir(&pycache).unwrap();
    fs::write(pycache.join("app.pyc"), b"compiled").unwrap();
    let database = one.path().join("pkg/db.sqlite3");
    // One tick of the file system's clock after unpacking.
    std::thread::sleep(Duration::from_millis(20));
    fs::write(&database, b"customers").unwrap();
    drop(one);
    write_zip(&bench.zip(), &[("pkg/app.py", b"two")]);
    drop(bench.folder());
    assert_eq!(fs::read(&database).unwrap(), b"customers");
    fs::remove_file(&database).unwrap();
    write_zip(&bench.zip(), &[("pkg/app.py", b"three")]);
    drop(bench.folder());
    assert_eq!(bench.left().len(), 1, "compiled modules alone keep nothing");
}

#[test]
fn an_unfinished_folder_is_removed() {
    let bench = Bench::new();
    write_zip(&bench.zip(), &[("app.py", b"one")]);
    let unfinished = bench.place().join(".unpacking/site");
    fs::create_dir_all(&unfinished).unwrap();
    fs::set_permissions(bench.place(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(unfinished.join("app.py"), b"o").unwrap();
    let folder = bench.folder();
    assert_eq!(fs::read(folder.path().join("app.py")).unwrap(), b"one");
    assert_eq!(bench.left().len(), 1);
}

#[test]
fn where_nothing_is_writable_the_zip_itself_is_imported_from() {
    let bench = Bench::new();
    write_zip(
        &bench.zip(),
        &[("app.py", b""), ("site-packages/fast.so", b"")],
    );
    // Nobody, not even root, can make a folder below a file.
    let places = [bench.zip().join("cache"), PathBuf::from("/proc/none")];
    let unpacked = unpack_into(&bench.zip(), &places, false, None).unwrap();
    let zip = bench.zip().canonicalize().unwrap();
    assert_eq!(unpacked.root(), zip);
    assert_eq!(unpacked.site_dirs(), [zip.join("site-packages")]);
    let Unpacked::InMemory { reason, .. } = unpacked else {
        panic!("must be in memory")
    };
    assert!(reason.contains("/proc/none"), "{reason}");
    assert!(
        reason.contains("native modules (.so) are held in memory"),
        "{reason}"
    );
}
