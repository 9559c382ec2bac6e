//! Bodies that an app makes block by block. Blocks that come quickly may leave
//! together, but none waits for the app.

use std::fs;
use std::io::{Read, Write};

use tempfile::TempDir;

use crate::support::http::Stream;
use crate::support::{Process, Response, Start, folder, in_each_class};

in_each_class! {
    blocks_arrive_while_the_app_is_stuck,
    blocks_of_all_sizes_are_whole_and_in_order,
    blocks_before_an_error_arrive,
    a_client_that_leaves_ends_the_app,
}

const APP: &str = r#"
import ctypes, sys, threading, time

SIZES = [1, 2, 100, 5000, 7000, 16384, 3, 16383, 16385, 1, 100_000, 4, 9000, 8000, 300_000, 5] * 5
BODY = [bytes([65 + number % 26]) * size for number, size in enumerate(SIZES)]

def sleep():
    time.sleep(1000)

def compute():
    "In C, with the interpreter's lock: no other thread of Python runs."
    ctypes.PyDLL(None).pause()

def wait():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

def stuck(how):
    for block in (b"one", b"two", b"three"):
        yield block
    {"sleep": sleep, "compute": compute, "wait": wait}[how]()

def breaks(_):
    for block in (b"one", b"two", b"three"):
        yield block
    raise RuntimeError("broken on the way")

def endless(_):
    try:
        while True:
            yield b"and on"
    finally:
        print("the app has ended", file=sys.stderr, flush=True)

def sizes(_):
    yield from BODY

KINDS = {"stuck": stuck, "breaks": breaks, "endless": endless, "sizes": sizes, "written": sizes}

def parts(target):
    kind, _, query = target.partition("?")
    fields = [("Content-Type", "text/plain")]
    if query == "length":
        fields.append(("Content-Length", str(sum(SIZES))))
    return kind, fields, KINDS[kind](query)

def wsgi(environ, start_response):
    target = environ["PATH_INFO"][1:] + "?" + environ["QUERY_STRING"]
    kind, fields, blocks = parts(target)
    write = start_response("200 OK", fields)
    if kind != "written":
        return blocks
    for block in blocks:
        write(block)
    return []

async def asgi(scope, receive, send):
    target = scope["path"][1:] + "?" + scope["query_string"].decode()
    kind, fields, blocks = parts(target)
    fields = [(name.encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    try:
        for block in blocks:
            await send({"type": "http.response.body", "body": block, "more_body": True})
    finally:
        blocks.close()
    await send({"type": "http.response.body", "body": b""})
"#;

fn start(class: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--timeout", "300", "--graceful-timeout", "1"]);
    let server = server.args(class).cwd(dir.path()).spawn();
    (dir, server)
}

fn ask(server: &Process, target: &str, version: &str) -> Box<dyn Stream> {
    let mut stream = server.target().connect().unwrap();
    write!(stream, "GET /{target} HTTP/{version}\r\nHost: a\r\n\r\n").unwrap();
    stream
}

/// Reads until the answer so far ends with `end`.
#[track_caller]
fn read_to(stream: &mut dyn Stream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 1000];
        let count = stream.read(&mut bytes).expect(&text);
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    text
}

fn blocks_arrive_while_the_app_is_stuck(class: &[&str]) {
    for how in ["sleep", "compute", "wait"] {
        let (_app, server) = start(class);
        let mut stream = ask(&server, &format!("stuck?{how}"), "1.1");
        read_to(&mut *stream, "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n");
    }
}

fn blocks_of_all_sizes_are_whole_and_in_order(class: &[&str]) {
    let (_app, server) = start(class);
    let chunked = Response::read(&mut ask(&server, "sizes", "1.1"), false).unwrap();
    let body = chunked.ok();
    assert!(
        body.starts_with("ABBC") && body.len() > 2_000_000,
        "{}",
        body.len()
    );
    let mut last = b'A';
    for letter in body.bytes() {
        let next = if last == b'Z' { b'A' } else { last + 1 };
        assert!(letter == last || letter == next);
        last = letter;
    }
    for kind in ["sizes", "written", "sizes?length", "written?length"] {
        for version in ["1.0", "1.1"] {
            let mut stream = ask(&server, kind, version);
            let answer = Response::read(&mut stream, false).unwrap();
            assert!(answer.ok() == body, "{kind} {version}");
        }
    }
    let mut stream = server.target().connect().unwrap();
    // The connection goes on after each of them.
    for kind in ["sizes", "written?length", "sizes"] {
        write!(stream, "GET /{kind} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert!(
            Response::read(&mut stream, false).unwrap().ok() == body,
            "{kind}"
        );
    }
}

fn blocks_before_an_error_arrive(class: &[&str]) {
    let (_app, server) = start(class);
    let mut text = String::new();
    ask(&server, "breaks", "1.1")
        .read_to_string(&mut text)
        .unwrap();
    assert!(
        text.ends_with("3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n"),
        "{text}"
    );
    server.stderr.wait_for("RuntimeError: broken on the way");
}

fn a_client_that_leaves_ends_the_app(class: &[&str]) {
    let (_app, server) = start(class);
    let mut stream = ask(&server, "endless", "1.1");
    let mut some = [0; 10_000];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    server.stderr.wait_for("the app has ended");
    assert!(!server.stderr.so_far().contains("Traceback"));
}
