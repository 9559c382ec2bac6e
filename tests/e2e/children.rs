//! `sys.executable` is Python for the app, whatever arguments a child process gets.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::support::{Root, Start, Target, app, copy_program, folder, site, wait_until};

/// The package that every child imports.
const DEP: &str = "def double(number): return 2 * number\n\
                   if __name__ == '__main__': print(double(21))\n";

const BY_WORDS: &[&str] = &[
    "code: 0 42",
    "no code: 0 ",
    "wrong code: 1 ZeroDivisionError: division by zero",
    "module: 0 42",
    "option: 0 42",
    "input: 0 42",
    "dash: 0 42",
    "again: rgunicorn",
];

const BY_FILES: &[&str] = &[
    "script: 0 42",
    "folder: 0 42",
    "archive: 0 42",
    "shebang: 0 42",
];

const BY_POOLS: &[&str] = &[
    "pool by spawn: 0 42",
    "futures by spawn: 0 42",
    "pool by forkserver: 0 42",
    "futures by forkserver: 0 42",
    "pool by fork: 0 42",
    "futures by fork: 0 42",
];

/// Checks that the app's report has each of these lines. Returns the path that it has
/// for `sys.executable`.
#[track_caller]
fn check(report: &str, expected: &[&[&str]]) -> PathBuf {
    let lines: Vec<&str> = report.lines().collect();
    for line in expected.concat() {
        assert!(lines.contains(&line), "no '{line}' in:\n{report}");
    }
    let version = lines.iter().find_map(|it| it.strip_prefix("version: 0 "));
    assert!(
        version.is_some_and(|it| it.starts_with("Python 3.")),
        "{report}"
    );
    let path = lines[0].strip_prefix("executable: ");
    path.unwrap_or_else(|| panic!("{report}")).into()
}

#[track_caller]
fn check_all(target: &Target) -> PathBuf {
    let report = target.get("/").ok();
    let name = "name: 0 42";
    check(&report, &[BY_WORDS, BY_FILES, BY_POOLS, &[name]])
}

fn venv(dir: &Path) -> PathBuf {
    site::small_venv(dir, "dep.py", DEP)
}

fn zip(dir: &Path) -> PathBuf {
    let source = fs::read_to_string(app("children").join("app.py")).unwrap();
    site::small_zip(dir, &[("app.py", &source), ("site-packages/dep.py", DEP)])
}

#[test]
fn with_a_named_venv() {
    let dir = folder();
    let venv = venv(dir.path());
    let server = Start::server(["--chdir".as_ref(), app("children").as_os_str()])
        .args(["--venv", "env"])
        .cwd(dir.path())
        .spawn();
    assert_eq!(check_all(&server.target()), venv.join("bin/python"));
}

#[test]
fn with_a_venv_beside_the_app_in_threads() {
    let dir = folder();
    site::copy_app("children", dir.path());
    fs::rename(venv(dir.path()), dir.path().join(".venv")).unwrap();
    let server = Start::server(["-k", "gthread", "--threads", "2"])
        .cwd(dir.path())
        .spawn();
    let expected = dir.path().join(".venv/bin/python");
    assert_eq!(check_all(&server.target()), expected);
}

/// The environment was made by a Python that is not on this machine, as after a copy
/// into a container, or by another Python with another library.
#[test]
fn with_a_venv_whose_own_python_is_another_or_gone() {
    for is_gone in [true, false] {
        let dir = folder();
        let venv = venv(dir.path());
        let python = venv.join("bin/python");
        fs::remove_file(&python).unwrap();
        if is_gone {
            symlink("/nowhere/python3.13", python).unwrap();
        } else {
            copy_program(python);
        }
        let server = Start::server(["--venv".as_ref(), venv.as_os_str()])
            .cwd(app("children"))
            .spawn();
        let path = check_all(&server.target());
        assert_eq!(path, venv.join("bin/python-rgunicorn"));
    }
}

/// The link in the path leads to another folder in the next release.
#[test]
fn with_an_executable_that_a_link_leads_to() {
    let dir = folder();
    for release in ["1", "2"] {
        fs::create_dir(dir.path().join(release)).unwrap();
        copy_program(dir.path().join(release).join("rgunicorn"));
    }
    let current = dir.path().join("current");
    symlink("1", &current).unwrap();
    let file = current.join("rgunicorn");
    let server = Start::program(&file, ["--bind", "127.0.0.1:0", "--app-zip"])
        .args([zip(dir.path())])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    let target = server.target();
    let made = Start::program(&file, ["python", "-m", "venv", "--without-pip", "env"]);
    made.cwd(dir.path()).run().expect_success();
    symlink("2", dir.path().join("next")).unwrap();
    fs::rename(dir.path().join("next"), &current).unwrap();
    fs::remove_dir_all(dir.path().join("1")).unwrap();
    check(&target.get("/words").ok(), &[BY_WORDS]);
    let code = "import sys; print(sys.base_prefix)";
    let done = Start::program(dir.path().join("env/bin/python"), ["-c", code]);
    assert_eq!(
        done.run().expect_success().stdout,
        file.display().to_string()
    );
}

#[test]
fn with_a_zip() {
    let dir = folder();
    let server = Start::server(["--app-zip".as_ref(), zip(dir.path()).as_os_str()])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    let path = check_all(&server.target());
    assert!(
        path.starts_with(dir.path().join("rgunicorn/apps")),
        "{}",
        path.display()
    );
    // It is still the app's Python after the server has ended.
    drop(server);
    let done = Start::program(path, ["-m", "dep"]).run().expect_success();
    assert_eq!(done.stdout, "42");
}

#[test]
fn with_a_zip_and_a_preloaded_app() {
    let dir = folder();
    let server = Start::server(["--preload", "--app-zip"])
        .args([zip(dir.path())])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    check_all(&server.target());
}

#[test]
fn with_a_zip_and_an_asgi_app() {
    let dir = folder();
    let server = Start::server(["-k", "asgi", "app:asgi", "--app-zip"])
        .args([zip(dir.path())])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    check_all(&server.target());
}

#[test]
fn with_a_zip_and_a_venv() {
    let dir = folder();
    let source = fs::read_to_string(app("children").join("app.py")).unwrap();
    let zip = site::small_zip(dir.path(), &[("app.py", &source)]);
    let server = Start::server(["--venv".as_ref(), venv(dir.path()).as_os_str()])
        .args(["--app-zip".as_ref(), zip.as_os_str()])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    check_all(&server.target());
}

/// Only a folder, which a child takes as its current folder.
#[test]
fn with_a_folder_alone() {
    let dir = folder();
    site::copy_app("children", dir.path());
    fs::write(dir.path().join("dep.py"), DEP).unwrap();
    let server = Start::server([""; 0])
        .cwd(dir.path())
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    let report = server.target().get("/").ok();
    let path = check(&report, &[BY_WORDS, BY_POOLS]);
    assert!(
        path.starts_with(dir.path().join("rgunicorn/python")),
        "{report}"
    );
}

#[test]
fn with_the_executable_replaced_while_it_runs() {
    let dir = folder();
    let file = dir.path().join("rgunicorn");
    copy_program(&file);
    let server = Start::program(&file, ["--bind", "127.0.0.1:0", "--app-zip"])
        .args([zip(dir.path())])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    let target = server.target();
    copy_program(dir.path().join("new"));
    fs::rename(dir.path().join("new"), &file).unwrap();
    check_all(&target);
}

/// If nothing can be written, the path of the file itself is used, with a mark in it
/// that `os.path.normpath` would remove.
#[test]
fn with_a_zip_where_nothing_can_be_written() {
    let dir = folder();
    let Some(root) = Root::empty() else { return };
    let root = root.put(zip(dir.path()), "/site.zip").read_only();
    for more in [&[][..], &["--preload"]] {
        let server = root.server(["--app-zip", "/site.zip"]).args(more).spawn();
        let target = server.target();
        let path = check(&target.get("/words").ok(), &[BY_WORDS]);
        assert_eq!(path.as_os_str(), "/././rgunicorn");
        server.signal(Signal::SIGHUP);
        let workers = server.workers(2);
        wait_until("the new worker serves", || {
            target.get("/pid").ok() == workers[1].to_string()
        });
        check(&target.get("/words").ok(), &[BY_WORDS]);
    }
}

/// Workers of another user cannot see what the master makes in its cache folder.
#[test]
fn with_workers_of_another_user() {
    let dir = folder();
    let Some(root) = Root::empty() else { return };
    let venv = venv(dir.path());
    fs::remove_file(venv.join("bin/python")).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let root = root
        .with(&app("children"), "/app")
        .with(&venv, "/env")
        .with("/dev/null".as_ref(), "/dev/null")
        .with_tmp();
    // Root can write to the virtual environment; the worker can read what it wrote.
    for (more, place) in [
        (&[][..], "/tmp/rgunicorn-4711/python/"),
        (&["--preload"], "/env/bin/python-rgunicorn"),
    ] {
        let server = root
            .server(["--chdir", "/app", "--venv", "/env"])
            .args(["--user", "4711", "--group", "4711"])
            .args(more)
            .spawn();
        let path = check(&server.target().get("/words").ok(), &[BY_WORDS]);
        assert!(path.starts_with(place), "{}", path.display());
    }
}
