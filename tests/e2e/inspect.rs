//! `rgunicorn inspect`: what is inside a pack of each form.

use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{Finished, Start, app, copy_program, folder, packages, python_script, site};

const APP: &str = "import one
def application(environ, start_response):
    start_response('200 OK', [])
    return [one.VERSION.encode()]
";

/// A project that depends on the package `one`, which depends on `two`, packed in
/// all forms.
struct Packs {
    dir: TempDir,
}

impl Packs {
    fn new(app: &str) -> Self {
        let packs = Self { dir: folder() };
        let index = packs.path("index");
        let licence = "License-Expression: MIT OR Zlib";
        packages::wheel(&index, "one", "1.0", &["Requires-Dist: two", licence]);
        packages::wheel(&index, "two", "2.0", &["License: BSD"]);
        let project = packs.path("project");
        fs::create_dir_all(&project).unwrap();
        fs::write(project.join("app.py"), app).unwrap();
        fs::write(project.join("requirements.txt"), "one\n").unwrap();
        fs::write(
            project.join("pyproject.toml"),
            "[project]\nname = 'shop'\nversion = '1.2'\n",
        )
        .unwrap();
        packs
    }

    /// The names of the options and of the files that they make.
    fn pack(&self, outputs: &[(&str, &str)]) {
        let mut start = Start::new([
            "pack",
            "--set",
            "workers=2",
            "--no-index",
            "-r",
            "requirements.txt",
            "--find-links",
        ])
        .args([self.path("index")]);
        for (option, name) in outputs {
            start = start.args([option.as_ref(), self.path(name).as_os_str()]);
        }
        let start = start.env("XDG_CACHE_HOME", self.path("cache"));
        start
            .cwd(self.path("project"))
            .run_slowly()
            .expect_success();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn inspect(&self, name: &str, options: &[&str]) -> Finished {
        inspect(&self.path(name), options, self.dir.path())
    }
}

fn inspect(file: &Path, options: &[&str], cwd: &Path) -> Finished {
    Start::new(["inspect"])
        .args([file])
        .args(options)
        .cwd(cwd)
        .env("TMPDIR", cwd)
        .run_slowly()
}

/// The words of the row of sizes that begins with this.
#[track_caller]
fn row<'a>(report: &'a str, start: &str) -> Vec<&'a str> {
    let line = report.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no {start} in:\n{report}"));
    line[start.len()..].split_whitespace().collect()
}

/// What a file that cannot be used is answered with: one sentence. Nothing is
/// written then.
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
fn each_form_shows_the_same_packages() {
    let packs = Packs::new(APP);
    packs.pack(&[("-o", "shop.zip")]);
    packs.pack(&[("-o", "shop"), ("--image", "shop.tar")]);
    for (name, form) in [
        ("shop.zip", "a zip"),
        ("shop", "an executable with a site"),
        ("shop.tar", "a container image"),
    ] {
        let report = packs.inspect(name, &["--check"]).expect_success().stdout;
        let first = format!("{} is {form} of ", packs.path(name).display());
        assert!(report.starts_with(&first), "{report}");
        let (first, _) = report.split_once('\n').unwrap();
        assert!(first.ends_with(": shop 1.2"), "{first}");
        assert!(
            report.contains("\nMade by rgunicorn 0.1.0, for Python 3.13."),
            "{report}"
        );
        assert!(
            report.contains("\nPacked settings: workers=2\n"),
            "{report}"
        );
        let one = row(&report, "one ");
        assert_eq!(
            (one[0], &one[one.len() - 3..]),
            ("1.0", &["MIT", "OR", "Zlib"][..])
        );
        assert_eq!(row(&report, "two ").last(), Some(&"BSD"));
        // The label, the requirements, the project's file, the app and its compiled
        // form; and in an image the list of what is inside.
        let count = if name == "shop.tar" { "6" } else { "5" };
        assert_eq!(row(&report, "(the app) ")[0], count, "{report}");
        assert_eq!(report.contains("(the executable) "), name != "shop.zip");
        assert!(!report.contains("another build"), "{report}");
        assert!(report.contains("\nThe app loads.\n"), "{report}");
        assert!(
            report.contains("2 of 2 modules of packages can be imported."),
            "{report}"
        );
    }
    // The executable is its own file, if none is named.
    let own = Start::program(packs.path("shop"), ["inspect"])
        .run()
        .expect_success();
    assert_eq!(own.stdout, packs.inspect("shop", &[]).stdout);
    let left = fs::read_dir(packs.dir.path()).unwrap().flatten();
    let left = left.filter(|it| it.file_name().as_encoded_bytes().starts_with(b".tmp"));
    assert_eq!(left.count(), 0);
}

#[test]
fn the_bare_executable_is_shown_and_has_no_app() {
    let done = Start::new(["inspect"]).run().expect_success();
    assert!(
        done.stdout.contains("is an executable without a site of "),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("rgunicorn 0.1.0 with Python 3.13."),
        "{}",
        done.stdout
    );
    let done = Start::new(["inspect", "--check"]).run();
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("There is no app to check"),
        "{}",
        done.stderr
    );
}

#[test]
fn the_list_is_valid_and_the_same_each_time() {
    let packs = Packs::new(APP);
    packs.pack(&[("-o", "shop.zip")]);
    packs.pack(&[("-o", "shop")]);
    for name in ["shop.zip", "shop"] {
        let list = packs
            .inspect(name, &["--sbom", "-"])
            .expect_success()
            .stdout;
        let done = packs
            .inspect(name, &["--sbom", "list.json"])
            .expect_success();
        assert!(done.stderr.contains("Wrote the list"), "{}", done.stderr);
        let file = packs.path("list.json");
        assert_eq!(fs::read_to_string(&file).unwrap().trim(), list);
        let valid = Start::program(site::venv("cyclonedx").join("bin/python"), [""; 0])
            .args([python_script("valid_sbom.py"), file])
            .run_slowly()
            .expect_success();
        assert_eq!(valid.stdout, "valid");
        let list: Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list["metadata"]["component"]["name"], "shop");
        assert!(list["metadata"].get("timestamp").is_none());
        let components = list["components"].as_array().unwrap();
        let purls = components.iter().map(|it| it["purl"].as_str().unwrap());
        let purls: Vec<&str> = purls.collect();
        assert_eq!(&purls[..2], ["pkg:pypi/one@1.0", "pkg:pypi/two@2.0"]);
        let has_python = purls
            .iter()
            .any(|it| it.starts_with("pkg:generic/cpython@3.13."));
        assert_eq!(has_python, name == "shop");
        let needs = list["dependencies"].as_array().unwrap();
        let one = json!({"ref": "pkg:pypi/one@1.0", "dependsOn": ["pkg:pypi/two@2.0"]});
        assert!(needs.contains(&one), "{needs:?}");
    }
    let dated = Start::new(["inspect", "--sbom", "-"])
        .args([packs.path("shop.zip")])
        .env("SOURCE_DATE_EPOCH", "86400")
        .run()
        .expect_success();
    let dated: Value = serde_json::from_str(&dated.stdout).unwrap();
    assert_eq!(dated["metadata"]["timestamp"], "1970-01-02T00:00:00Z");
}

#[test]
fn the_page_has_the_numbers_and_runs_nothing() {
    let dir = folder();
    let files = [
        ("app.py", "application = 1"),
        ("<img src=x onerror=alert(1)>.py", ""),
        (
            "site-packages/a-1.dist-info/METADATA",
            "Name: <script>alert(1)</script>\nVersion: 1\n",
        ),
    ];
    let zip = site::small_zip(dir.path(), &files);
    let page = dir.path().join("page.html");
    fs::write(&page, "an older one").unwrap();
    let done = inspect(&zip, &["--html", "page.html"], dir.path()).expect_success();
    assert!(
        done.stderr.contains("Wrote the page to page.html"),
        "{}",
        done.stderr
    );
    let page = fs::read_to_string(page).unwrap();
    for tag in ["<script", "<img", "style=", "javascript:"] {
        assert!(!page.contains(tag), "{tag} in {page}");
    }
    assert!(
        page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{page}"
    );
    assert!(
        page.contains("default-src 'none'; style-src 'sha256-"),
        "{page}"
    );
    assert!(
        page.contains("<svg ") && page.contains("<caption"),
        "{page}"
    );
    let missing = inspect(&zip, &["--html", "/proc/none/page.html"], dir.path());
    assert_eq!(missing.code, 1, "{}", missing.stderr);
    assert!(
        missing
            .stderr
            .contains("'/proc/none/page.html' cannot be written"),
        "{}",
        missing.stderr
    );
}

/// The libraries that the program carries serve as native code of packages.
#[test]
fn native_code_that_will_not_load_is_named_with_its_mend() {
    let dir = folder();
    let libraries = dir.path().join("libraries");
    Start::new(["--extract-libraries"])
        .args([&libraries])
        .run()
        .expect_success();
    let whole = fs::read(libraries.join("libstdc++.so.6")).unwrap();
    let mut other_machine = whole.clone();
    other_machine[18..20].copy_from_slice(&[183, 0]);
    let zip = dir.path().join("site.zip");
    let mut writer = zip::ZipWriter::new(File::create(&zip).unwrap());
    let metadata = b"Name: Native\nVersion: 1\n".to_vec();
    let record = b"native/fine.so,,\nnative/library.so,,\nnative/arm.so,,\n".to_vec();
    for (name, bytes) in [
        ("native-1.dist-info/METADATA", metadata),
        ("native-1.dist-info/RECORD", record),
        ("native/fine.so", whole.clone()),
        (
            "native/library.so",
            replaced(&whole, b"libm.so.6\0", b"libpq.so.\0"),
        ),
        ("native/arm.so", other_machine),
        (
            "native/version.so",
            replaced(&whole, b"GLIBC_2.34\0", b"GLIBC_2.99\0"),
        ),
        ("native/no.so", b"text".to_vec()),
        ("native/old.cpython-312-x86_64-linux-gnu.so", whole.clone()),
    ] {
        writer
            .start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap();
    let report = inspect(&zip, &[], dir.path()).expect_success().stdout;
    let (_, notes) = report.split_once("\nWill not load:\n").expect(&report);
    for expected in [
        "Native 1: native/arm.so is for aarch64; install the package for manylinux on x86_64.",
        "Native 1: native/library.so needs libpq.so. of the host; install psycopg[binary] instead",
        "Native 1: native/version.so needs GLIBC_2.99 of libc.so.6, which is newer",
        "Native 1: native/no.so cannot be loaded (no ELF file)",
        "Native 1: native/old.cpython-312-x86_64-linux-gnu.so is for Python 3.12;",
    ] {
        assert!(notes.contains(expected), "no {expected} in:\n{notes}");
    }
    assert!(!notes.contains("fine.so"), "{notes}");
    assert_eq!(notes.lines().count(), 5, "{notes}");
}

#[track_caller]
fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes
        .windows(from.len())
        .position(|window| window == from)
        .expect("it is there");
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn an_app_that_does_not_load_is_shown_with_its_traceback() {
    let dir = folder();
    let text = "import os\nassert 'SECRET' in os.environ, 'no secret'\napplication = print";
    let zip = site::small_zip(dir.path(), &[("app.py", text)]);
    let check = || {
        Start::new(["inspect", "--check"])
            .args([&zip])
            .env("TMPDIR", dir.path())
    };
    let done = check().env("SECRET", "x").run();
    assert_eq!(done.code, 1, "{}", done.stdout);
    assert!(
        done.stderr.contains("app.py\", line 2, in <module>"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr.contains("AssertionError: no secret"),
        "{}",
        done.stderr
    );
    assert!(
        done.stderr
            .contains("Error: The app does not load (exit code 1;"),
        "{}",
        done.stderr
    );
    let given = check()
        .env("GUNICORN_CMD_ARGS", "--env SECRET=x")
        .run()
        .expect_success();
    assert!(given.stdout.contains("The app loads."), "{}", given.stdout);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_is_checked_is_apart_from_everything() {
    let dir = folder();
    let text = "
import os, socket, sys
def application(environ, start_response): pass
print('home', os.environ['HOME'], 'user', os.environ.get('USER'), file=sys.stderr)
print('network', [name for _, name in socket.if_nameindex()], file=sys.stderr)
open('written', 'w').close()
";
    let zip = site::small_zip(dir.path(), &[("app.py", text)]);
    let done = Start::new(["inspect", "--check"])
        .args([&zip])
        .env("TMPDIR", dir.path())
        .env("USER", "somebody")
        .cwd(dir.path())
        .run()
        .expect_success();
    let home = format!("home {}/", dir.path().display());
    assert!(done.stderr.contains(&home), "{}", done.stderr);
    assert!(done.stderr.contains("/home user None\n"), "{}", done.stderr);
    if done
        .stderr
        .contains("Note: what is checked has the network")
    {
        println!("skipped: the network, as no namespace can be made here");
    } else {
        assert!(done.stderr.contains("network ['lo']"), "{}", done.stderr);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn packages_that_cannot_be_imported_are_named_and_are_no_error() {
    let dir = folder();
    let metadata = "Name: Bad\nVersion: 1\n";
    let record =
        "aborts.py,,\nfine.py,,\nleaves.py,,\nraises.py,,\nprints.py,,\nquits/__init__.py,,\n";
    let files = [
        ("app.py", "def application(environ, start_response): pass"),
        ("site-packages/bad-1.dist-info/METADATA", metadata),
        ("site-packages/bad-1.dist-info/RECORD", record),
        ("site-packages/aborts.py", "import os\nos.abort()"),
        ("site-packages/fine.py", ""),
        ("site-packages/leaves.py", "import sys\nsys.exit(3)"),
        ("site-packages/raises.py", "import no_such_module"),
        ("site-packages/prints.py", "print('\"forged\"', flush=True)"),
        ("site-packages/quits/__init__.py", "import os\nos._exit(5)"),
    ];
    let zip = site::small_zip(dir.path(), &files);
    let report = inspect(&zip, &["--check"], dir.path())
        .expect_success()
        .stdout;
    for (module, trouble) in [
        ("aborts", "it ends the process (SIGABRT)"),
        ("leaves", "SystemExit: 3"),
        (
            "raises",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("quits", "it ends the process (exit code 5)"),
    ] {
        let warning = format!("Warning: Bad 1: {module} cannot be imported: {trouble}\n");
        assert!(report.contains(&warning), "{report}");
    }
    assert!(
        report.ends_with("2 of 6 modules of packages can be imported."),
        "{report}"
    );
}

#[test]
fn names_in_a_pack_cannot_deceive_a_terminal() {
    let dir = folder();
    let files = [(
        "a-1.dist-info/METADATA",
        "Name: \u{1b}[2Jforged\u{202e}\nVersion: 1\u{7}\nLicense: \u{9b}1m\n",
    )];
    let zip = site::small_zip(dir.path(), &files);
    let report = inspect(&zip, &[], dir.path()).expect_success().stdout;
    assert!(report.contains("\\u{1b}[2Jforged\\u{202e}"), "{report}");
    let control = |it: char| it.is_control() && it != '\n' || it == '\u{202e}';
    assert!(!report.contains(control), "{report}");
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
        files.retain(|it| it.0 != "index.json")
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
    // 80 MiB of nothing take some 80 kB.
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
        // Most of the file takes no place on the disk, and would take the memory.
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

#[test]
fn what_is_inspected_is_not_replaced() {
    let dir = folder();
    let zip = site::small_zip(dir.path(), &[("app.py", "")]);
    let name = zip.file_name().unwrap().to_str().unwrap();
    let bytes = fs::read(&zip).unwrap();
    std::os::unix::fs::symlink(name, dir.path().join("link")).unwrap();
    let there = format!("./{name}");
    for (options, reason) in [
        (&["--sbom", name][..], "which is inspected"),
        (&["--html", &there], "which is inspected"),
        (&["--html", "link"], "which is inspected"),
        (&["--html", "new", "--sbom", "./new"], "both write to 'new'"),
        (&["--html", "-", "--sbom", "-"], "both write to '-'"),
    ] {
        let done = inspect(&zip, options, dir.path());
        assert_eq!((done.code, &*done.stdout), (1, ""), "{}", done.stderr);
        assert!(done.stderr.contains(reason), "{}", done.stderr);
        assert_eq!(done.stderr.trim().lines().count(), 1, "{}", done.stderr);
    }
    assert_eq!(fs::read(&zip).unwrap(), bytes);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
}

/// Files by their names.
type Files = Vec<(String, Vec<u8>)>;

/// The files of an image with one layer, which comes first.
fn layout(layer: &[u8]) -> Files {
    let mut files = Vec::new();
    let mut blob = |kind: &str, bytes: Vec<u8>| {
        let hash = Sha256::digest(&bytes);
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
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

/// With a name that the library would refuse, if need be.
fn header(name: &str, kind: tar::EntryType, size: usize) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size as u64);
    header
}

#[test]
fn the_sites_of_the_tests_are_whole() {
    let dir = folder();
    let report = inspect(&site::zip("django_site"), &["--check"], dir.path());
    let report = report.expect_success().stdout;
    assert!(report.contains("Made by hand"), "{report}");
    assert_eq!(row(&report, "Django ").last(), Some(&"BSD-3-Clause"));
    assert!(report.contains("The app loads."), "{report}");
    assert!(!report.contains("Warning"), "{report}");
    assert!(app("django_site").join("manage.py").is_file());
}
