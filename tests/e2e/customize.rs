//! Which `sitecustomize` module is run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Process, Start, folder, site};

/// Reports which module ran before it, by the name that the module set.
const APP: &str = "import builtins
def application(environ, start_response):
    start_response('200 OK', [])
    return [getattr(builtins, 'customized', 'nobody').encode()]
";

fn customize(name: &str) -> String {
    format!("import builtins; builtins.customized = '{name}'")
}

/// The app's folder has such a module for another purpose.
fn app(dir: &Path) -> PathBuf {
    let app = dir.join("app");
    fs::create_dir(&app).unwrap();
    fs::write(app.join("app.py"), APP).unwrap();
    fs::write(app.join("sitecustomize.py"), customize("the app")).unwrap();
    app
}

#[track_caller]
fn expect(server: &Process, who: &str) {
    assert_eq!(server.target().get("/").ok(), who);
}

#[test]
fn an_apps_own_is_not() {
    let dir = folder();
    let app = app(dir.path());
    for more in [
        &[][..],
        &["--preload"],
        &["-k", "gthread"],
        &["--pythonpath", "."],
    ] {
        let server = Start::server(more).cwd(&app).spawn();
        expect(&server, "nobody");
    }
    // With the config file, the interpreter starts before the app is found.
    fs::write(app.join("gunicorn.conf.py"), "workers = 1").unwrap();
    expect(&Start::server([""; 0]).cwd(&app).spawn(), "nobody");
    let code = "import builtins; print(hasattr(builtins, 'customized'))";
    let done = site::python(["-c", code]).cwd(&app).run().expect_success();
    assert_eq!(done.stdout, "False");
}

#[test]
fn a_zips_own_is_not() {
    let dir = folder();
    let files = [
        ("app.py", APP),
        ("sitecustomize.py", &customize("the app")),
        ("site-packages/sitecustomize.py", &customize("a package")),
    ];
    let zip = site::small_zip(dir.path(), &files);
    let server = Start::server(["--app-zip".as_ref(), zip.as_os_str()])
        .env("XDG_CACHE_HOME", dir.path())
        .spawn();
    expect(&server, "nobody");
}

#[test]
fn a_virtual_environments_is() {
    let dir = folder();
    let app = app(dir.path());
    let venv = site::small_venv(dir.path(), "sitecustomize.py", &customize("the venv"));
    let serve = || {
        Start::server(["--venv".as_ref(), venv.as_os_str()])
            .cwd(&app)
            .spawn()
    };
    expect(&serve(), "the venv");
    fs::write(app.join("gunicorn.conf.py"), "workers = 1").unwrap();
    expect(&serve(), "the venv");
    let code = "import builtins; print(builtins.customized)";
    let done = Start::program(venv.join("bin/python"), ["-c", code])
        .cwd(&app)
        .run()
        .expect_success();
    assert_eq!(done.stdout, "the venv");
}

#[test]
fn a_folder_in_pythonpath_is_read_if_the_setting_says_so() {
    let dir = folder();
    let app = app(dir.path());
    let agent = dir.path().join("agent");
    fs::create_dir(&agent).unwrap();
    let text = format!("{}; import beside", customize("the agent"));
    fs::write(agent.join("sitecustomize.py"), text).unwrap();
    fs::write(agent.join("beside.py"), "").unwrap();
    let start = |args: &[&str]| {
        let path = format!("{}:/nowhere::.", agent.display());
        Start::server(args).env("PYTHONPATH", path).cwd(&app)
    };
    let config = app.join("gunicorn.conf.py");
    for text in ["", "workers = 1", "read_pythonpath = True"] {
        if !text.is_empty() {
            fs::write(&config, text).unwrap();
        }
        let is_set = text.starts_with("read");
        let server = start(&[]).spawn();
        expect(&server, if is_set { "the agent" } else { "nobody" });
        let warning = format!("PYTHONPATH is set and not read: {}. Give ", agent.display());
        assert_eq!(!server.stderr.so_far().contains(&warning), is_set);
        for more in [&[][..], &["--preload"], &["-k", "gthread"]] {
            let server = start(more).args(["--read-pythonpath"]).spawn();
            expect(&server, "the agent");
            assert!(!server.stderr.so_far().contains("PYTHONPATH"));
        }
    }
    let server = start(&[]).env("RGUNICORN_READ_PYTHONPATH", "1").spawn();
    expect(&server, "the agent");
}
