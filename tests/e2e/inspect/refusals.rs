//! Files that cannot be inspected: damaged, hostile, or no packs.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::{inspect, row};
use crate::support::{copy_program, folder, site};

/// A file that cannot be used gives one sentence, and nothing is written.
#[track_caller]
fn expect_refused(file: &Path, reason: &str) {
    let dir = folder();
    let options = ["--html", "page.html", "--sbom", "list.json", "--check"];
    let done = inspect(file, &options, dir.path());
    assert_eq!((done.code, &*done.stdout), (1, ""), "{}", done.stderr);
    let told = done.stderr.trim();
    assert!(
        told.starts_with("Error: ") && !told.contains('\n'),
        "{told}"
    );
    assert!(told.contains(reason), "{told}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_is_no_pack_is_told_in_a_sentence() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("text"), "text").unwrap();
    fs::write(path("empty"), "").unwrap();
    expect_refused(
        &path("none"),
        "it cannot be read (No such file or directory",
    );
    expect_refused(dir.path(), "it is not a file");
    expect_refused(&path("text"), "it is no zip, no executable of rgunicorn's");
    expect_refused(&path("empty"), "it is no zip, no executable of rgunicorn's");
    expect_refused(
        "/bin/cat".as_ref(),
        "it is an executable, but none of rgunicorn's",
    );

    let zip = site::small_zip(dir.path(), &[("app.py", "application = 1"), ("b.py", "")]);
    let bytes = fs::read(&zip).unwrap();
    fs::write(path("cut.zip"), &bytes[..bytes.len() - 10]).unwrap();
    expect_refused(&path("cut.zip"), "it is not a whole zip archive");
    let climbing = site::small_zip(&path_made(dir.path(), "climbing"), &[("../app.py", "")]);
    expect_refused(&climbing, "climbs out of the archive");
    let label = [("rgunicorn.json", "[1, 2"), ("app.py", "")];
    let label = site::small_zip(&path_made(dir.path(), "label"), &label);
    expect_refused(&label, "rgunicorn.json in it is no label of a pack");

    copy_program(path("program"));
    let program = fs::read(path("program")).unwrap();
    fs::write(path("short"), &program[..program.len() / 2]).unwrap();
    expect_refused(&path("short"), "cut short");
    let mut longer = program;
    longer.extend(b"PK\x05\x06 and more");
    fs::write(path("longer"), longer).unwrap();
    expect_refused(&path("longer"), "no whole archive");
}

fn path_made(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir(&path).unwrap();
    path
}

#[test]
fn hostile_images_are_told_in_a_sentence() {
    let dir = folder();
    let image = |name: &str, layer: &[u8], change: &dyn Fn(&mut Files)| {
        let file = dir.path().join(name);
        let mut files = layout(layer);
        change(&mut files);
        fs::write(&file, tar(&files)).unwrap();
        file
    };
    let files = |names: &[&str]| {
        let files: Vec<_> = names
            .iter()
            .map(|it| ((*it).to_owned(), b"x".to_vec()))
            .collect();
        tar(&files)
    };
    let fine = files(&["site/app.py", "rgunicorn", "etc/passwd"]);
    let whole = image("whole.tar", &fine, &|_| {});
    let report = inspect(&whole, &[], dir.path()).expect_success().stdout;
    assert!(
        report.contains("Its executable is another build than this one"),
        "{report}"
    );
    assert_eq!(row(&report, "(the app) ")[0], "1");

    let bytes = fs::read(&whole).unwrap();
    fs::write(dir.path().join("cut.tar"), &bytes[..bytes.len() / 2]).unwrap();
    expect_refused(&dir.path().join("cut.tar"), "it is not a whole tar archive");
    let no_image = image("none.tar", &fine, &|files| {
        files.retain(|it| it.0 != "index.json");
    });
    expect_refused(&no_image, "it is a tar, but no OCI image layout");
    let missing = image("missing.tar", &fine, &|files| {
        files.remove(0);
    });
    expect_refused(&missing, "is missing; make or copy it again");
    let changed = image("changed.tar", &fine, &|files| {
        let last = files[0].1.len() - 1;
        files[0].1[last] ^= 1;
    });
    expect_refused(&changed, "make or copy it again");
    let cut_layer = image("cut-layer.tar", &fine[..700], &|_| {});
    expect_refused(&cut_layer, "one of its layers cannot be read");
    let climbs = image("climbs.tar", &files(&["site/../../etc/passwd"]), &|_| {});
    expect_refused(&climbs, "climbs out");
    let link = image("link.tar", &link("site/app.py", "/etc/passwd"), &|_| {});
    expect_refused(&link, "is a link or a special file");
    for name in [
        "site/.wh.b.py",
        "site/a/.wh..wh..opq",
        ".wh.site",
        ".wh..wh..opq",
    ] {
        let removes = image("removes.tar", &files(&[name]), &|_| {});
        expect_refused(&removes, "its layer removes files of the site by");
    }
    let elsewhere = image(
        "elsewhere.tar",
        &files(&["etc/.wh.passwd", ".wh.sit"]),
        &|_| {},
    );
    inspect(&elsewhere, &[], dir.path()).expect_success();
    // 80 MiB of zeros, compressed to about 80 kB.
    let zeros = vec![0; 80 << 20];
    let bomb = tar(&[("site/zeros".to_owned(), zeros)]);
    expect_refused(
        &image("bomb.tar", &bomb, &|_| {}),
        "it unpacks to more than a site would",
    );
}

#[test]
fn long_headers_of_images_are_not_read() {
    let dir = folder();
    let file = dir.path().join("long.tar");
    for kind in [b'L', b'K', b'x'] {
        let long = |size| {
            let mut header = header("long", tar::EntryType::new(kind), size);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        // Most of the file is sparse: it takes no space on the disk, but would fill the
        // memory.
        fs::write(&file, long(8 << 30)).unwrap();
        let sparse = File::options().write(true).open(&file).unwrap();
        sparse.set_len(9 << 30).unwrap();
        expect_refused(&file, "it holds a header of more than 1 MiB");

        let mut layer = tar(&[("etc/large".to_owned(), vec![b'x'; 2 << 20])]);
        layer.truncate(layer.len() - 1024);
        layer.extend(long(2 << 20));
        layer.resize(layer.len() + (3 << 20), b'x');
        fs::write(&file, tar(&layout(&layer))).unwrap();
        expect_refused(&file, "it holds a header of more than 1 MiB");
    }
}

#[test]
fn long_texts_in_a_pack_are_refused() {
    let dir = folder();
    let name = "site-packages/a-1.dist-info/METADATA";
    let text = format!("Name: a\nVersion: {}\n", "1".repeat(100_000));
    let zip = site::small_zip(dir.path(), &[(name, &text)]);
    let report = inspect(&zip, &[], dir.path()).expect_success().stdout;
    assert!(
        report.contains(&format!("{}…", "1".repeat(100))),
        "{report}"
    );
    assert!(
        report.lines().all(|it| it.chars().count() < 300),
        "{report}"
    );

    let text = " ".repeat((16 << 20) + 1);
    let zip = site::small_zip(dir.path(), &[(name, &text)]);
    expect_refused(&zip, "has more than 16 MiB");
    let image = dir.path().join("image.tar");
    let layer = tar(&[(format!("site/{name}"), text.into_bytes())]);
    fs::write(&image, tar(&layout(&layer))).unwrap();
    expect_refused(&image, "has more than 16 MiB");
}

/// Names and contents of files.
type Files = Vec<(String, Vec<u8>)>;

/// The files of an image with one layer, which is the first file.
fn layout(layer: &[u8]) -> Files {
    let mut files = Vec::new();
    let mut blob = |kind: &str, bytes: Vec<u8>| {
        let hash = digest(&SHA256, &bytes);
        let hash: String = hash
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let descriptor = json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"),
            "digest": format!("sha256:{hash}"),
            "size": bytes.len(),
        });
        files.push((format!("blobs/sha256/{hash}"), bytes));
        descriptor
    };
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(layer).unwrap();
    let layer = blob("layer.v1.tar+gzip", gzip.finish().unwrap());
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": ["/rgunicorn"], "Env": ["RGUNICORN_APP_ZIP=/site"]},
        "rootfs": {"type": "layers", "diff_ids": []},
    });
    let config = blob("config.v1+json", config.to_string().into_bytes());
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let manifest = blob("manifest.v1+json", manifest.to_string().into_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    files.push(("index.json".to_owned(), index.to_string().into_bytes()));
    files
}

fn tar(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = header(name, tar::EntryType::Regular, bytes.len());
        header.set_cksum();
        tar.append(&header, Cursor::new(bytes)).unwrap();
    }
    tar.into_inner().unwrap()
}

fn link(name: &str, to: &str) -> Vec<u8> {
    let mut header = header(name, tar::EntryType::Symlink, 0);
    header.set_link_name(to).unwrap();
    header.set_cksum();
    let mut tar = tar::Builder::new(Vec::new());
    tar.append(&header, Cursor::new([])).unwrap();
    tar.into_inner().unwrap()
}

/// Also with a name that the library would refuse.
fn header(name: &str, kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size as u64);
    header
}
