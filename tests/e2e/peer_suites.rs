//! Test suites of other projects, from their source packages, run against this server.

use std::path::{Path, PathBuf};

use crate::support::certificates::Authority;
use crate::support::{Start, folder, program, site};

fn peers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

#[test]
fn waitress() {
    let hash = "682aaaf2af0c44ada4abfb70ded36393f0e307f4ab9456a215ce0020baefc31f";
    let source = site::source("waitress", "3.0.2", hash);
    let run = site::python([peers().join("waitress.py").to_str().unwrap()])
        .args([source, program()])
        .args(["--workers", "4"])
        .run()
        .expect_success();
    assert_eq!(run.stdout, "39 tests of waitress ran", "{}", run.stderr);
}

#[test]
fn starlette() {
    let hash = "b8399098d4c1e3522734f7235dc79b1fc967f96cf139c81e0fa30479e0685f9b";
    let source = site::source("starlette", "1.10.0", hash);
    // One test requests a file with a very long name.
    let args = ["starlette_app:app", "--limit-request-line", "8190"];
    run_within(&source, &args, "445 tests ran");
}

#[test]
fn asgiref() {
    let hash = "034cc8cbf72d00553b4be256703ac545120b4e50af13b49dec99da899aeeecb4";
    let source = site::source("asgiref", "3.13.0", hash);
    // One test sends a field 200 times.
    let args = ["asgiref_app:app", "--limit-request-fields", "250"];
    run_within(&source, &args, "7 tests ran");
}

#[test]
fn gunicorn_over_http_2() {
    let hash = "b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e";
    let source = site::source("gunicorn", "27.0.1", hash);
    let dir = folder();
    let pair = Authority::new(dir.path()).issue("site", &["127.0.0.1", "localhost"]);
    let venv = site::venv_with(&peers().join("gunicorn_http2.txt"));
    let script = peers().join("gunicorn_http2.py");
    let run = Start::program(venv.join("bin/python"), [script])
        .args([source, program()])
        .args([pair.certificate, pair.key])
        .cwd(dir.path())
        .run_slowly()
        .expect_success();
    let end = "101 tests of Gunicorn's HTTP/2 passed";
    assert_eq!(run.stdout.lines().last(), Some(end), "{}", run.stdout);
}

/// Runs tests in the worker that serves their apps (see `served.py`).
#[track_caller]
fn run_within(source: &Path, args: &[&str], end: &str) {
    let server = Start::server(["--worker-class", "asgi", "--pythonpath"])
        .args([format!("{},{}", peers().display(), source.display())])
        .args([
            "--venv".into(),
            site::venv_with(&peers().join("requirements.txt")),
        ])
        .args(args)
        .env("SOURCE", source)
        .cwd(source)
        .spawn();
    let report = server.target().get("/").ok();
    assert_eq!(report.lines().last(), Some(end), "{report}");
}
