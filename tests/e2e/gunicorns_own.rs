//! The included `gunicorn` and the package from PyPI: which one is imported where, and
//! that names and behaviour are the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Process, Start, folder, program, python_script, site};

const APP: &str = "def app(environ, start_response):\n\
                   \x20   start_response('200 OK', [])\n\
                   \x20   return [b'hello']\n";

#[track_caller]
fn answer(server: &Process) -> String {
    server.target().get("/").ok()
}

/// Gunicorn's package from PyPI, in a virtual environment of the program.
fn gunicorns_own() -> PathBuf {
    let key = [
        b"gunicorn==27.0.1".to_vec(),
        program().into_os_string().into_encoded_bytes(),
    ];
    site::once("gunicorn", &key, |dir| {
        site::python(["-m", "venv"])
            .args([dir])
            .run()
            .expect_success();
        site::pip(dir, "install")
            .args(["gunicorn==27.0.1"])
            .run_slowly()
            .expect_success();
    })
}

fn in_venv(venv: &Path, command: &str, words: &str) -> Start {
    Start::program(venv.join("bin").join(command), words.split_whitespace())
}

#[test]
fn an_installed_gunicorn_is_the_one_that_python_imports() {
    let venv = gunicorns_own();
    let code = "import gunicorn, importlib.metadata as it\n\
                print(gunicorn.__file__.startswith(__import__('sys').prefix), it.version('gunicorn'))";
    let said = Start::program(venv.join("bin/python"), ["-c", code]).run();
    assert_eq!(said.expect_success().stdout.trim(), "True 27.0.1");
    // Without it, our package is imported, and nothing counts as installed.
    let said = site::python(["-c", "import gunicorn; print(gunicorn.__version__)"]).run();
    assert_eq!(said.expect_success().stdout.trim(), "27.0.1");
    let said = site::python(["-c", code]).run();
    assert!(
        said.stderr.contains("PackageNotFoundError"),
        "{}",
        said.stderr
    );
}

#[test]
fn an_installed_gunicorn_is_the_one_that_python_runs() {
    let venv = gunicorns_own();
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    for (command, words) in [
        ("python", "-m gunicorn -b 127.0.0.1:0 app:app"),
        ("gunicorn", "-b 127.0.0.1:0 app:app"),
    ] {
        let server = in_venv(&venv, command, words).cwd(dir.path()).spawn();
        server.stderr.wait_for("Starting gunicorn 27.0.1");
        assert_eq!(answer(&server), "hello");
    }
}

/// While the executable serves, config files and apps get our package, and all metadata
/// agrees.
#[test]
fn the_server_keeps_its_own_gunicorn() {
    let venv = gunicorns_own();
    let app = "import gunicorn, importlib.metadata as it\n\
               def app(environ, start_response):\n\
               \x20   start_response('200 OK', [])\n\
               \x20   ours = gunicorn.__file__.endswith('lib/python3.13/gunicorn/__init__.py')\n\
               \x20   return [repr((ours, it.version('gunicorn'))).encode()]\n";
    let config = "from gunicorn.arbiter import Arbiter\n\
                  def post_fork(server, worker):\n\
                  \x20   server.log.info('master of ours: %s', type(server) is Arbiter)\n";
    // A config file may have the same name.
    let dir = folder();
    fs::write(dir.path().join("site_app.py"), app).unwrap();
    fs::write(dir.path().join("gunicorn.py"), config).unwrap();
    let zip = site::small_zip(dir.path(), &[("site_app.py", app), ("gunicorn.py", config)]);
    let zip = zip.to_str().unwrap();
    let venv = venv.to_str().unwrap();
    for more in [&["--venv", venv][..], &[], &["--app-zip", zip]] {
        let server = Start::server(["-c", "gunicorn.py", "site_app:app"])
            .args(more)
            .cwd(dir.path())
            .spawn();
        assert_eq!(answer(&server), "(True, '27.0.1')", "{more:?}");
        server.stderr.wait_for("master of ours: True");
    }
}

/// Every public name of Gunicorn's modules can be imported from ours. The script has
/// the few exceptions, with reasons.
#[test]
fn no_name_of_gunicorns_is_missing() {
    let script = python_script("gunicorn_names.py");
    let script = script.to_str().unwrap();
    let theirs = Start::program(gunicorns_own().join("bin/python"), [script, "list"]).run();
    let dir = folder();
    let list = dir.path().join("names.json");
    fs::write(&list, theirs.expect_success().stdout).unwrap();
    let said = site::python([script, "compare", list.to_str().unwrap()]).run();
    assert_eq!(said.expect_success().stdout, "");
}

/// Parts that can be used alone behave the same in both packages: parsers, bodies,
/// responses, helpers, checks of settings.
#[test]
fn what_can_be_used_alone_does_what_gunicorns_does() {
    let script = python_script("gunicorn_behaviour.py");
    let script = script.to_str().unwrap();
    let said = |start: Start| {
        let dir = folder();
        let said = start.args([script.as_ref(), dir.path().as_os_str()]).run();
        said.expect_success().stdout
    };
    let theirs = said(Start::program(gunicorns_own().join("bin/python"), [""; 0]));
    let ours = said(site::python([]));
    assert!(theirs.lines().count() > 6000);
    for (theirs, ours) in theirs.lines().zip(ours.lines()) {
        assert_eq!(theirs, ours);
    }
    assert_eq!(theirs.len(), ours.len());
}
