//! Zips: where they are unpacked, what is left of them, and what happens if they cannot
//! be unpacked.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::{Finished, Start, Target, folder, program, site};

#[test]
fn the_demo_shows_that_it_runs_from_a_zip() {
    let zip = site::zip("demo");
    let dir = folder();
    let server = Start::server(["--app-zip"])
        .args([&zip])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    let target = server.target();
    let page = target.get("/").ok();
    assert!(page.contains("<h1>It runs.</h1>"), "{page}");
    let unpacked = dir.path().join("rgunicorn/apps");
    assert!(page.contains(unpacked.to_str().unwrap()), "{page}");
    let style = target.get("/static/style.css");
    assert_eq!(
        style.header("Content-Type"),
        Some("text/css; charset=utf-8")
    );
}

#[test]
fn restarts_share_what_was_unpacked_once() {
    let dir = folder();
    let zip = site::small_zip(dir.path(), &[("app.py", HELLO)]);
    let cache = dir.path().join("cache");
    let serve = || {
        let mut server = Start::server(["app", "--workers", "2", "--app-zip"])
            .args([&zip])
            .args(["--app-cache-dir".as_ref(), cache.as_os_str()])
            .spawn();
        let file = server.target().get("/").ok();
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        file
    };
    let first = serve();
    assert!(Path::new(&first).starts_with(&cache), "{first}");
    assert_eq!(serve(), first);
    // A new version replaces the old one.
    site::small_zip(
        dir.path(),
        &[("app.py", &HELLO.replace("__file__", "'new'"))],
    );
    assert_eq!(serve(), "new");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
}

/// Shows a file beside the module.
const WORDS: &str = r#"
import os

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    with open("data/words.txt") as words:
        return [words.read().encode(), b" ", __file__.encode()]
"#;

#[test]
fn a_site_that_has_lost_files_is_mended_beside_a_running_server() {
    let dir = folder();
    let files = [
        ("app.py", WORDS),
        ("data/words.txt", "to be or not to be"),
        ("site-packages/dep.py", "x = 1"),
    ];
    let zip = site::small_zip(dir.path(), &files);
    let cache = dir.path().join("cache");
    let start = || {
        Start::server(["app", "--workers", "2", "--app-zip"])
            .args([&zip])
            .args(["--app-cache-dir".as_ref(), cache.as_os_str()])
            .spawn()
    };
    let mut first = start();
    let page = first.target().get("/").ok();
    let root = Path::new(page.strip_prefix("to be or not to be ").unwrap());
    let root = root.parent().unwrap();
    assert!(root.starts_with(&cache), "{page}");
    fs::remove_file(root.join("data/words.txt")).unwrap();
    fs::write(root.join("app.py"), &WORDS[..20]).unwrap();
    fs::remove_dir_all(root.join("site-packages")).unwrap();

    let mut second = start();
    assert_eq!(second.target().get("/").ok(), page);
    let told = second.stderr.wait_for("Put back what was missing or cut");
    assert!(told.contains("] [WARNING] "), "{told}");
    assert!(told.ends_with(": app.py and 2 more"), "{told}");
    for (name, text) in files {
        assert_eq!(fs::read_to_string(root.join(name)).unwrap(), text, "{name}");
    }
    // Running servers continue, with the new files.
    let (target, workers) = (first.target(), first.workers(2));
    assert_eq!(target.get("/").ok(), page);
    first.signal(Signal::SIGHUP);
    assert_ne!(first.workers(4)[2..], workers);
    assert_eq!(target.get("/").ok(), page);
    for server in [&mut first, &mut second] {
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
    }
    assert!(!first.stderr.whole().contains("Put back"));
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
}

#[test]
fn a_cache_below_a_folder_that_others_may_write_is_not_used() {
    let dir = folder();
    let zip = site::small_zip(dir.path(), &[("app.py", HELLO)]);
    let open = dir.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let ours = dir.path().join("ours");
    let server = Start::server(["app", "--app-zip"])
        .args([&zip])
        .args(["--app-cache-dir".as_ref(), open.join("cache").as_os_str()])
        .env("XDG_CACHE_HOME", &ours)
        .spawn();
    let file = server.target().get("/").ok();
    assert!(Path::new(&file).starts_with(&ours), "{file}");
    let told = server.stderr.wait_for("Cannot unpack into");
    let why = format!("'{}' can be written by others", open.display());
    assert!(told.contains(&why), "{told}");
    assert_eq!(fs::read_dir(&open).unwrap().count(), 0);
}

/// Runs a command that cannot write to any of the usual places, even as root: they are
/// below a device, or on mounts that are read-only for this command.
pub(crate) fn read_only<S: AsRef<OsStr>>(command: impl IntoIterator<Item = S>) -> Start {
    const SCRIPT: &str = r#"
        set -e
        mount -t tmpfs -o ro none /dev/shm
        for dir in /var/tmp /tmp; do
            mount --bind "$dir" "$dir"
            mount -o remount,bind,ro "$dir"
        done
        exec "$@"
    "#;
    let user = if geteuid().is_root() {
        &[][..]
    } else {
        &["-r"]
    };
    Start::program("unshare", user)
        .args(["-m", "sh", "-c", SCRIPT, "sh"])
        .args(command)
        .env("HOME", "/dev/null")
        .env("XDG_CACHE_HOME", "/dev/null/cache")
}

/// Reports where it was imported from.
const HELLO: &str = r#"
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [__file__.encode()]
"#;

#[test]
fn a_site_that_cannot_be_unpacked_is_served_from_memory() {
    let zip = site::zip("demo");
    if read_only(["true"]).run().code != 0 {
        eprintln!("skipped: this user may not mount anything");
        return;
    }
    let mut server = read_only([program()])
        .args(["--bind", "127.0.0.1:0", "--workers", "2", "--app-zip"])
        .args([&zip])
        .spawn();
    let target = server.target();
    let page = target.get("/").ok();
    assert!(page.contains("<h1>It runs.</h1>"), "{page}");
    let inside = format!("{}/demo/page.py", zip.canonicalize().unwrap().display());
    assert!(page.contains(&inside), "{page}");
    assert_eq!(target.get("/static/style.css").status, 200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert_eq!(log.matches("in memory").count(), 1, "{log}");
}

/// Imports a module with a name that is not ASCII, and reads a file beside it.
const UMLAUTS: &str = r#"
import importlib.resources, pkgutil
import maße

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    text = pkgutil.get_data("maße", "größe.txt")
    assert text == importlib.resources.files("maße").joinpath("größe.txt").read_bytes()
    return [text, " ".join(["", maße.__file__, maße.VALUE]).encode()]
"#;

#[test]
fn names_in_a_zip_made_on_unix_are_utf_8_without_a_flag() {
    let dir = folder();
    let files = [
        ("app.py", UMLAUTS),
        ("maße/__init__.py", "VALUE = 'one'"),
        ("maße/größe.txt", "Größe"),
        ("a:b.txt", ""),
    ];
    let zip = site::unflagged_zip(dir.path(), &files);
    let server = Start::server(["app", "--app-zip"]).args([&zip]).spawn();
    let page = server.target().get("/").ok();
    assert!(page.starts_with("Größe /"), "{page}");
    assert!(page.ends_with("/maße/__init__.py one"), "{page}");

    if read_only(["true"]).run().code != 0 {
        eprintln!("skipped: this user may not mount anything");
        return;
    }
    let server = read_only([program()])
        .args(["app", "--bind", "127.0.0.1:0", "--app-zip"])
        .args([&zip])
        .spawn();
    let page = server.target().get("/").ok();
    let inside = format!("{}/maße/__init__.py", zip.canonicalize().unwrap().display());
    assert_eq!(page, format!("Größe {inside} one"));
}

/// Starts itself again with the same arguments, from one of the app's folders.
const AGAIN: &str = r#"
import os, subprocess

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    words = environ["QUERY_STRING"].split("+")
    code = "import app, os; print(app.__file__, os.environ.get('RGUNICORN_APP_CACHE_DIR'))"
    said = subprocess.run(
        [os.environ["PROGRAM"], *words, "python", "-c", code],
        cwd=environ["PATH_INFO"].strip("/") or None, capture_output=True, text=True,
    )
    return [__file__.encode(), b"\n", (said.stdout or said.stderr).encode()]
"#;

#[test]
fn a_child_may_name_the_zip_as_the_server_did() {
    let dir = folder();
    let files = [("app.py", AGAIN), ("sub/deeper/file", "")];
    let run = dir.path().join("run");
    fs::create_dir_all(run.join("build")).unwrap();
    site::small_zip(dir.path(), &files);
    site::small_zip(&run, &files);
    site::small_zip(&run.join("build"), &files);
    for given in ["site.zip", "./site.zip", "build/site.zip", "../site.zip"] {
        let server = Start::server(["app", "--app-zip", given])
            .cwd(&run)
            .env("PROGRAM", program())
            .spawn();
        let target = server.target();
        for place in ["/", "/sub", "/sub/deeper"] {
            let said = target.get(&format!("{place}?--app-zip+{given}")).ok();
            let (ours, childs) = said.split_once('\n').unwrap();
            assert_eq!(childs, format!("{ours} None\n"), "{given} in {place}");
        }
        let said = target.get("/?--app-zip+other/site.zip").ok();
        assert!(said.contains("other/site.zip: it cannot be read"), "{said}");
    }
}

#[test]
fn a_child_knows_the_zip_and_the_cache_by_their_variables() {
    let dir = folder();
    site::small_zip(dir.path(), &[("app.py", AGAIN)]);
    let server = Start::server(["app"])
        .cwd(dir.path())
        .env("PROGRAM", program())
        .env("RGUNICORN_APP_ZIP", "site.zip")
        .env("RGUNICORN_APP_CACHE_DIR", "cache")
        .spawn();
    let said = server.target().get("/?--no-sendfile").ok();
    let cache = dir.path().join("cache");
    let (ours, childs) = said.split_once('\n').unwrap();
    assert!(Path::new(ours).starts_with(&cache), "{ours}");
    assert_eq!(childs, format!("{ours} {}\n", cache.display()));
}

#[test]
fn hostile_and_broken_zips_leave_nothing_behind() {
    let dir = folder();
    let zip = dir.path().join("site.zip");
    let refused = |sentence: &str| {
        let cache = dir.path().join("cache");
        let Finished { code, stderr, .. } = Start::server(["app", "--app-zip"])
            .args([&zip])
            .args(["--app-cache-dir".as_ref(), cache.as_os_str()])
            .run();
        assert_eq!(code, 1, "{stderr}");
        assert!(stderr.contains(sentence), "{stderr}");
        assert!(stderr.contains(zip.to_str().unwrap()), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let left = fs::read_dir(cache).into_iter().flatten().count();
        assert_eq!(left, 0, "left in the cache");
    };
    refused("cannot be read");
    fs::write(&zip, "this is not a zip").unwrap();
    refused("not a whole zip archive");
    site::small_zip(dir.path(), &[("app.py", HELLO), ("../evil.py", "")]);
    refused("climbs out of the archive");
    assert!(!dir.path().join("evil.py").exists());
    site::small_zip(dir.path(), &[("app.py", HELLO)]);
    let whole = fs::read(&zip).unwrap();
    fs::write(&zip, &whole[..whole.len() / 2]).unwrap();
    refused("not a whole zip archive");
}

#[test]
fn starts_at_the_same_time_share_one_folder() {
    let dir = folder();
    let zip = site::small_zip(dir.path(), &[("app.py", HELLO)]);
    let cache = dir.path().join("cache");
    let servers: Vec<_> = (0..4)
        .map(|_| {
            Start::server(["app", "--app-zip"])
                .args([&zip])
                .args(["--app-cache-dir".as_ref(), cache.as_os_str()])
                .spawn()
        })
        .collect();
    let targets: Vec<Target> = servers.iter().map(|server| server.target()).collect();
    let files: Vec<_> = targets.iter().map(|target| target.get("/").ok()).collect();
    assert!(files.iter().all(|file| *file == files[0]), "{files:?}");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
}
