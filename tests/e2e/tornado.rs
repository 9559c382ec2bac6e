//! The tornado worker: handlers, streams in both directions, WebSockets, and WSGI apps
//! in Tornado's container.

use std::io::{Read, Write};

use nix::sys::signal::Signal;

use crate::retirement::one_connection_outlives_reloads;
use crate::support::http::Stream;
use crate::support::{Process, Response, Sleepers, Start, Target, app, folder, site};
use crate::websocket::frames::{close, frame, text};
use crate::websocket::{KEY, WebSocket};

fn serve(app: &str, args: &[&str]) -> Process {
    site::serve_zip("tornado_site", "tornado", app, args)
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The text of the next message.
#[track_caller]
fn said(socket: &mut WebSocket) -> String {
    let (first, payload) = socket.next().expect("a message");
    assert_eq!(first & 0x0f, 1);
    String::from_utf8(payload).unwrap()
}

#[test]
fn handlers() {
    let mut server = serve("app:app", &[]);
    let target = server.target();
    let main = target.get("/");
    assert_eq!(main.header("set-cookie"), Some("visited=yes; Path=/"));
    assert_eq!(
        main.ok(),
        r#"{"started": ["started"], "remote": "127.0.0.1"}"#
    );
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    assert_eq!(target.get("/nowhere").status, 404);
    assert_eq!(target.get("/raises?tea=1").status, 418);
    assert_eq!(target.get("/raises").status, 500);
    assert_eq!(target.get("/interim").status, 500);
    server
        .stderr
        .wait_for("The response status 101 is only an interim one");
    server.stderr.wait_for("KeyError: 'cup'");
    let head = target.exchange("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(head.status, 405);

    let form = "--x\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nAda\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let form = format!("{form}{}\r\n--x--\r\n", "line\n".repeat(100_000));
    let posted = target.exchange(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\n\r\n{form}",
        form.len()
    ));
    assert_eq!(posted.ok(), "Ada 500000");

    // Requests wait at the same time; TERM lets them finish.
    let sleepers = Sleepers::ask(&target);
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    server.signal(Signal::SIGTERM);
    sleepers.expect_answers();
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn its_client_shares_the_loop() {
    let server = serve("app:app", &[]);
    let Target::Tcp(address) = server.target() else {
        panic!("tests listen on an address")
    };
    let asked = format!("GET /relay HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    assert_eq!(server.target().exchange(asked).ok(), "0\n1\n2\n");
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
    server.stderr.wait_for("note: streamed, True");
    let mut stream = target.connect().unwrap();
    stream.write_all(request("/wait").as_bytes()).unwrap();
    server.stderr.wait_for("note: waiting");
    drop(stream);
    server.stderr.wait_for("note: the client has gone");
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
}

#[test]
fn bodies_are_received_as_they_come() {
    let server = serve("app:app", &[]);
    let target = server.target();
    let head = "PUT /receive HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("c350\r\n{}\r\n", "x".repeat(50_000));
    let mut stream = target.connect().unwrap();
    // The rest is sent when the handler has received the first chunk.
    let send = |stream: &mut Box<dyn Stream>, number: usize, chunks: usize| {
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(chunk.as_bytes()).unwrap();
        let begun = |lines: &[String]| {
            let begun = lines.iter().filter(|line| line.contains("a body begins"));
            begun.count() == number
        };
        server.stderr.wait_until(begun, "the body to begin");
        for _ in 1..chunks {
            stream.write_all(chunk.as_bytes()).unwrap();
        }
    };
    send(&mut stream, 1, 10);
    stream.write_all(b"0\r\n\r\n").unwrap();
    assert_eq!(
        Response::read(&mut stream, false).unwrap().ok(),
        "500000 True"
    );
    // The handler allows a million bytes.
    send(&mut stream, 2, 21);
    assert_eq!(Response::read(&mut stream, false).unwrap().status, 413);
    server.stderr.wait_for("note: True, but not all of it");
}

#[test]
fn a_body_that_never_comes_is_answered_408() {
    let server = serve("app:app", &["--timeout", "2"]);
    let mut stream = server.target().connect().unwrap();
    let head = "PUT /receive HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = Response::read(&mut stream, false).unwrap();
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_reload_takes_idle_connections_over() {
    let server = serve("app:app", &["--keep-alive", "100"]);
    one_connection_outlives_reloads(&server, &request("/lines"));
}

#[test]
fn websockets() {
    let mut server = serve("app:app", &[]);
    let target = server.target();
    let mut ada = WebSocket::open(&target, "/chat?name=ada");
    ada.send(&text("is anybody there?"));
    assert_eq!(
        said(&mut ada),
        r#"{"from": "ada", "text": "is anybody there?"}"#
    );
    let mut bob = WebSocket::open(&target, "/chat?name=bob");
    bob.send(&text("hello"));
    for socket in [&mut ada, &mut bob] {
        assert_eq!(said(socket), r#"{"from": "bob", "text": "hello"}"#);
    }
    bob.send(&frame(0x82, b"abc"));
    assert_eq!(bob.next(), Some((0x82, b"cba".to_vec())));
    bob.send(&close(1001, b"away"));
    server.stderr.wait_for("note: bob leaves with 1001 away");

    let ended_by = |message: &str, code: u16, reason: &str| {
        let mut socket = WebSocket::open(&target, "/chat?name=eve");
        socket.send(&text(message));
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        assert_eq!(socket.next(), Some((0x88, payload)));
        socket.send(&close(code, b""));
        server
            .stderr
            .wait_for(&format!("note: eve leaves with {code}"));
    };
    ended_by("bye", 4000, "as you wish");
    ended_by("stumble", 1011, "");
    ended_by(&"x".repeat(101), 1009, "the message is too big");

    // A WebSocket that a handler refuses, and a path without a WebSocket.
    let old = format!("GET /chat?name=old HTTP/1.0\r\n{KEY}\r\n");
    assert_eq!(target.exchange(old).status, 400);
    let refused = WebSocket::refused(&target, "/chat");
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
    let ordinary = WebSocket::refused(&target, "/lines");
    assert!(ordinary.starts_with("HTTP/1.1 200 "), "{ordinary}");

    server.signal(Signal::SIGTERM);
    let restart = [&1012u16.to_be_bytes()[..], b"the server restarts"].concat();
    assert_eq!(ada.next(), Some((0x88, restart)));
    ada.send(&close(1012, b""));
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("note: ada leaves with 1012"), "{log}");
}

#[test]
fn wsgi_apps_too() {
    let server = serve("app:wsgi", &[]);
    let posted = server.target().exchange(
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(posted.ok(), "POST hello");
}

#[test]
fn preloaded_apps_find_a_loop_of_their_own() {
    let server = serve("app:app", &["--preload", "--workers", "2"]);
    let target = server.target();
    for _ in 0..10 {
        assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    }
}

#[test]
fn what_does_not_fit_is_one_sentence() {
    let fails = |mut server: Process, code, sentence: &str| {
        assert_eq!(server.exit_code(), code);
        let log = server.stderr.whole();
        assert!(log.contains(sentence), "{log}");
        assert!(!log.contains("Traceback"), "{log}");
    };
    let missing = Start::server(["app:wsgi", "-k", "tornado"])
        .cwd(app("tornado_site"))
        .spawn();
    let sentence = "The worker class 'tornado' needs tornado: add it to the app's packages.";
    fails(missing, 3, sentence);
    let elsewhere = folder();
    let other = Start::server(["app:app", "--app-zip"])
        .args([site::zip("tornado_site")])
        .cwd(elsewhere.path())
        .spawn();
    let sentence = "The app is one of Tornado's: take the worker class 'tornado'.";
    fails(other, 4, sentence);
}
