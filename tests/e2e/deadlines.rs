//! Requests that take too long: the client gets an answer, the logs say why, and
//! another worker takes over.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Process, Response, Start, Target, folder, wait_until};

/// `/wait?60` waits in Python, `/hold?60` in C while it holds the interpreter lock,
/// `/begin?60` after a part of its answer, and `/close?60` after all of it. All other
/// paths return the process id.
const APP: &str = "
import ctypes, os, time

def wait_for_it(seconds):
    time.sleep(seconds)

def application(environ, start_response):
    seconds = float(environ['QUERY_STRING'] or 0)
    path = environ['PATH_INFO']
    if path == '/hold':
        ctypes.PyDLL(None).usleep(int(seconds * 1e6))
    elif path == '/wait':
        wait_for_it(seconds)
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield str(os.getpid()).encode()
    if path == '/begin':
        wait_for_it(seconds)

class Whole(list):
    def close(self):
        wait_for_it(float(self.seconds))

answer = application

def application(environ, start_response):
    blocks = answer(environ, start_response)
    if environ['PATH_INFO'] == '/close':
        blocks = Whole(blocks)
        blocks.seconds = environ['QUERY_STRING']
    return blocks
";

fn serve(dir: &Path, options: &[&str]) -> Process {
    fs::write(dir.join("app.py"), APP).unwrap();
    Start::server(["app", "--access-logfile", "-", "--chdir"])
        .args([dir])
        .args(options)
        .spawn()
}

fn wait_for_another(target: &Target, pid: &str) {
    wait_until("another worker answers", || {
        let answer = target.get("/");
        answer.status == 200 && answer.text() != pid
    });
}

/// In its own thread, until there is an answer.
fn ask(target: &Target, path: &'static str) -> thread::JoinHandle<Response> {
    let target = target.clone();
    thread::spawn(move || target.get(path))
}

#[test]
fn a_request_above_its_time_gets_504_and_another_worker() {
    let dir = folder();
    let server = serve(dir.path(), &["--request-timeout", "1"]);
    let target = server.target();
    let pid = target.get("/").ok();
    assert_eq!(target.get("/wait?0.2").ok(), pid, "in time");
    let answer = target.get("/wait?60");
    assert_eq!(answer.status, 504);
    assert_eq!(answer.header("Connection"), Some("close"));
    wait_for_another(&target, &pid);

    let line = server.stderr.wait_for("request_timeout (1 s) is over for");
    let what = format!(
        "Worker (pid: {pid}) is replaced: request_timeout (1 s) is over for GET /wait?60 from 127.0.0.1, 1."
    );
    assert!(line.contains(&what), "{line}");
    // The whole stack, with source lines.
    server.stderr.wait_for("in wait_for_it");
    server.stderr.wait_for("time.sleep(seconds)");
    let line = server.stdout.wait_for("\"GET /wait?60 HTTP/1.1\" 504 ");
    assert!(line.starts_with("127.0.0.1 "), "{line}");
    // The old worker ends although its request does not.
    server
        .stderr
        .wait_for(&format!("[{pid}] [INFO] Worker exiting (pid: {pid})"));
    wait_until("it is gone", || {
        kill(Pid::from_raw(pid.parse().unwrap()), None).is_err()
    });
    assert_eq!(server.stdout.so_far().matches("/wait?60").count(), 1);
}

#[test]
fn c_code_that_keeps_the_interpreter_is_no_way_out() {
    let dir = folder();
    let server = serve(dir.path(), &["--request-timeout", "1"]);
    let target = server.target();
    let pid = target.get("/").ok();
    assert_eq!(target.get("/hold?60").status, 504);
    wait_for_another(&target, &pid);
    server
        .stderr
        .wait_for("is over for GET /hold?60 from 127.0.0.1");
    server.stderr.wait_for("in application");
}

#[test]
fn an_answer_that_has_begun_is_cut_off() {
    let dir = folder();
    let server = serve(dir.path(), &["--request-timeout", "1"]);
    let target = server.target();
    let pid = target.get("/").ok();
    let mut stream = target.connect().unwrap();
    let request = b"GET /begin?60 HTTP/1.1\r\nHost: testserver\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut received = Vec::new();
    // The connection ends, but the chunked body does not.
    let _ = stream.read_to_end(&mut received);
    let text = String::from_utf8_lossy(&received);
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    assert!(
        text.contains(&pid) && !text.contains(" 504 ") && !text.ends_with("0\r\n\r\n"),
        "{text}"
    );
    server.stdout.wait_for("\"GET /begin?60 HTTP/1.1\" 504 0 ");
    wait_for_another(&target, &pid);
}

#[test]
fn what_follows_an_answer_has_its_time_too_and_is_logged_once() {
    let dir = folder();
    let server = serve(dir.path(), &["--request-timeout", "1"]);
    let target = server.target();
    let pid = target.get("/close?60").ok();
    server
        .stderr
        .wait_for("request_timeout (1 s) is over for GET /close?60");
    server.stderr.wait_for("in Whole.close");
    wait_for_another(&target, &pid);
    wait_until("the old worker is gone", || {
        kill(Pid::from_raw(pid.parse().unwrap()), None).is_err()
    });
    server.stdout.wait_for("\"GET /close?60 HTTP/1.1\" 200 ");
    let log = server.stdout.so_far();
    assert_eq!(log.matches("/close?60").count(), 1, "{log}");
}

#[test]
fn other_threads_finish_what_is_in_time() {
    let dir = folder();
    let threads = [
        "--worker-class",
        "gthread",
        "--threads",
        "4",
        "--request-timeout",
        "2",
    ];
    let server = serve(dir.path(), &threads);
    let target = server.target();
    let pid = target.get("/").ok();
    let stuck = [ask(&target, "/wait?60"), ask(&target, "/wait?60")];
    server
        .stderr
        .wait_for("request_timeout (2 s) is over for GET /wait?60");
    let in_time = ask(&target, "/wait?1");
    for answer in stuck {
        assert_eq!(answer.join().unwrap().status, 504);
    }
    assert_eq!(in_time.join().unwrap().status, 200);
    wait_for_another(&target, &pid);
    server
        .stderr
        .wait_for(&format!("Worker exiting (pid: {pid})"));
}

#[test]
fn a_coroutine_has_its_time_too_and_tells_its_task() {
    const COROUTINE: &str = "
import asyncio, os

async def wait_for_it(seconds):
    await asyncio.sleep(seconds)

async def application(scope, receive, send):
    await asyncio.create_task(wait_for_it(float(scope['query_string'] or 0)), name='a nap')
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': str(os.getpid()).encode()})
";
    let dir = folder();
    fs::write(dir.path().join("coroutine.py"), COROUTINE).unwrap();
    let options = [
        "--worker-class",
        "asgi",
        "--asgi-lifespan",
        "off",
        "--request-timeout",
        "1",
    ];
    let server = Start::server(["coroutine", "--access-logfile", "-", "--chdir"])
        .args([dir.path()])
        .args(options)
        .spawn();
    let target = server.target();
    let pid = target.get("/").ok();
    assert_eq!(target.get("/?60").status, 504);
    server.stdout.wait_for("\"GET /?60 HTTP/1.1\" 504 ");
    server.stderr.wait_for("in wait_for_it");
    server.stderr.wait_for("a nap");
    wait_for_another(&target, &pid);
    server
        .stderr
        .wait_for(&format!("Worker exiting (pid: {pid})"));
}

/// The master enforces `timeout`: the worker reports nothing and is aborted.
#[test]
fn an_aborted_worker_says_what_it_was_doing() {
    let dir = folder();
    let server = serve(dir.path(), &["--timeout", "2"]);
    let target = server.target();
    let pid = target.get("/").ok();
    let answer = ask(&target, "/wait?60");
    server.stderr.wait_for(&format!(
        "Worker (pid: {pid}) was aborted in GET /wait?60 from 127.0.0.1, "
    ));
    server.stderr.wait_for("in wait_for_it");
    server.stdout.wait_for("\"GET /wait?60 HTTP/1.1\" 504 ");
    assert_eq!(answer.join().unwrap().status, 504);
    wait_for_another(&target, &pid);
}

#[test]
fn an_idle_worker_that_is_aborted_says_so() {
    let dir = folder();
    let server = serve(dir.path(), &[]);
    let pid = server.target().get("/").ok();
    // The client has its answer before the worker is done with the request. The line is
    // written when there is nothing left to do.
    server.stdout.wait_for("\"GET / HTTP/1.1\" 200 ");
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGABRT).unwrap();
    server
        .stderr
        .wait_for(&format!("Worker (pid: {pid}) was aborted in no request"));
    server.stderr.wait_for("exited with code 1");
    wait_for_another(&server.target(), &pid);
}

#[test]
fn spew_prints_the_lines_that_are_run() {
    let dir = folder();
    let server = serve(dir.path(), &["--spew"]);
    assert_eq!(server.target().get("/wait?0").status, 200);
    let file = dir.path().join("app.py");
    server
        .stdout
        .wait_for(&format!("{}:5:     time.sleep(seconds)", file.display()));
    assert!(
        !server.stdout.so_far().contains("/lib/python3."),
        "{}",
        server.stdout.so_far()
    );
}
