//! Finding the app and its packages where nobody said where they are.

use std::fs;

use crate::support::{Process, Start, folder, site};

/// A module whose application answers with `text`.
fn module(name: &str, text: &str) -> String {
    format!(
        "def {name}(environ, start_response):\n    \
             start_response('200 OK', [])\n    \
             return [b'{text}']\n"
    )
}

fn serve(files: &[(&str, &str)], args: &[&str]) -> (tempfile::TempDir, Process) {
    let dir = folder();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let server = Start::server(args).cwd(dir.path()).spawn();
    (dir, server)
}

#[track_caller]
fn found(files: &[(&str, &str)], answer: &str) {
    let (_dir, server) = serve(files, &[]);
    assert_eq!(server.target().get("/").ok(), answer);
}

#[test]
fn an_app_is_found_by_its_usual_names() {
    let application = module("application", "application");
    let app = module("app", "app");
    let factory = format!(
        "def create_app():\n    return made\n\n{}",
        module("made", "made")
    );
    found(&[("wsgi.py", &application)], "application");
    found(&[("app.py", &app)], "app");
    found(&[("main.py", &app)], "app");
    found(&[("app.py", &factory)], "made");
    found(
        &[("wsgi.py", &application), ("app.py", &app)],
        "application",
    );
}

#[test]
fn the_config_files_wsgi_app_comes_first() {
    let files = [
        ("gunicorn.conf.py", "wsgi_app = 'other:application'\n"),
        ("other.py", &*module("application", "other")),
        ("wsgi.py", &*module("application", "wsgi")),
    ];
    found(&files, "other");
}

#[test]
fn every_way_to_name_an_app_works() {
    let source = "
class Holder:
    def app(environ, start_response):
        start_response('200 OK', [])
        return [b'attribute']

def make(greeting, times=1):
    def app(environ, start_response):
        start_response('200 OK', [])
        return [greeting.encode()] * times
    return app
";
    for (name, answer) in [
        ("site_app:Holder.app", "attribute"),
        ("site_app:make('hi')", "hi"),
        ("site_app:make(\"hi\", times=2)", "hihi"),
    ] {
        let (_dir, server) = serve(&[("site_app.py", source)], &[name]);
        assert_eq!(server.target().get("/").ok(), answer, "{name}");
    }
}

#[test]
fn more_folders_of_modules_can_be_named() {
    let dir = folder();
    fs::create_dir_all(dir.path().join("app")).unwrap();
    fs::create_dir_all(dir.path().join("lib")).unwrap();
    let app = "from helper import application\n";
    fs::write(dir.path().join("app/site_app.py"), app).unwrap();
    let helper = module("application", "helper");
    fs::write(dir.path().join("lib/helper.py"), helper).unwrap();
    let server = Start::server(["--chdir", "app", "--pythonpath", "../lib", "site_app"])
        .cwd(dir.path())
        .spawn();
    assert_eq!(server.target().get("/").ok(), "helper");
}

#[test]
fn a_venv_for_another_python_is_passed_over_unless_named() {
    let application = module("application", "without");
    let files = [
        ("app.py", &*application),
        (".venv/pyvenv.cfg", "home = /usr/bin\nversion = 3.8.1\n"),
    ];
    let (dir, server) = serve(&files, &["app"]);
    let warning = server.stderr.wait_for("[WARNING]");
    assert!(warning.contains("3.8.1"), "{warning}");
    assert_eq!(server.target().get("/").ok(), "without");
    let named = Start::server(["--venv", ".venv", "app"])
        .cwd(dir.path())
        .run();
    assert_eq!(named.code, 1, "{}", named.stderr);
    assert!(named.stderr.contains("3.8.1"), "{}", named.stderr);
}

#[test]
fn pth_files_inside_a_zip_are_honoured() {
    let dir = folder();
    let zip = site::small_zip(
        dir.path(),
        &[
            ("app.py", "from vendored import application\n"),
            ("site-packages/vendor.pth", "vendor\n"),
            (
                "site-packages/vendor/vendored.py",
                &module("application", "vendored"),
            ),
        ],
    );
    let server = Start::server(["app", "--app-zip"]).args([zip]).spawn();
    assert_eq!(server.target().get("/").ok(), "vendored");
}
