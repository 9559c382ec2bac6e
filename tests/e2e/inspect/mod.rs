//! `rgunicorn inspect`: what is inside a pack of each form.

mod check;
mod refusals;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Finished, Start, folder, packages, python_script, site};

const APP: &str = "import one
def application(environ, start_response):
    start_response('200 OK', [])
    return [one.VERSION.encode()]
";

/// A project that depends on the package `one`, which depends on `two`. It is packed in
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

    /// Packs it; `outputs` are options and the names of the files that they write.
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

/// The words of the row that begins with this.
#[track_caller]
fn row<'a>(report: &'a str, start: &str) -> Vec<&'a str> {
    let line = report.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no {start} in:\n{report}"));
    line[start.len()..].split_whitespace().collect()
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
        // The label, the requirements, pyproject.toml, the app and its compiled form;
        // in an image also the list of what is inside.
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
    // Without a file name, the executable shows itself.
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

/// The libraries that the program carries are used as native code of packages.
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
