//! The aiohttp worker: handlers, streams both ways, files and WebSockets.

use std::io::{Read, Write};

use nix::sys::signal::Signal;

use crate::support::{Process, Response, Sleepers, Start, app, folder, site};
use crate::websocket::frames::{close, frame, text};
use crate::websocket::{KEY, WebSocket};

fn serve(app: &str, args: &[&str]) -> Process {
    site::serve_zip("aiohttp_site", "aiohttp.GunicornWebWorker", app, args)
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

#[test]
fn handlers() {
    let mut server = serve("app:app", &[]);
    let target = server.target();
    let main = target.get("/?q=a%20b");
    assert_eq!(main.header("X-Started"), Some("1"));
    assert_eq!(main.header("Server"), Some("rgunicorn"));
    assert_eq!(
        main.ok(),
        r#"{"remote": "127.0.0.1", "scheme": "http", "q": "a b"}"#
    );
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    assert_eq!(target.get("/nowhere").status, 404);
    let forbidden = target.get("/raises?tea=1");
    assert_eq!(
        (forbidden.status, forbidden.text().as_str()),
        (403, "no tea")
    );
    assert_eq!(target.get("/raises").status, 500);
    server.stderr.wait_for("Error handling request");
    server.stderr.wait_for("KeyError: 'cup'");
    let source = std::fs::read_to_string(app("aiohttp_site/app.py")).unwrap();
    assert_eq!(target.get("/source").ok(), source);
    let head = target.exchange("HEAD /source HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let length = source.len().to_string();
    assert_eq!(head.header("Content-Length"), Some(length.as_str()));

    let form = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAda\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let form = format!("{form}{}\r\n--x--\r\n", "line\n".repeat(100_000));
    let posted = target.exchange(format!(
        "POST /form HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\nExpect: 100-continue\r\n\r\n{form}",
        form.len()
    ));
    // The server asked for the body.
    assert_eq!(posted.status, 100);

    // Several requests on one connection, and requests that wait at the same time; TERM
    // lets them finish.
    let mut stream = target.connect().unwrap();
    for _ in 0..3 {
        stream.write_all(request("/lines").as_bytes()).unwrap();
        let answer = Response::read(&mut stream, false).unwrap();
        assert_eq!(answer.ok(), "0\n1\n2\n");
    }
    let sleepers = Sleepers::ask(&target);
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    server.signal(Signal::SIGTERM);
    sleepers.expect_answers();
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("note: cleaned up"), "{log}");
}

#[test]
fn forms() {
    let server = serve("app:factory", &[]);
    let form = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAda\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let form = format!("{form}{}\r\n--x--\r\n", "line\n".repeat(100_000));
    let posted = server.target().exchange(format!(
        "POST /form HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n{form}",
        form.len()
    ));
    assert_eq!(posted.ok(), "Ada 500000");
}

#[test]
fn bodies_are_received_as_they_come() {
    let server = serve("app:app", &[]);
    let mut stream = server.target().connect().unwrap();
    let head = "PUT /receive HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("c350\r\n{}\r\n", "x".repeat(50_000));
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(chunk.as_bytes()).unwrap();
    server.stderr.wait_for("a body begins");
    for _ in 1..100 {
        stream.write_all(chunk.as_bytes()).unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(Response::read(&mut stream, false).unwrap().ok(), "5000000");
}

#[test]
fn streams_end_where_their_client_does() {
    let server = serve("app:app", &[]);
    let target = server.target();
    let mut stream = target.connect().unwrap();
    stream.write_all(request("/endless").as_bytes()).unwrap();
    let mut some = vec![0; 1_000_000];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    server.stderr.wait_for("note: the client has gone");
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
}

#[test]
fn an_answer_that_breaks_off_is_cut_off() {
    let server = serve("app:app", &["--keep-alive", "100"]);
    for (path, end) in [("/breaks", "4\r\nhalf\r\n"), ("/breaks?length=1", "half")] {
        let mut stream = server.target().connect().unwrap();
        stream.write_all(request(path).as_bytes()).unwrap();
        let mut text = String::new();
        // The connection may also be reset.
        let _ = stream.read_to_string(&mut text);
        assert!(text.ends_with(end), "{text}");
    }
    server.stderr.wait_for("RuntimeError: no other half");
    assert_eq!(server.target().get("/lines").ok(), "0\n1\n2\n");
}

#[test]
fn websockets() {
    let mut server = serve("app:app", &[]);
    let target = server.target();
    let mut socket = WebSocket::ask(&target, "/socket", "Sec-WebSocket-Protocol: chat\r\n");
    socket.send(&text("hello"));
    assert_eq!(socket.next(), Some((0x81, b"HELLO".to_vec())));
    let long = "x".repeat(100_000);
    socket.send(&text(&long));
    assert_eq!(
        socket.next(),
        Some((0x81, long.to_uppercase().into_bytes()))
    );
    socket.send(&frame(0x82, b"abc"));
    assert_eq!(socket.next(), Some((0x82, b"cba".to_vec())));
    socket.send(&close(1001, b"away"));
    server.stderr.wait_for("note: closed with 1001");

    let mut socket = WebSocket::open(&target, "/socket");
    socket.send(&text("close"));
    let payload = [&3000u16.to_be_bytes()[..], b"bye"].concat();
    assert_eq!(socket.next(), Some((0x88, payload)));
    socket.send(&close(3000, b""));
    server.stderr.wait_for("note: closed with 3000");

    let refused = WebSocket::refused(&target, "/socket?refuse=1");
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    let old = format!("GET /socket HTTP/1.0\r\n{KEY}\r\n");
    assert_eq!(target.exchange(old).status, 400);

    let mut socket = WebSocket::open(&target, "/socket");
    server.signal(Signal::SIGTERM);
    let restart = [&1012u16.to_be_bytes()[..], b"the server restarts"].concat();
    assert_eq!(socket.next(), Some((0x88, restart)));
    socket.send(&close(1012, b""));
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("note: closed with 1012"), "{log}");
}

#[test]
fn what_does_not_fit_is_told() {
    let mut missing = Start::server(["app:app", "-k", "aiohttp.GunicornWebWorker"])
        .cwd(app("aiohttp_site"))
        .spawn();
    assert_eq!(missing.exit_code(), 3);
    let log = missing.stderr.whole();
    let sentence = "The worker class 'aiohttp' needs aiohttp: add it to the app's packages.";
    assert!(log.contains(sentence), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
    let mut broken = serve("app:broken", &[]);
    assert_eq!(broken.exit_code(), 3);
    broken.stderr.wait_for("RuntimeError: no app today");
    let mut other = serve("app:note", &[]);
    assert_eq!(other.exit_code(), 3);
    other
        .stderr
        .wait_for("is no aiohttp.web.Application, nor a");
}

#[test]
fn a_class_may_derive_from_aiohttps() {
    let dir = folder();
    std::fs::write(
        dir.path().join("gunicorn.conf.py"),
        "import aiohttp
class Mine(aiohttp.GunicornWebWorker):
    def init_process(self):
        self.log.info('begins as %s', type(self).__name__)
        super().init_process()
worker_class = Mine
",
    )
    .unwrap();
    let server = Start::server(["app:app", "--app-zip"])
        .args([site::zip("aiohttp_site")])
        .cwd(dir.path())
        .spawn();
    assert_eq!(server.target().get("/lines").ok(), "0\n1\n2\n");
    server.stderr.wait_for("begins as Mine");
}
