//! The master and its workers: listening, workers that die, and their replacement.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};

use crate::support::{Process, Response, Start, Target, app, folder};

fn hello(args: &[&str]) -> Process {
    Start::server(args).args(["app"]).cwd(app("hello")).spawn()
}

#[test]
fn the_first_lines_are_gunicorns() {
    let server = hello(&[]);
    let worker = server.workers(1)[0];
    let master = server.pid();
    server.stderr.wait_for("Using worker: ");
    let log = server.stderr.so_far();
    let lines: Vec<&str> = log.lines().collect();
    assert!(
        lines[0].contains(&format!("[{master}] [INFO] Starting ")),
        "{log}"
    );
    let listening = format!("[{master}] [INFO] Listening at: http://127.0.0.1:");
    assert!(lines[1].contains(&listening), "{log}");
    assert!(lines[1].ends_with(&format!("({master})")), "{log}");
    let booting = format!("[{worker}] [INFO] Booting worker with pid: {worker}");
    assert!(lines[2].ends_with(&booting), "{log}");
    // The class depends on the app.
    let using = format!("[{worker}] [INFO] Using worker: sync");
    assert!(lines[3].ends_with(&using), "{log}");
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
}

#[test]
fn it_listens_wherever_it_is_told_to() {
    let dir = folder();
    let socket = dir.path().join("site.sock");
    let unix = format!("unix:{}", socket.display());
    let mut server = hello(&["--bind", "[::1]:0", "-b", &unix]);
    let targets = server.targets();
    assert_eq!(targets.len(), 3, "{targets:?}");
    assert_eq!(targets[2], Target::Unix(socket.clone()));
    for target in &targets {
        assert_eq!(target.get("/").ok(), "Hello, world!\n", "{target:?}");
    }
    assert_eq!(targets[0].get("/peer").ok(), "127.0.0.1 HTTP/1.1");
    assert_eq!(targets[1].get("/peer").ok(), "::1 HTTP/1.1");
    assert_eq!(targets[2].get("/peer").ok(), " HTTP/1.1");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!socket.exists(), "the socket's file stays behind");
}

#[test]
fn a_worker_that_a_real_time_signal_has_ended_is_missed_and_not_waited_for() {
    let mut server = hello(&["--graceful-timeout", "3600"]);
    let worker = server.workers(1)[0];
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
    let signal = nix::libc::SIGRTMIN();
    // SAFETY: it takes no pointers.
    unsafe { nix::libc::kill(worker.as_raw(), signal) };
    let line = format!("Worker (pid:{worker}) exited with code {}", 128 + signal);
    server.stderr.wait_for(&line);
    server.workers(2);
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_killed_worker_is_replaced() {
    let server = hello(&["--workers", "2"]);
    let before = server.workers(2);
    kill(before[0], Signal::SIGKILL).unwrap();
    server.stderr.wait_for("was sent SIGKILL!");
    let after = server.workers(3);
    assert!(!before.contains(&after[2]), "{after:?}");
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
}

#[test]
fn both_workers_serve() {
    let server = hello(&["--workers", "2"]);
    let workers = server.workers(2);
    let target = server.target();
    // While one worker is busy, the other answers.
    let slow = begin(&target, "GET /slow?2 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.stderr.wait_for("slow request begins");
    let pid: i32 = target.get("/pid").ok().parse().unwrap();
    assert!(workers.iter().any(|worker| worker.as_raw() == pid));
    assert_eq!(finish(slow).ok(), "slow but done\n");
}

fn begin(target: &Target, request: &str) -> Box<dyn crate::support::http::Stream> {
    let mut stream = target.connect().unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn finish(mut stream: Box<dyn crate::support::http::Stream>) -> Response {
    Response::read(&mut stream, false).unwrap()
}

#[test]
fn term_lets_the_request_in_flight_finish() {
    let mut server = hello(&[]);
    let target = server.target();
    let slow = begin(&target, "GET /slow?1 HTTP/1.1\r\nHost: a\r\n\r\n");
    server.stderr.wait_for("slow request begins");
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("Handling signal: term");
    assert_eq!(finish(slow).ok(), "slow but done\n");
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("Worker exiting (pid: "), "{log}");
    assert!(log.contains("Shutting down: Master"), "{log}");
    assert!(target.connect().is_err(), "nobody listens any more");
}

#[test]
fn int_and_quit_do_not_wait() {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let mut server = hello(&[]);
        let target = server.target();
        let _slow = begin(&target, "GET /slow?50 HTTP/1.1\r\nHost: a\r\n\r\n");
        server.stderr.wait_for("slow request begins");
        let asked = Instant::now();
        server.signal(signal);
        assert_eq!(server.exit_code(), 0, "{signal}");
        assert!(asked.elapsed().as_secs() < 20, "{signal}");
    }
}

#[test]
fn a_stuck_worker_is_killed_and_another_serves() {
    let server = hello(&["--timeout", "1"]);
    let target = server.target();
    let stuck = server.workers(1)[0];
    let mut connection = begin(&target, "GET /slow?50 HTTP/1.1\r\nHost: a\r\n\r\n");
    let line = server.stderr.wait_for("WORKER TIMEOUT");
    assert!(
        line.contains(&format!("[CRITICAL] WORKER TIMEOUT (pid:{stuck})")),
        "{line}"
    );
    let mut rest = Vec::new();
    // The client gets a 500 or the end of the connection, and does not wait for ever.
    let _ = connection.read_to_end(&mut rest);
    server.workers(2);
    assert_eq!(target.get("/").ok(), "Hello, world!\n");
}

#[test]
fn a_broken_page_is_a_500_and_a_traceback() {
    let server = hello(&[]);
    let answer = server.target().get("/broken");
    assert_eq!(answer.status, 500);
    assert!(
        !answer.text().contains("RuntimeError"),
        "told to the client"
    );
    server.stderr.wait_for("RuntimeError: this page is broken");
    let log = server.stderr.so_far();
    assert!(log.contains("Error handling request"), "{log}");
    assert!(log.contains("Traceback (most recent call last):"), "{log}");
}

#[test]
fn each_request_has_its_access_line() {
    let server = hello(&["--access-logfile", "-"]);
    let target = server.target();
    target.exchange(
        "GET /pid?a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Referer: http://from/\r\nUser-Agent: \"quoted\"\r\n\r\n",
    );
    let line = server.stdout.wait_for("/pid?a=b");
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.contains("] \"GET /pid?a=b HTTP/1.1\" 200 "), "{line}");
    assert!(line.ends_with(r#" "http://from/" "\"quoted\"""#), "{line}");

    let dir = folder();
    let file = dir.path().join("access.log");
    let mut server = hello(&["--access-logfile", file.to_str().unwrap()]);
    server.target().get("/");
    server.signal(Signal::SIGTERM);
    server.exit_code();
    let log = fs::read_to_string(file).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("\"GET / HTTP/1.1\" 200 14 "), "{log}");
}

#[test]
fn no_request_is_logged_unasked() {
    let mut server = hello(&[]);
    server.target().get("/");
    server.signal(Signal::SIGTERM);
    server.exit_code();
    assert_eq!(server.stdout.whole(), "");
}

#[test]
fn the_error_log_goes_where_it_is_told_to() {
    let dir = folder();
    let file = dir.path().join("error.log");
    let mut server = hello(&[
        "--error-logfile",
        file.to_str().unwrap(),
        "--log-level",
        "warning",
    ]);
    // Nothing about the start is in its log; only its exit shows that it ran.
    let log = || fs::read_to_string(&file).unwrap_or_default();
    server.signal(Signal::SIGTERM);
    server.exit_code();
    assert!(!log().contains("[INFO]"), "{}", log());
    assert_eq!(server.stderr.whole(), "");

    let mut server = hello(&["--error-logfile", file.to_str().unwrap()]);
    let deadline = Instant::now() + crate::support::DEADLINE;
    while !log().contains("Booting worker") {
        assert!(Instant::now() < deadline, "{}", log());
        thread::yield_now();
    }
    server.signal(Signal::SIGTERM);
    server.exit_code();
    assert!(log().contains("Shutting down: Master"), "{}", log());
}

#[test]
fn variables_reach_the_app() {
    let server = hello(&["--env", "GREETING=good day", "-e", "EMPTY="]);
    let target = server.target();
    assert_eq!(target.get("/variable?GREETING").ok(), "good day");
    assert_eq!(target.get("/variable?EMPTY").ok(), "");
    assert_eq!(target.get("/variable?MISSING").ok(), "unset");
}

#[test]
fn bodies_come_through() {
    let server = hello(&[]);
    let target = server.target();
    let plain = target.exchange(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(plain.ok(), "hello");
    let chunked = target.exchange(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
    );
    assert_eq!(chunked.ok(), "hello world");
    let big = "x".repeat(3_000_000);
    let length = big.len();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    let answer = target.exchange(format!("{head}Content-Length: {length}\r\n\r\n{big}"));
    assert_eq!(answer.body.len(), length);
    let head = target.exchange("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(head.header("Content-Length"), Some("14"));
    assert_eq!(target.exchange("nonsense\r\n\r\n").status, 400);
}
