//! The gevent worker: greenlets run while the app or its client waits.

use std::io::{Read, Write};

use nix::sys::signal::Signal;

use crate::retirement::one_connection_outlives_reloads;
use crate::support::{Process, Response, Start, app, folder, site};

fn serve(args: &[&str]) -> Process {
    site::serve_zip("gevent_site", "gevent", "app:app", args)
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn requests_that_wait_do_so_together() {
    // More clients than fit into one second if they were served one after the other.
    let server = serve(&["--timeout", "5"]);
    let target = server.target();
    assert_eq!(
        target.get("/patched").ok(),
        "gevent._socket3 True _DummyThread"
    );
    let mut slow: Vec<_> = (0..30)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            stream.write_all(request("/sleep").as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(target.get("/").ok(), "Hello, world!");
    for stream in &mut slow {
        assert_eq!(Response::read(stream, false).unwrap().ok(), "slept");
    }
    assert!(!server.stderr.so_far().contains("WORKER TIMEOUT"));
}

#[test]
fn clients_that_are_slow_hold_nobody_up() {
    // Nothing is received before the app is called; the app itself waits.
    let server = serve(&["--body-buffer-size", "0"]);
    let target = server.target();
    let mut sender = target.connect().unwrap();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    sender.write_all(head.as_bytes()).unwrap();
    let mut reader = target.connect().unwrap();
    reader.write_all(request("/stream").as_bytes()).unwrap();
    let mut some = [0; 1];
    reader.read_exact(&mut some).unwrap();
    for _ in 0..10 {
        assert_eq!(target.get("/").ok(), "Hello, world!");
    }
    sender.write_all(b"world").unwrap();
    assert_eq!(
        Response::read(&mut sender, false).unwrap().ok(),
        "helloworld"
    );
    let mut rest = Vec::new();
    let mut block = vec![0; 1 << 16];
    while rest.len() < 200 * 65536 {
        let length = reader.read(&mut block).unwrap();
        assert!(length > 0, "{}", rest.len());
        rest.extend_from_slice(&block[..length]);
    }
}

#[test]
fn a_body_that_never_comes_is_answered_408() {
    let server = serve(&["--body-buffer-size", "0", "--timeout", "2"]);
    let mut stream = server.target().connect().unwrap();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = Response::read(&mut stream, false).unwrap();
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_reload_takes_idle_connections_over() {
    let server = serve(&["--keep-alive", "100"]);
    one_connection_outlives_reloads(&server, &request("/"));
}

#[test]
fn term_lets_requests_finish() {
    let mut server = serve(&[]);
    let mut slow = server.target().connect().unwrap();
    assert_eq!(server.target().get("/").ok(), "Hello, world!");
    slow.write_all(request("/sleep").as_bytes()).unwrap();
    server.signal(Signal::SIGTERM);
    assert_eq!(Response::read(&mut slow, false).unwrap().ok(), "slept");
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn without_gevent_there_is_one_sentence() {
    let mut server = Start::server(["app:app", "-k", "gevent"])
        .cwd(app("gevent_site"))
        .spawn();
    assert_eq!(server.exit_code(), 3);
    let log = server.stderr.whole();
    let sentence = "The worker class 'gevent' needs gevent: add it to the app's packages.";
    assert!(log.contains(sentence), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn greenlets_may_run_before_the_worker_serves() {
    let dir = folder();
    let config = "
worker_class = 'gevent'
def post_worker_init(worker):
    import gevent
    gevent.spawn(gevent.sleep, 0.01).join()
";
    std::fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let server = Start::server(["app:app", "--app-zip"])
        .args([site::zip("gevent_site")])
        .cwd(dir.path())
        .spawn();
    for _ in 0..3 {
        assert_eq!(server.target().get("/").ok(), "Hello, world!");
    }
}
