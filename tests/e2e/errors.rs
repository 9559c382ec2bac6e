//! Errors at the start: one clear sentence, Gunicorn's exit code, and no process is
//! left.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::support::{Finished, Start, app, folder};

/// Serves an app with this source; it must fail.
fn serve(source: &str, args: &[&str]) -> Finished {
    let dir = folder();
    fs::write(dir.path().join("app.py"), source).unwrap();
    Start::server(args).cwd(dir.path()).run()
}

#[track_caller]
fn expect(finished: &Finished, code: i32, sentences: &[&str]) {
    assert_eq!(finished.code, code, "{}", finished.stderr);
    for sentence in sentences {
        assert!(
            finished.stderr.contains(sentence),
            "no {sentence:?} in:\n{}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
}

#[test]
fn the_port_is_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = Start::new(["--bind", &address, "app"])
        .cwd(app("hello"))
        .run();
    let in_use = format!(
        "Connection in use: ('127.0.0.1', {})",
        taken.local_addr().unwrap().port()
    );
    expect(&finished, 1, &[&in_use, "Can't connect to"]);
}

#[test]
fn no_app_is_named_and_none_is_found() {
    let dir = folder();
    let finished = Start::server([""; 0]).cwd(dir.path()).run();
    expect(&finished, 1, &["wsgi.py", "app.py", "main.py", "manage.py"]);
}

#[test]
fn the_named_module_is_missing() {
    let dir = folder();
    let finished = Start::server(["nowhere:app"]).cwd(dir.path()).run();
    expect(
        &finished,
        3,
        &[
            "ModuleNotFoundError: No module named 'nowhere'",
            "Worker failed to boot.",
        ],
    );
}

#[test]
fn the_app_raises_on_import() {
    let source = "def first():\n    return 1 / 0\n\nvalue = first()\n";
    let finished = serve(source, &["app"]);
    expect(
        &finished,
        3,
        &[
            "Traceback (most recent call last):",
            "value = first()",
            "return 1 / 0",
            "ZeroDivisionError: division by zero",
            "Exception in worker process",
            "Reason: Worker failed to boot.",
        ],
    );
}

#[test]
fn the_app_does_not_parse() {
    let finished = serve("def application(:\n", &["app"]);
    expect(&finished, 3, &["SyntaxError", "def application(:"]);
}

#[test]
fn the_attribute_is_missing() {
    let finished = serve("other = 1\n", &["app:application"]);
    expect(
        &finished,
        4,
        &[
            "Failed to find attribute 'application' in 'app'.",
            "Reason: App failed to load.",
        ],
    );
}

#[test]
fn the_app_is_not_callable() {
    let finished = serve("application = 42\n", &["app"]);
    expect(&finished, 4, &["Application object must be callable."]);
}

#[test]
fn the_app_is_none() {
    let finished = serve("application = None\n", &["app"]);
    expect(&finished, 4, &["Failed to find application object"]);
}

#[test]
fn the_factory_takes_other_arguments() {
    let source = "def create(name):\n    return name\n";
    let finished = serve(source, &["app:create(1, 2)"]);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
    let finished = serve(source, &["app:create(open('x'))"]);
    assert_eq!(finished.code, 4, "{}", finished.stderr);
}

#[test]
fn a_file_name_is_given_for_the_module() {
    let finished = serve("application = None\n", &["app.py"]);
    expect(&finished, 3, &["did you mean 'app:application'?"]);
}

#[test]
fn a_flag_is_unknown() {
    let finished = serve("", &["--wokers", "2", "app"]);
    expect(&finished, 2, &["--wokers", "--workers"]);
}

#[test]
fn a_value_is_bad() {
    for (flag, value) in [
        ("--workers", "many"),
        ("--workers", "-1"),
        ("--timeout", "soon"),
        ("--env", "NOVALUE"),
    ] {
        let finished = serve("", &[flag, value, "app"]);
        assert!(
            matches!(finished.code, 1 | 2),
            "{flag}: {}",
            finished.stderr
        );
        expect(&finished, finished.code, &[value]);
        assert!(!finished.stderr.contains("Listening at"), "{flag}");
    }
}

#[test]
fn an_address_is_bad() {
    let dir = folder();
    for bind in [
        "127.0.0.1:http",
        "256.0.0.1:0",
        "unix:/nowhere/at/all/socket",
    ] {
        let finished = Start::new(["--bind", bind, "app"]).cwd(dir.path()).run();
        expect(&finished, 1, &[]);
        assert!(!finished.stderr.contains("Listening at"), "{bind}");
    }
}

#[test]
fn a_folder_is_missing() {
    let finished = serve("", &["--chdir", "/nowhere/at/all", "app"]);
    expect(&finished, 1, &["/nowhere/at/all"]);
    let finished = serve("", &["--venv", "/nowhere/at/all", "app"]);
    expect(&finished, 1, &["/nowhere/at/all"]);
}

#[test]
fn a_failed_start_leaves_no_socket_and_nobody_running() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), "import nowhere\n").unwrap();
    let finished = Start::new(["--bind", "unix:site.sock", "--workers", "3", "app"])
        .cwd(dir.path())
        .run();
    // `run` has returned, so no process has its pipes open any more.
    expect(&finished, 3, &["No module named 'nowhere'"]);
    assert!(!Path::new(&dir.path().join("site.sock")).exists());
}

#[test]
fn check_config_tells_by_its_exit_code() {
    let fine = "def application(environ, start_response): pass\n";
    let finished = serve(fine, &["--check-config", "app"]);
    expect(&finished, 0, &[]);
    assert_eq!(finished.stderr, "");
    assert_eq!(finished.stdout, "");
    let finished = serve("import nowhere\n", &["--check-config", "app"]);
    expect(&finished, 1, &["No module named 'nowhere'"]);
    let finished = serve("", &["--check-config", "app"]);
    expect(
        &finished,
        1,
        &["Failed to find attribute 'application' in 'app'."],
    );
}
