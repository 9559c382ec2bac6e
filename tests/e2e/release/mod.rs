//! `scripts/release`: everything that it makes of the built executable works.

mod completions;
mod contents;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::docker::{self, Image};
use crate::support::{Root, Start, app, copy_program, folder};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder of a release of the program under test. It is made once.
fn release() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| make("release"))
}

/// Makes a release in a folder of this name, which is below `target/`.
fn make(name: &str) -> PathBuf {
    let dist = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dist);
    // Without symbols, as in a real release: there is much less to compress.
    let program_file = dist.join("stripped");
    fs::create_dir_all(&dist).unwrap();
    copy_program(&program_file);
    tool("strip", &["--strip-all", &text(&program_file)]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/release");
    Start::program(script, ["--from", &text(&program_file), "--to"])
        .args([&dist])
        .env("SOURCE_DATE_EPOCH", "1700000000")
        .run_slowly()
        .expect_success();
    fs::remove_file(program_file).unwrap();
    dist
}

/// The path of the only file of the release with this end.
#[track_caller]
fn artefact(end: &str) -> PathBuf {
    let files = fs::read_dir(release()).unwrap().flatten();
    let mut files = files
        .map(|it| it.path())
        .filter(|it| text(it).ends_with(end));
    let found = files.next().unwrap_or_else(|| panic!("no {end}"));
    assert_eq!(files.next(), None);
    found
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Runs a program, which must succeed, and returns its output.
#[track_caller]
fn tool(name: &str, args: &[&str]) -> String {
    Start::program(name, args)
        .run_slowly()
        .expect_success()
        .stdout
}

/// Whether the machine has a program; if not, the test must return.
fn is_there(name: &str) -> bool {
    let found = std::process::Command::new(name).arg("--version").output();
    let found = found.is_ok_and(|told| told.status.success());
    if !found {
        eprintln!("skipped: {name} is not installed");
    }
    found
}

/// Whether an executable says its version and answers a request.
#[track_caller]
fn serves(executable: &Path) {
    let told = Start::program(executable, ["--version"]).run();
    let told = told.expect_success().stdout;
    assert!(told.contains(&format!("(version {VERSION};")), "{told}");
    let server = Start::program(executable, ["--bind", "127.0.0.1:0", "app"])
        .env("GREETING", "released")
        .cwd(app("hello"))
        .spawn();
    let target = server.target();
    assert_eq!(target.get("/variable?GREETING").ok(), "released");
}

#[test]
fn the_checksums_are_those_of_all_files() {
    let told = Start::program("sha256sum", ["--check", "--strict", "SHA256SUMS"])
        .cwd(release())
        .run_slowly()
        .expect_success();
    let checked: Vec<&str> = told.stdout.lines().collect();
    let files = fs::read_dir(release()).unwrap().count();
    assert_eq!(checked.len(), files - 1, "{checked:?}");
    assert!(checked.contains(&"rgunicorn: OK"), "{checked:?}");
}

#[test]
fn the_same_executable_gives_the_same_bytes() {
    let again = make("release-again");
    let sums = |dist: &Path| fs::read_to_string(dist.join("SHA256SUMS")).unwrap();
    assert_eq!(sums(release()), sums(&again));
    fs::remove_dir_all(again).unwrap();
}

#[test]
fn a_wrong_line_names_the_options() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/release");
    for (args, expected) in [
        (&["--form", "x"][..], "no option named '--form'"),
        (&["--from"], "--from FILE"),
        (&["--from", "/none"], "there is no executable '/none'"),
    ] {
        let done = Start::program(&script, args).run();
        assert_eq!(done.code, 1);
        assert!(done.stderr.contains(expected), "{}", done.stderr);
    }
}

#[test]
fn the_tarball_is_unpacked_below_a_prefix() {
    let tarball = artefact("-linux-x86_64.tar.gz");
    let listed = tool("tar", &["--numeric-owner", "-tvzf", &text(&tarball)]);
    for line in listed.lines() {
        assert!(line.contains(" 0/0 "), "{line}");
        assert!(line.contains(" 2023-11-1"), "{line}");
    }
    let prefix = folder();
    let to = text(prefix.path());
    tool(
        "tar",
        &["-C", &to, "--strip-components=1", "-xzf", &text(&tarball)],
    );
    for file in [
        "bin/rgunicorn",
        "share/bash-completion/completions/rgunicorn",
        "share/doc/rgunicorn/LICENSE-APACHE",
        "share/doc/rgunicorn/README",
        "share/doc/rgunicorn/licences.txt",
        "share/doc/rgunicorn/rgunicorn.cdx.json",
        "share/fish/vendor_completions.d/rgunicorn.fish",
        "share/man/man1/rgunicorn.1",
        "share/zsh/site-functions/_rgunicorn",
    ] {
        assert!(prefix.path().join(file).is_file(), "{file}");
    }
    serves(&prefix.path().join("bin/rgunicorn"));
}

#[test]
fn the_wheel_is_installed_and_removed_by_another_pythons_pip() {
    if !is_there("python3") {
        return;
    }
    let dir = folder();
    let venv = dir.path().join("venv");
    tool("python3", &["-m", "venv", &text(&venv)]);
    let pip = |words: &[&str]| {
        let pip = venv.join("bin/python");
        let start = Start::program(pip, ["-m", "pip", "--disable-pip-version-check"]);
        start.args(words).run_slowly().expect_success()
    };
    let wheel = artefact(".whl");
    pip(&["install", "--no-index", &text(&wheel)]);
    let installed = venv.join("bin/rgunicorn");
    serves(&installed);
    assert!(venv.join("share/man/man1/rgunicorn.1").is_file());
    pip(&["check"]);
    let links = text(release());
    for platform in [
        "manylinux_2_17_x86_64",
        "manylinux2014_x86_64",
        "musllinux_1_1_x86_64",
    ] {
        let to = dir.path().join(platform);
        let find = [
            "download",
            "--no-index",
            "--only-binary=:all:",
            "--platform",
        ];
        let named = ["--find-links", &links, "rgunicorn", "--dest", &text(&to)];
        pip(&[&find[..], &[platform], &named].concat());
        assert_eq!(fs::read_dir(to).unwrap().count(), 1);
    }
    pip(&["uninstall", "--yes", "rgunicorn"]);
    assert!(!installed.exists());
}

#[test]
fn the_debian_package_needs_nothing_and_runs_in_an_empty_root() {
    if !is_there("dpkg-deb") {
        return;
    }
    let package = text(&artefact(".deb"));
    let fields = tool("dpkg-deb", &["--field", &package]);
    assert!(
        fields.contains(&format!("\nVersion: {VERSION}\n")),
        "{fields}"
    );
    assert!(!fields.contains("Depends:"), "{fields}");
    let Some(root) = Root::empty() else { return };
    tool("dpkg-deb", &["--extract", &package, &text(&root.path("/"))]);
    for file in [
        "usr/lib/systemd/system/rgunicorn@.service",
        "usr/share/bash-completion/completions/rgunicorn",
        "usr/share/doc/rgunicorn/changelog.gz",
        "usr/share/doc/rgunicorn/copyright",
        "usr/share/man/man1/rgunicorn.1.gz",
        "usr/share/zsh/vendor-completions/_rgunicorn",
    ] {
        assert!(root.path(file).is_file(), "{file}");
    }
    let told = root.start_by("/usr/bin/rgunicorn", ["--version"]).run();
    let told = told.expect_success().stdout;
    assert!(told.contains(VERSION), "{told}");
}

#[test]
fn dpkg_installs_and_removes_the_debian_package() {
    if !is_there("dpkg") || !nix::unistd::geteuid().is_root() {
        return;
    }
    let dir = folder();
    let database = dir.path().join("var/lib/dpkg");
    fs::create_dir_all(database.join("info")).unwrap();
    fs::create_dir_all(database.join("updates")).unwrap();
    fs::write(database.join("status"), "").unwrap();
    let root = format!("--root={}", dir.path().display());
    // Its log is in the root, too.
    let log = format!("--log={}", dir.path().join("log").display());
    let package = text(&artefact(".deb"));
    tool(
        "dpkg",
        &[&root, &log, "--force-architecture", "--install", &package],
    );
    let installed = dir.path().join("usr/bin/rgunicorn");
    serves(&installed);
    tool("dpkg", &[&root, &log, "--remove", "rgunicorn"]);
    assert!(!installed.exists());
}

/// What lintian finds is about programs that are built by Debian's rules.
#[test]
fn lintian_finds_no_other_fault() {
    if !is_there("lintian") {
        return;
    }
    const KNOWN: [&str; 3] = [
        // It brings its own libraries, on purpose.
        "embedded-library",
        "undeclared-elf-prerequisites",
        // There is no bug of Debian's about it.
        "initial-upload-closes-no-bugs",
    ];
    let package = text(&artefact(".deb"));
    let found = Start::program("lintian", ["--allow-root", "--fail-on=none", &package])
        .run_slowly()
        .expect_success();
    let others = found.stdout.lines();
    let others = others.filter(|line| line.starts_with(['E', 'W']));
    let others: Vec<_> = others
        .filter(|line| !KNOWN.iter().any(|it| line.contains(it)))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn the_image_serves_a_site_that_is_mounted() {
    if !docker::is_there() {
        return;
    }
    let named = folder();
    let tar = named.path().join("image.tar");
    let name = format!("{}:1", docker::name("alone"));
    let pack = ["pack", "--no-site", "--tag", &name, "--image"];
    Start::new(pack).args([&tar]).run().expect_success();
    let image = Image::load(&tar);
    let site = format!("{}:/site:ro", app("hello").display());
    let options = ["-v", &site, "-e", "PORT=0", "-e", "GREETING=mounted"];
    let container = image.start(&options, &["app"]);
    let target = container.server.target();
    assert_eq!(target.get("/variable?GREETING").ok(), "mounted");
}

#[test]
fn the_image_of_the_release_has_the_program_and_its_list() {
    let image = text(&artefact("-image.tar"));
    let report = Start::new(["inspect", &image]).run_slowly();
    let report = report.expect_success().stdout;
    assert!(report.contains("is a container image of"), "{report}");
    let list = tool("tar", &["-xOf", &image, "manifest.json"]);
    assert!(
        list.contains(&format!("\"RepoTags\":[\"rgunicorn:{VERSION}\"]")),
        "{list}"
    );
    let done = Start::new(["pack", "--no-site"]).run();
    assert_eq!(done.code, 2, "{}", done.stderr);
    assert!(done.stderr.contains("--image"), "{}", done.stderr);
}
