//! HUP: the old workers end only when the new ones serve.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{Process, Start, folder, wait_until};

/// An app that answers with this word and the worker's pid.
fn write_app(dir: &Path, word: &str, extra: &str) {
    let text = format!(
        "import os\n{extra}\n\
         def app(environ, start_response):\n\
         \x20   if environ['PATH_INFO'] == '/die':\n\
         \x20       os.kill(os.getpid(), 9)\n\
         \x20   body = f'{word} {{os.getpid()}}'.encode()\n\
         \x20   start_response('200 OK', [('Content-Length', str(len(body)))])\n\
         \x20   return [body]\n"
    );
    fs::write(dir.join("app.py"), text).unwrap();
}

fn serve(args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    write_app(dir.path(), "old", "");
    let server = start(dir.path(), args);
    (dir, server)
}

fn start(dir: &Path, args: &[&str]) -> Process {
    Start::server(args)
        .args(["app:app"])
        .cwd(dir)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .spawn()
}

/// The word in the answer.
fn word(server: &Process) -> String {
    let answer = server.target().get("/").ok();
    answer.split(' ').next().unwrap().to_owned()
}

#[test]
fn new_workers_serve_before_old_ones_end() {
    let (dir, mut server) = serve(&["--workers", "2"]);
    assert_eq!(word(&server), "old");
    // Both have loaded the app before its file is written again.
    let mut serving = HashSet::new();
    wait_until("both workers serve", || {
        serving.insert(answer_pid(&server));
        serving.len() == 2
    });
    let old = server.workers(2);
    write_app(dir.path(), "new", "import time; time.sleep(0.3)");
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("Hang up: Master");
    let mut answers = Vec::new();
    wait_until("the new app is served", || {
        answers.push(word(&server));
        answers.last().unwrap() == "new"
    });
    for pid in old {
        let line = format!("Worker exiting (pid: {pid})");
        server.stderr.wait_for(&line);
    }
    assert_eq!(word(&server), "new");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    let exit = log.find("Worker exiting").unwrap();
    assert_eq!(
        log[..exit].matches("Booting worker").count(),
        4,
        "an old worker has ended too early:\n{log}"
    );
}

#[test]
fn a_broken_app_does_not_replace_one_that_works() {
    let (dir, server) = serve(&[]);
    assert_eq!(word(&server), "old");
    let old = server.workers(1)[0];
    for (broken, reason) in [
        ("raise RuntimeError('broken today')", "broken today"),
        ("os._exit(7)", "exited with code 7"),
        ("os.kill(os.getpid(), 9)", "ended by a signal"),
    ] {
        write_app(dir.path(), "broken", broken);
        let before = failures(&server);
        server.signal(Signal::SIGHUP);
        wait_until("the reload has failed", || failures(&server) > before);
        server.stderr.wait_for(reason);
        let pid: i32 = answer_pid(&server);
        assert_eq!(Pid::from_raw(pid), old);
    }
    write_app(dir.path(), "mended", "");
    server.signal(Signal::SIGHUP);
    wait_until("the mended app is served", || word(&server) == "mended");
}

fn failures(server: &Process) -> usize {
    server
        .stderr
        .so_far()
        .matches("Reload failed, the old workers")
        .count()
}

fn answer_pid(server: &Process) -> i32 {
    let answer = server.target().get("/").ok();
    let (word, pid) = answer.split_once(' ').unwrap();
    assert_eq!(word, "old");
    pid.parse().unwrap()
}

#[test]
fn many_hups_in_a_row_leave_one_generation() {
    let (_dir, mut server) = serve(&["--workers", "2"]);
    word(&server);
    let master = server.pid();
    for _ in 0..10 {
        server.signal(Signal::SIGHUP);
        assert_eq!(word(&server), "old");
    }
    wait_until("two workers are left", || children(master).len() == 2);
    assert_eq!(word(&server), "old");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

fn children(pid: Pid) -> Vec<Pid> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).unwrap();
    let pids = text.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.map(Pid::from_raw).collect()
}

#[test]
fn workers_that_keep_dying_are_started_more_and_more_slowly() {
    let dir = folder();
    write_app(dir.path(), "dead", "os._exit(7)");
    let mut server = start(dir.path(), &[]);
    server
        .stderr
        .wait_for("3 workers in a row have died early; the next is started in 1 s");
    write_app(dir.path(), "alive", "");
    assert_eq!(word(&server), "alive");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("exited with code 7."), "{log}");
}

#[test]
fn an_app_that_breaks_after_the_start_does_not_end_the_server() {
    let (dir, server) = serve(&[]);
    assert_eq!(word(&server), "old");
    write_app(dir.path(), "broken", "import nonsense");
    kill(server.workers(1)[0], Signal::SIGKILL).unwrap();
    server.stderr.wait_for("exited with code 3.");
    write_app(dir.path(), "mended", "");
    assert_eq!(word(&server), "mended");
}

#[test]
fn a_death_is_told_with_the_request_that_saw_it() {
    let (_dir, server) = serve(&[]);
    let mut connection = server.target().connect().unwrap();
    std::io::Write::write_all(&mut connection, b"GET /die HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let line = server.stderr.wait_for("was sent SIGKILL!");
    assert!(line.contains("Perhaps out of memory?"), "{line}");
    let handled = " It was handling 'GET /die'. It used ";
    assert!(line.contains(handled), "{line}");
}

#[test]
fn a_boot_that_takes_too_long_is_ended() {
    let (dir, server) = serve(&["--boot-timeout", "2"]);
    assert_eq!(word(&server), "old");
    write_app(dir.path(), "hanging", "import time; time.sleep(50)");
    server.signal(Signal::SIGHUP);
    let line = server.stderr.wait_for("WORKER TIMEOUT");
    assert!(line.contains("(boot_timeout)"), "{line}");
    wait_until("the reload has failed", || failures(&server) == 1);
    assert_eq!(word(&server), "old");
    write_app(dir.path(), "mended", "");
    server.signal(Signal::SIGHUP);
    wait_until("the mended app is served", || word(&server) == "mended");
}

#[test]
fn a_link_leads_to_the_newest_release() {
    let dir = folder();
    for release in ["one", "two"] {
        let path = dir.path().join(release);
        fs::create_dir(&path).unwrap();
        write_app(&path, release, "");
    }
    let current = dir.path().join("current");
    std::os::unix::fs::symlink("one", &current).unwrap();
    let server = Start::server(["app:app"])
        .cwd(&current)
        .env("PWD", &current)
        .spawn();
    assert_eq!(word(&server), "one");
    fs::remove_file(&current).unwrap();
    std::os::unix::fs::symlink("two", &current).unwrap();
    fs::remove_dir_all(dir.path().join("one")).unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("the new release is served", || word(&server) == "two");
}
