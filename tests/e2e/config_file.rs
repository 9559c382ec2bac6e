//! The config file: where it is found, what it sets, and the errors in it.

use std::fs;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Process, Start, Target, folder, own_memory, wait_until};

const APP: &str = "import os\n\
    def app(environ, start_response):\n\
    \x20   start_response('200 OK', [])\n\
    \x20   return [os.environ.get('WORD', 'none').encode()]\n";

fn site(files: &[(&str, &str)]) -> TempDir {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn start(dir: &TempDir, args: &[&str]) -> Process {
    Start::server(args).cwd(dir.path()).spawn()
}

/// The exit code and standard error of a server that does not start.
fn failed(files: &[(&str, &str)], args: &[&str]) -> (i32, String) {
    let dir = site(files);
    let mut server = start(&dir, args);
    let code = server.exit_code();
    (code, server.stderr.whole())
}

#[test]
fn it_is_read_from_where_the_option_says() {
    for (name, args) in [
        ("gunicorn.conf.py", &[][..]),
        ("other.conf", &["-c", "other.conf"]),
        ("other.py", &["-c", "file:other.py"]),
        ("module.py", &["-c", "python:module"]),
    ] {
        let dir = site(&[(name, "wsgi_app = 'app:app'\nraw_env = ['WORD=file']\n")]);
        let server = start(&dir, args);
        assert_eq!(server.target().get("/").ok(), "file", "{name}");
    }
}

#[test]
fn the_command_line_and_its_variable_win() {
    let dir = site(&[(
        "gunicorn.conf.py",
        "wsgi_app = 'app:app'\nworkers = 3\nraw_env = ['WORD=file']\ntimeout = 77\n",
    )]);
    let printed = Start::server(["--print-config", "-w", "1"])
        .cwd(dir.path())
        .env("GUNICORN_CMD_ARGS", "-w 2 --keep-alive 9")
        .env("WEB_CONCURRENCY", "8")
        .run();
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    for (name, value) in [("workers", "1"), ("keepalive", "9"), ("timeout", "77")] {
        let line = format!("{name:34} = {value}\n");
        assert!(printed.stdout.contains(&line), "{line}{}", printed.stdout);
    }
    assert!(printed.stdout.lines().is_sorted());
}

#[test]
fn variables_that_it_sets_reach_the_app() {
    let dir = site(&[(
        "gunicorn.conf.py",
        "import os\nwsgi_app = 'app:app'\nos.environ['WORD'] = 'set'\n",
    )]);
    let server = start(&dir, &[]);
    assert_eq!(server.target().get("/").ok(), "set");
}

#[test]
fn what_is_wrong_is_told_in_a_sentence_and_ends_with_1() {
    for (text, parts) in [
        (
            "workers = 'many'",
            &["Error: Invalid value for workers: 'many' is not a whole number"][..],
        ),
        (
            "x = 1\nraise KeyError('gone')",
            &[
                "Failed to read config file:",
                "Traceback",
                "line 2",
                "KeyError: 'gone'",
            ],
        ),
        (
            "workers = (",
            &["Failed to read config file:", "SyntaxError"],
        ),
        (
            "def pre_fork(server): pass",
            &["Invalid value for pre_fork: pre_fork() takes 1 arguments"],
        ),
        (
            "paste = 'site.ini'",
            &["Invalid value for paste:", "loadapp"],
        ),
    ] {
        let (code, log) = failed(&[("gunicorn.conf.py", text)], &["app:app"]);
        assert_eq!(code, 1, "{text}: {log}");
        for part in parts {
            assert!(log.contains(part), "{text}: {log}");
        }
        let traceback = log.contains("Traceback") || log.contains("SyntaxError");
        assert_eq!(traceback, log.contains("Failed to read"), "{text}: {log}");
    }
    let (code, log) = failed(&[], &["-c", "missing.py", "app:app"]);
    assert_eq!(code, 1);
    assert!(
        log.contains("missing.py' cannot be read: there is no such file."),
        "{log}"
    );
}

#[test]
fn misspelt_names_and_idle_settings_are_warned_about() {
    let dir = site(&[(
        "gunicorn.conf.py",
        "wsgi_app = 'app:app'\nworker = 2\nworker_tmp_dir = '/dev/shm'\nport = 3\n",
    )]);
    let server = start(&dir, &[]);
    server.stderr.wait_for("is 'workers' meant?");
    server
        .stderr
        .wait_for("The setting worker_tmp_dir changes nothing.");
    assert_eq!(server.stderr.so_far().matches("[WARNING]").count(), 2);
}

#[test]
fn a_master_without_one_starts_no_interpreter() {
    let dir = site(&[]);
    let server = start(&dir, &["app:app"]);
    assert_eq!(server.target().get("/").ok(), "none");
    let without = own_memory(server.pid());
    let dir = site(&[("gunicorn.conf.py", "wsgi_app = 'app:app'")]);
    let server = start(&dir, &[]);
    assert_eq!(server.target().get("/").ok(), "none");
    let with = own_memory(server.pid());
    assert!(
        with > without + (2 << 20),
        "{with} bytes with, {without} bytes without"
    );
}

#[test]
fn hup_runs_it_again_and_a_broken_one_changes_nothing() {
    let dir = site(&[(
        "gunicorn.conf.py",
        "wsgi_app = 'app:app'\nraw_env = ['WORD=one']\n",
    )]);
    let file = dir.path().join("gunicorn.conf.py");
    let mut server = start(&dir, &[]);
    assert_eq!(server.target().get("/").ok(), "one");

    fs::write(&file, "wsgi_app = 'app:app'\nraw_env = [\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("SyntaxError");
    assert_eq!(server.target().get("/").ok(), "one");

    let text = "import os\nwsgi_app = 'app:app'\nos.environ['WORD'] = 'two'\n";
    fs::write(&file, text).unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("the new settings count", || {
        server.target().get("/").ok() == "two"
    });
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

/// With one worker, and with an app that the master loaded.
#[test]
fn hup_moves_what_the_file_moves() {
    for preload in ["False", "True"] {
        let dir = site(&[]);
        let path = |name: &str| dir.path().join(name);
        let write = |word: &str| {
            let text = format!(
                "wsgi_app = 'app:app'\nbind = 'unix:{word}.sock'\npidfile = '{word}.pid'\n\
                 raw_env = ['WORD={word}']\naccesslog = '{word}.access'\n\
                 errorlog = '{word}.error'\npreload_app = {preload}\n"
            );
            fs::write(path("gunicorn.conf.py"), text).unwrap();
        };
        let serves = |word: &str| {
            let target = Target::Unix(path(&format!("{word}.sock")));
            target.connect().is_ok() && target.get("/").ok() == word
        };
        let pid = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
        write("one");
        let mut server = Start::new([""; 0]).cwd(dir.path()).spawn();
        wait_until("it serves", || serves("one"));
        assert_eq!(pid("one.pid"), format!("{}\n", server.pid()));

        write("two");
        server.signal(Signal::SIGHUP);
        wait_until("the new address is served", || serves("two"));
        wait_until("the old address is gone", || !path("one.sock").exists());
        wait_until("the pid file is the new one", || !path("one.pid").exists());
        assert_eq!(pid("two.pid"), format!("{}\n", server.pid()));
        wait_until("the new access log has a line", || {
            pid("two.access").contains("GET /")
        });
        assert!(!pid("two.error").is_empty());
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        assert!(!path("two.sock").exists() && !path("two.pid").exists());
        assert!(pid("two.error").contains("Shutting down: Master"));
    }
}
