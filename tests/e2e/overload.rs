//! 503 with Retry-After: if there are too many requests, or if a worker ends before a
//! request is served.

use std::fs;
use std::io::{Read, Write};
use std::thread;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Process, Response, Start, folder, wait_until};

/// Marks each request that it gets, and answers when there is a file `go`.
const APP: &str = "
import asyncio, os, time

def app(environ, start_response):
    open('at-' + environ['PATH_INFO'].strip('/'), 'w').close()
    while not os.path.exists('go'):
        time.sleep(0.01)
    start_response('200 OK', [])
    return [b'served']

async def aapp(scope, receive, send):
    if scope['type'] == 'lifespan':
        await receive()
        await send({'type': 'lifespan.startup.complete'})
        await receive()
        return await send({'type': 'lifespan.shutdown.complete'})
    open('at-' + scope['path'].strip('/'), 'w').close()
    while not os.path.exists('go'):
        await asyncio.sleep(0.01)
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': b'served'})
";

const SYNC: &[&str] = &["app:app"];
const GTHREAD: &[&str] = &["--threads", "2", "app:app"];
const ASGI: &[&str] = &["--worker-class", "asgi", "app:aapp"];

fn serve(class: &[&str], args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--access-logfile", "-", "--retry-after", "7"])
        .args([
            "--access-logformat",
            "%(r)s %(s)s %({x-id}i)s=%(request_id)s",
        ])
        .args(["--request-id", "X-ID", "--request-id-in-response"])
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

/// Waits until the request of this name is in the app.
fn wait_for_app(dir: &TempDir, name: &str) {
    let mark = dir.path().join(format!("at-{name}"));
    wait_until("the app has the request", || mark.exists());
}

#[track_caller]
fn expect_503(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("Retry-After"), Some("7"));
    assert_eq!(answer.header("Connection"), Some("close"));
}

/// The id of the response is in the access log, after the id that the client sent.
#[track_caller]
fn expect_id(server: &Process, answer: &Response, told: &str) {
    let id = answer.header("X-ID").expect("it has an id");
    server.stdout.wait_for(&format!(" 503 {told}={id}"));
}

#[test]
fn more_requests_than_a_worker_takes_are_told_so() {
    for class in [GTHREAD, ASGI] {
        let (dir, server) = serve(class, &["--limit-concurrency", "1"]);
        let target = server.target();
        let first = {
            let target = target.clone();
            thread::spawn(move || target.get("/first").ok())
        };
        wait_for_app(&dir, "first");
        let second = target.get("/second");
        expect_503(&second);
        expect_id(&server, &second, "-");
        let third = target.exchange(
            "POST /third HTTP/1.1\r\nHost: a\r\nX-ID: told\r\nContent-Length: 1\r\n\r\nx",
        );
        expect_503(&third);
        assert_eq!(third.header("X-ID"), Some("told"));
        expect_id(&server, &third, "told");
        server.stdout.wait_for("GET /second HTTP/1.1 503 ");
        fs::write(dir.path().join("go"), "").unwrap();
        assert_eq!(first.join().unwrap(), "served");
        wait_until("there is room again", || {
            target.get("/fourth").status == 200
        });
        assert!(!dir.path().join("at-second").exists());
    }
}

#[test]
fn who_is_not_answered_before_the_end_is_told_so() {
    for class in [SYNC, GTHREAD, ASGI] {
        let (dir, mut server) = serve(class, &["--graceful-timeout", "2"]);
        let target = server.target();
        let connect = |bytes: &str| {
            let mut stream = target.connect().unwrap();
            stream.write_all(bytes.as_bytes()).unwrap();
            stream
        };
        // One request is in the app, one is incomplete, and the others wait or are in
        // the app, too.
        let mut streams = vec![connect("GET /first HTTP/1.1\r\nHost: a\r\n\r\n")];
        wait_for_app(&dir, "first");
        streams.push(connect("GET /partly HTTP/1.1\r\nX-ID: told\r\n"));
        streams.extend((0..3).map(|_| connect("GET /more HTTP/1.1\r\nHost: a\r\n\r\n")));
        server.signal(Signal::SIGTERM);
        let answers = streams.iter_mut().map(|stream| {
            let answer = Response::read(stream, false).unwrap();
            expect_503(&answer);
            assert!(answer.header("X-ID").is_some());
            assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
            answer
        });
        let answers: Vec<_> = answers.collect();
        expect_id(&server, &answers[0], "-");
        server.stdout.wait_for("GET /first HTTP/1.1 503 ");
        server.stderr.wait_for("clients are told to come again");
        server.exit_code();
    }
}
