//! `--preload`: the app is loaded once, in the master.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::support::{Process, Start, folder, wait_until};

/// An app that reports its word, the process that loaded it, and the process that
/// serves it.
fn write_app(dir: &Path, word: &str, extra: &str) {
    let text = format!(
        "import os\n{extra}\n\
         LOADED_BY = os.getpid()\n\
         def app(environ, start_response):\n\
         \x20   body = f'{word} {{LOADED_BY}} {{os.getpid()}} {{os.getppid()}}'.encode()\n\
         \x20   start_response('200 OK', [('Content-Length', str(len(body)))])\n\
         \x20   return [body]\n"
    );
    fs::write(dir.join("app.py"), text).unwrap();
}

fn start(dir: &Path, args: &[&str]) -> Process {
    Start::server(args)
        .args(["--preload", "app:app"])
        .cwd(dir)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .spawn()
}

struct Answer {
    word: String,
    loaded_by: Pid,
    worker: Pid,
    parent: Pid,
}

fn answer(server: &Process) -> Answer {
    let text = server.target().get("/").ok();
    let mut parts = text.split(' ');
    let word = parts.next().unwrap().to_owned();
    let mut pid = || Pid::from_raw(parts.next().unwrap().parse().unwrap());
    Answer {
        word,
        loaded_by: pid(),
        worker: pid(),
        parent: pid(),
    }
}

#[test]
fn workers_have_what_the_master_has_loaded() {
    let dir = folder();
    write_app(dir.path(), "old", "");
    let mut server = start(dir.path(), &["--workers", "2"]);
    let workers = server.workers(2);
    let seen = answer(&server);
    assert_eq!(seen.loaded_by, server.pid());
    assert_eq!(seen.parent, server.pid());
    assert!(workers.contains(&seen.worker));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn hup_loads_new_code_in_the_same_master() {
    let dir = folder();
    let pid_file = dir.path().join("pid");
    write_app(dir.path(), "old", "");
    let args = ["--workers", "2", "--pid", pid_file.to_str().unwrap()];
    let mut server = start(dir.path(), &args);
    let old = server.workers(2);
    assert_eq!(answer(&server).word, "old");

    write_app(dir.path(), "broken", "raise RuntimeError('broken today')");
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for("Reload failed, the old workers go on serving");
    server.stderr.wait_for("RuntimeError: broken today");
    let seen = answer(&server);
    assert_eq!(seen.word, "old");
    assert!(old.contains(&seen.worker));

    for word in ["new", "newer"] {
        write_app(dir.path(), word, "");
        server.signal(Signal::SIGHUP);
        wait_until("the new app is served", || answer(&server).word == word);
        let seen = answer(&server);
        assert_eq!(seen.loaded_by, server.pid());
        assert_eq!(seen.parent, server.pid());
    }
    for pid in old {
        server
            .stderr
            .wait_for(&format!("Worker exiting (pid: {pid})"));
    }
    let text = fs::read_to_string(&pid_file).unwrap();
    assert_eq!(text, format!("{}\n", server.pid()));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!pid_file.exists());
}

/// The renewed master cannot start while there is a file `moody`, and the worker `old`
/// goes on. Then the master starts.
fn expect_new_after_moody(server: &mut Process, dir: &Path, old: Pid) {
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for("The old workers go on serving and cannot be replaced for now");
    server.stderr.wait_for("RuntimeError: not in the master");
    assert_eq!(answer(server).worker, old);
    fs::remove_file(dir.join("moody")).unwrap();
    wait_until("the new app is served", || answer(server).word == "new");
    assert_eq!(answer(server).parent, server.pid());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn an_app_that_loads_in_a_child_only_is_tried_until_it_loads() {
    let dir = folder();
    write_app(dir.path(), "old", "");
    let mut server = start(dir.path(), &[]);
    let old = answer(&server).worker;
    let extra = "import sys\n\
                 if os.path.exists('moody') and '--check-config' not in sys.argv:\n\
                 \x20   raise RuntimeError('not in the master')";
    write_app(dir.path(), "new", extra);
    fs::write(dir.path().join("moody"), "").unwrap();
    expect_new_after_moody(&mut server, dir.path(), old);
}

#[test]
fn an_app_that_does_not_load_is_told_with_its_traceback() {
    let dir = folder();
    write_app(dir.path(), "broken", "raise RuntimeError('broken today')");
    let server = start(dir.path(), &[]);
    let mut server = server;
    assert_eq!(server.exit_code(), 1);
    let log = server.stderr.whole();
    assert!(log.contains("Traceback (most recent call last):"), "{log}");
    assert!(log.contains("RuntimeError: broken today"), "{log}");
}

#[test]
fn forked_interpreters_are_whole() {
    let dir = folder();
    // The child's own threads, random seeds and fork hooks.
    let extra = "import random, threading\n\
                 os.register_at_fork(after_in_child=lambda: globals().update(FORKED=True))";
    write_app(
        dir.path(),
        "{FORKED} {threading.active_count()} {random.random()}",
        extra,
    );
    let server = start(dir.path(), &["--workers", "2"]);
    server.workers(2);
    let mut seeds = Vec::new();
    for _ in 0..4 {
        let text = server.target().get("/").ok();
        let parts: Vec<_> = text.split(' ').collect();
        assert_eq!(parts[..2], ["True", "1"], "{text}");
        seeds.push(parts[2].to_owned());
    }
    seeds.dedup();
    assert_eq!(seeds.len(), 4, "random numbers are repeated");
}

#[test]
fn a_config_file_that_breaks_in_the_master_only_is_tried_until_it_runs() {
    let dir = folder();
    write_app(dir.path(), "old", "");
    let config = "import os, sys\n\
                  if os.path.exists('moody') and '--check-config' not in sys.argv:\n\
                  \x20   raise RuntimeError('not in the master')\n";
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let mut server = start(dir.path(), &[]);
    let old = answer(&server).worker;
    write_app(dir.path(), "new", "");
    fs::write(dir.path().join("moody"), "").unwrap();
    expect_new_after_moody(&mut server, dir.path(), old);
}

#[test]
fn an_address_that_cannot_be_had_at_hup_leaves_the_old_ones() {
    let dir = folder();
    write_app(dir.path(), "old", "");
    let config = dir.path().join("gunicorn.conf.py");
    let socket = dir.path().join("sock");
    let bind = |path: &Path| fs::write(&config, format!("bind = 'unix:{}'\n", path.display()));
    bind(&socket).unwrap();
    let mut server = Start::new(["--preload", "app:app"])
        .cwd(dir.path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .spawn();
    assert_eq!(answer(&server).word, "old");
    write_app(dir.path(), "new", "");
    bind(&dir.path().join("missing/sock")).unwrap();
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("The addresses stay as they were");
    wait_until("the new app is served", || answer(&server).word == "new");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!socket.exists());
}

#[test]
fn hup_is_a_reload_to_hooks_and_no_second_start() {
    let dir = folder();
    write_app(dir.path(), "old", "");
    let config = "def tell(text):\n\
                  \x20   with open('calls', 'a') as calls: print(text, file=calls)\n\
                  def on_starting(server): tell('on_starting')\n\
                  def when_ready(server): tell('when_ready')\n\
                  def on_reload(server): tell(f'on_reload {len(server.LISTENERS)}')\n\
                  def nworkers_changed(server, new, old): tell(f'nworkers {new} {old}')\n";
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let mut server = start(dir.path(), &["--workers", "2"]);
    assert_eq!(answer(&server).word, "old");
    server.workers(2);
    write_app(dir.path(), "new", "");
    server.signal(Signal::SIGHUP);
    wait_until("the new app is served", || answer(&server).word == "new");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let calls = fs::read_to_string(dir.path().join("calls")).unwrap();
    assert_eq!(
        calls.lines().collect::<Vec<_>>(),
        [
            "nworkers 2 None",
            "on_starting",
            "when_ready",
            "nworkers 2 2",
            "on_reload 1"
        ]
    );
}
