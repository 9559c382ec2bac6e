//! Request bodies that arrive slowly or not at all, and bodies for which there is no
//! room on the disk.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Process, Response, Start, folder};

/// Makes tests from functions that take the arguments for a worker class. In these
/// classes either the app itself waits for the body, or the server does.
macro_rules! in_each_class {
    ($($name:ident,)+) => {
        mod sync {
            $( #[test] fn $name() { super::$name(&["app:wsgi"]); } )+
        }
        mod sync_unbuffered {
            $( #[test] fn $name() { super::$name(&["--body-buffer-size", "0", "app:wsgi"]); } )+
        }
        mod gthread {
            $( #[test] fn $name() { super::$name(&["--threads", "4", "app:wsgi"]); } )+
        }
        mod gthread_unbuffered {
            $( #[test] fn $name() {
                super::$name(&["--threads", "4", "--body-buffer-size", "0", "app:wsgi"]);
            } )+
        }
        mod asgi {
            $( #[test] fn $name() { super::$name(&["-k", "asgi", "app:asgi"]); } )+
        }
    };
}

in_each_class! {
    a_body_that_never_comes_is_answered_408,
    a_body_that_keeps_to_its_rate_is_read,
    clients_that_promise_a_body_do_not_fill_a_worker,
    a_stop_does_not_wait_for_them,
}

const APP: &str = r#"
import asyncio, hashlib, os, resource, signal, sys

# A full disk, for this worker: longer files are refused.
if most := os.environ.get("LONGEST_FILE"):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))

def wsgi(environ, start_response):
    print("called", file=sys.stderr, flush=True)
    sha, size = hashlib.sha256(), 0
    while block := environ["wsgi.input"].read(50_000):
        sha.update(block)
        size += len(block)
    start_response("200 OK", [])
    return [f"{size} {sha.hexdigest()}".encode()]

async def start(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    print("called", file=sys.stderr, flush=True)
    if scope["path"] == "/late":
        await asyncio.sleep(3)
    if scope["path"] == "/begun":
        await start(send)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
    sha, size = hashlib.sha256(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            print("disconnected", file=sys.stderr, flush=True)
            if scope["path"] == "/stays":
                await asyncio.Event().wait()
            return
        sha.update(message["body"])
        size += len(message["body"])
        if not message["more_body"]:
            break
    if scope["path"] != "/begun":
        await start(send)
    body = f"{size} {sha.hexdigest()}".encode()
    await send({"type": "http.response.body", "body": body})
"#;

fn start(args: &[&str]) -> (TempDir, Start) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(args)
        .args(["--access-logfile", "-"])
        .cwd(dir.path());
    (dir, server)
}

fn serve(class: &[&str], args: &[&str]) -> (TempDir, Process) {
    let (dir, server) = start(&[args, class].concat());
    (dir, server.spawn())
}

const PROMISE: &[u8] = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";

fn a_body_that_never_comes_is_answered_408(class: &[&str]) {
    let (_app, server) = serve(class, &["--timeout", "2"]);
    for some in ["", "x"] {
        let mut stream = server.target().connect().unwrap();
        stream.write_all(PROMISE).unwrap();
        stream.write_all(some.as_bytes()).unwrap();
        let answer = Response::read(&mut stream, false).unwrap();
        assert_eq!(answer.status, 408);
        assert_eq!(answer.header("Connection"), Some("close"));
        assert!(answer.text().contains("came too slowly"), "{answer:?}");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    }
    let lines = server.stdout.wait_until(
        |lines| lines.iter().filter(|line| line.contains("\" 408 ")).count() == 2,
        "two lines with status 408",
    );
    assert!(lines[0].contains("\"POST /x HTTP/1.1\" 408 "), "{lines:?}");
    let log = server.stderr.so_far();
    assert!(!log.contains("Traceback"), "{log}");
    assert!(log.contains("came too slowly"), "{log}");
}

fn a_body_that_keeps_to_its_rate_is_read(class: &[&str]) {
    let (_app, server) = serve(class, &["--timeout", "2", "--body-min-rate", "1"]);
    let mut stream = server.target().connect().unwrap();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..20 {
        // It takes twice as long as a client may be silent.
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(b"x").unwrap();
    }
    let answer = Response::read(&mut stream, false).unwrap();
    assert!(answer.ok().starts_with("20 "));
}

fn clients_that_promise_a_body_do_not_fill_a_worker(class: &[&str]) {
    let (_app, server) = serve(class, &["--timeout", "2", "--worker-connections", "10"]);
    let target = server.target();
    let silent: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            stream.write_all(PROMISE).unwrap();
            stream
        })
        .collect();
    target.get("/").ok();
    drop(silent);
}

fn a_stop_does_not_wait_for_them(class: &[&str]) {
    let (_app, mut server) = serve(class, &["--timeout", "2", "--graceful-timeout", "50"]);
    let mut stream = server.target().connect().unwrap();
    stream.write_all(PROMISE).unwrap();
    // The second request shows that the first one was read, if it does not block the
    // worker.
    if !class.contains(&"app:wsgi") {
        server.target().get("/").ok();
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(Response::read(&mut stream, false).unwrap().status, 408);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(!log.contains("graceful_timeout"), "{log}");
}

fn asgi(args: &[&str]) -> (TempDir, Process) {
    serve(&["-k", "asgi", "app:asgi"], args)
}

#[test]
fn an_asgi_app_that_does_not_end_is_ended() {
    let (_app, server) = asgi(&["--timeout", "2"]);
    let mut stream = server.target().connect().unwrap();
    stream
        .write_all(b"POST /stays HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    server.stderr.wait_for("disconnected");
    assert_eq!(Response::read(&mut stream, false).unwrap().status, 408);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn an_asgi_answer_that_has_begun_is_cut_off() {
    let (_app, server) = asgi(&["--timeout", "2"]);
    let mut stream = server.target().connect().unwrap();
    stream
        .write_all(b"POST /begun HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.ends_with("5\r\nfirst\r\n"), "{text}");
    server.stderr.wait_for("disconnected");
}

#[test]
fn the_time_of_an_asgi_app_is_not_its_clients() {
    let (_app, server) = asgi(&["--timeout", "2"]);
    let mut stream = server.target().connect().unwrap();
    stream
        .write_all(b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo")
        .unwrap();
    std::thread::sleep(Duration::from_secs(3));
    stream.write_all(b"dy").unwrap();
    let answer = Response::read(&mut stream, false).unwrap();
    assert!(answer.ok().starts_with("4 "));
}

/// Sends a megabyte in two halves, the second after the app was called.
#[track_caller]
fn upload(server: &Process) {
    let body: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let mut stream = server.target().connect().unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
    stream
        .write_all(&[head, &body[..500_000]].concat())
        .unwrap();
    server.stderr.wait_for("called");
    stream.write_all(&body[500_000..]).unwrap();
    let answer = Response::read(&mut stream, false).unwrap().ok();
    let digest = ring::digest::digest(&ring::digest::SHA256, &body);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    assert_eq!(answer, format!("1000000 {hex}"));
    let line = server.stderr.wait_for("cannot be put into a file");
    assert!(line.contains("[ERROR]"), "{line}");
}

#[test]
fn a_disk_that_fills_up_lets_the_app_read_the_rest() {
    for class in [&["app:wsgi"][..], &["--threads", "2", "app:wsgi"]] {
        for most in ["10000", "300000"] {
            let (_app, server) = start(class);
            upload(&server.env("LONGEST_FILE", most).spawn());
        }
    }
}

#[test]
fn where_no_file_can_be_made_the_app_reads_the_rest() {
    let (app, server) = start(&["app:wsgi"]);
    let nowhere = app.path().join("nowhere");
    upload(&server.env("TMPDIR", &nowhere).spawn());
}
