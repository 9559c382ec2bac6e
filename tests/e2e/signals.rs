//! The master's signals, and what happens to its workers.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::support::{DEADLINE, Process, Response, Start, app, program, wait_until};

fn hello(args: &[&str]) -> Process {
    Start::server(args).args(["app"]).cwd(app("hello")).spawn()
}

/// Keeps a worker busy for most of a minute.
fn keep_busy(server: &Process) -> impl Sized + use<> {
    let mut stream = server.target().connect().unwrap();
    stream
        .write_all(b"GET /slow?50 HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    server.stderr.wait_for("slow request begins");
    stream
}

#[test]
fn ttin_and_ttou_change_the_number_of_workers() {
    let server = hello(&[]);
    let first = server.workers(1)[0];
    server.signal(Signal::SIGTTIN);
    server.stderr.wait_for("Handling signal: ttin");
    let second = server.workers(2)[1];
    wait_until("both workers serve", || serving(&server, &[first, second]));
    server.signal(Signal::SIGTTOU);
    server.stderr.wait_for("Handling signal: ttou");
    let gone = format!("Worker exiting (pid: {first})");
    server.stderr.wait_for(&gone);
    // One worker always stays.
    server.signal(Signal::SIGTTOU);
    server.signal(Signal::SIGUSR1);
    server.stderr.wait_for("Handling signal: usr1");
    assert_eq!(server.target().get("/pid").ok(), second.to_string());
}

/// Whether each of these workers answers once within a few requests.
fn serving(server: &Process, workers: &[Pid]) -> bool {
    let mut missing: Vec<_> = workers.iter().map(Pid::to_string).collect();
    for _ in 0..20 {
        // While one worker is busy with this, the other answers.
        let mut busy = server.target().connect().unwrap();
        busy.write_all(b"GET /slow?0.05 HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let pid = server.target().get("/pid").ok();
        missing.retain(|it| *it != pid);
    }
    missing.is_empty()
}

#[test]
fn winch_means_nothing_in_the_foreground() {
    let server = hello(&["--log-level", "debug"]);
    let worker = server.workers(1)[0];
    server.signal(Signal::SIGWINCH);
    server.stderr.wait_for("Handling signal: winch");
    server.stderr.wait_for("SIGWINCH ignored. Not daemonized");
    assert_eq!(server.target().get("/pid").ok(), worker.to_string());
}

#[test]
fn the_masters_signals_do_a_worker_no_harm() {
    let server = hello(&["--log-level", "debug"]);
    let worker = server.workers(1)[0];
    server.target().get("/").ok();
    for signal in [Signal::SIGHUP, Signal::SIGUSR2, Signal::SIGWINCH] {
        kill(worker, signal).unwrap();
    }
    server.stderr.wait_for("SIGHUP ignored");
    server.stderr.wait_for("SIGUSR2 ignored");
    assert_eq!(server.target().get("/pid").ok(), worker.to_string());
}

#[test]
fn those_who_wait_are_served_before_the_end() {
    let mut server = hello(&[]);
    let target = server.target();
    let mut waiting = Vec::new();
    for _ in 0..10 {
        let mut stream = target.connect().unwrap();
        stream
            .write_all(b"GET /slow?0.05 HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        waiting.push(stream);
    }
    server.stderr.wait_for("slow request begins");
    server.signal(Signal::SIGTERM);
    let answers = waiting.iter_mut().map(|stream| {
        let answer = Response::read(stream, false).unwrap();
        assert_eq!(answer.ok(), "slow but done\n");
        answer
    });
    let last = answers.last().unwrap();
    assert_eq!(last.header("Connection"), Some("close"));
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn late_clients_are_refused_while_the_others_are_finished() {
    let mut server = hello(&["--workers", "2"]);
    server.workers(2);
    let target = server.target();
    let mut slow = target.connect().unwrap();
    slow.write_all(b"GET /slow?3 HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    server.stderr.wait_for("slow request begins");
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("Handling signal: term");
    wait_until("late clients are refused", || target.connect().is_err());
    let log = server.stderr.so_far();
    assert!(!log.contains("Shutting down: Master"), "{log}");
    let answer = Response::read(&mut slow, false).unwrap();
    assert_eq!(answer.ok(), "slow but done\n");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_graceful_stop_has_its_end() {
    let mut server = hello(&["--graceful-timeout", "1"]);
    let _busy = keep_busy(&server);
    let asked = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(asked.elapsed() >= Duration::from_secs(1));
    assert!(asked.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_second_signal_makes_a_graceful_stop_quick() {
    let mut server = hello(&["--graceful-timeout", "50"]);
    let _busy = keep_busy(&server);
    let asked = Instant::now();
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("Handling signal: term");
    server.signal(Signal::SIGINT);
    assert_eq!(server.exit_code(), 0);
    assert!(asked.elapsed() < Duration::from_secs(20));
    let log = server.stderr.whole();
    assert!(log.contains("Quick shutdown requested"), "{log}");
}

#[test]
fn workers_do_not_outlive_their_master() {
    let server = hello(&["--workers", "2", "--timeout", "2"]);
    let workers = server.workers(2);
    // The workers are up.
    server.target().get("/").ok();
    server.signal(Signal::SIGKILL);
    let deadline = Instant::now() + DEADLINE;
    while workers.iter().any(|worker| is_alive(*worker)) {
        assert!(Instant::now() < deadline, "{}", server.stderr.so_far());
        thread::sleep(Duration::from_millis(20));
    }
}

fn children(pid: Pid) -> Vec<Pid> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = std::fs::read_to_string(path).unwrap();
    let pids = text.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.map(Pid::from_raw).collect()
}

/// A zombie that has not been reaped yet counts as dead.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    kill(pid, None) != Err(Errno::ESRCH) && !state.starts_with('Z')
}

#[test]
fn it_can_be_process_1() {
    let user = if geteuid().is_root() {
        &[][..]
    } else {
        &["-r"]
    };
    let alone = |command: &[&str]| {
        Start::program("unshare", user)
            .args(["--pid", "--fork", "--mount-proc"])
            .args(command)
    };
    if alone(&["true"]).run().code != 0 {
        eprintln!("skipped: this user may not have process ids of its own");
        return;
    }
    let path = program();
    let mut server = alone(&[path.to_str().unwrap()])
        .args(["--bind", "127.0.0.1:0", "app"])
        .cwd(app("hello"))
        .spawn();
    let line = server.stderr.wait_for("Listening at: ");
    assert!(line.ends_with(" (1)"), "{line}");
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
    // unshare has one child: the master.
    let master = children(server.pid())[0];
    // Orphans become its children, and are reaped.
    assert_eq!(server.target().get("/orphan").ok(), "left behind");
    wait_until("it has the orphan", || children(master).len() == 2);
    wait_until("the orphan is reaped", || children(master).len() == 1);
    kill(master, Signal::SIGTERM).unwrap();
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("Shutting down: Master"), "{log}");
}
