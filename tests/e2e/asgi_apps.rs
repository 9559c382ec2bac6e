//! Whole ASGI applications from zips with their packages inside.

use std::io::{Read, Write};

use nix::sys::signal::Signal;

use crate::support::{Client, Process, Root, Start, Target, site};
use crate::websocket::WebSocket;
use crate::websocket::frames::{close, text};

fn serve(zip: &str, args: &[&str]) -> Process {
    Start::server(["--app-zip"])
        .args([site::zip(zip)])
        .args(args)
        .cwd("/") // where no app is
        .spawn()
}

fn post(target: &Target, path: &str, kind: &str, fields: &str, body: &str) -> (u16, String) {
    let response = target.exchange(format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    (response.status, response.text())
}

/// The text of the next message.
#[track_caller]
fn said(socket: &mut WebSocket) -> String {
    let (first, payload) = socket.next().expect("a message");
    assert_eq!(first & 0x0f, 1);
    String::from_utf8(payload).unwrap()
}

#[test]
fn fastapi_from_a_zip() {
    // Without further settings the app is found, and recognised as ASGI.
    let mut server = serve("fastapi_site", &[]);
    use_fastapi(&server);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("fastapi has ended"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn fastapi_on_asyncios_loop() {
    let server = serve("fastapi_site", &["--asgi-loop", "asyncio"]);
    use_fastapi(&server);
}

#[test]
fn fastapi_in_an_empty_root() {
    let Some(root) = Root::empty() else { return };
    let root = root.put(site::zip("fastapi_site"), "/api.zip");
    let server = root.server(["--app-zip", "/api.zip"]).spawn();
    use_fastapi(&server);
}

pub fn use_fastapi(server: &Process) {
    use_fastapi_at(server, &server.target());
}

/// The same with a server that is reached through a proxy.
pub fn use_fastapi_at(server: &Process, target: &Target) {
    let mut browser = Client::new(target.clone());
    assert_eq!(browser.get("/").ok(), r#"{"message":"Welcome"}"#);
    assert_eq!(browser.get("/thread").ok(), r#"{"main":false}"#);
    assert_eq!(browser.get("/items/1").ok(), r#"{"name":"first"}"#);
    assert_eq!(browser.get("/items/2").status, 404);
    assert_eq!(browser.get("/items/x").status, 422);
    let docs = browser.get("/docs").ok();
    assert!(docs.contains("A small shop"), "{docs}");
    let openapi = browser.get("/openapi.json").ok();
    assert!(openapi.contains(r#""/items/{number}""#), "{openapi}");

    let item = r#"{"name": "tea", "price": 2.5}"#;
    let json = "application/json";
    assert_eq!(post(target, "/items", json, "", item).0, 401);
    let ada = "Authorization: Bearer ada\r\n";
    let bad = post(target, "/items", json, ada, r#"{"name": "x", "price": 0}"#);
    assert_eq!(bad.0, 422, "{}", bad.1);
    let added = post(target, "/items", json, ada, item);
    assert_eq!(added, (201, r#"{"name":"tea","price":2.5}"#.to_owned()));
    server.stderr.wait_for("note: ada adds tea for 2.5");

    let content = "line\n".repeat(100_000);
    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n{content}\r\n--x--\r\n"
    );
    let uploaded = post(
        target,
        "/upload",
        "multipart/form-data; boundary=x",
        "",
        &form,
    );
    assert_eq!(
        uploaded,
        (200, r#"{"name":"a.txt","size":500000}"#.to_owned())
    );

    let mut ada = WebSocket::open(target, "/chat/ada");
    ada.send(&text("is anybody there?"));
    assert_eq!(
        said(&mut ada),
        r#"{"from":"ada","text":"is anybody there?"}"#
    );
    let mut bob = WebSocket::open(target, "/chat/bob");
    bob.send(&text("hello"));
    for socket in [&mut ada, &mut bob] {
        assert_eq!(said(socket), r#"{"from":"bob","text":"hello"}"#);
    }
    bob.send(&close(1001, b""));
    server.stderr.wait_for("note: bob leaves with 1001");

    // The client closes the connection during a download.
    let mut stream = target.connect().unwrap();
    stream
        .write_all(b"GET /numbers HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    let mut some = [0; 100_000];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    assert_eq!(browser.get("/").ok(), r#"{"message":"Welcome"}"#);
}

#[test]
fn django_is_found_by_its_manage_py() {
    // The site has a wsgi.py, but neither an asgi.py nor an ASGI_APPLICATION.
    let server = serve("django_site", &["-k", "asgi"]);
    assert_eq!(server.target().get("/nowhere").status, 404);
    server.stderr.wait_for("Using worker: asgi");
}

#[test]
fn django_with_async_views_and_channels() {
    let server = serve("async_sites", &["django_site:app"]);
    let target = server.target();
    let welcome = post(&target, "/", "text/plain", "", "a body");
    // The app's own protection against forged requests is not set up here.
    assert_eq!(
        welcome,
        (200, r#"{"async": true, "body": "a body"}"#.to_owned())
    );
    assert_eq!(target.get("/thread").ok(), "sync view");
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    assert_eq!(target.get("/nowhere").status, 404);

    let mut one = WebSocket::open(&target, "/room");
    let mut two = WebSocket::open(&target, "/room");
    // Only when the second client is in the room, too.
    two.send(&text(r#"{"text": "hi"}"#));
    assert_eq!(said(&mut two), r#"{"said": "hi"}"#);
    assert_eq!(said(&mut one), r#"{"said": "hi"}"#);

    let mut slow = target.connect().unwrap();
    slow.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    server.stderr.wait_for("slow view");
    drop(slow);
    server.stderr.wait_for("slow view cancelled");
    let log = server.stderr.so_far();
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn litestar() {
    let server = serve("async_sites", &["litestar_site:app"]);
    let target = server.target();
    assert_eq!(target.get("/").ok(), r#"{"message":"Welcome"}"#);
    let item = r#"{"name":"tea","price":2.5}"#;
    assert_eq!(
        post(&target, "/items", "application/json", "", item),
        (201, item.to_owned())
    );
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    let mut socket = WebSocket::open(&target, "/echo");
    socket.send(&text("[1]"));
    assert_eq!(said(&mut socket), r#"{"echo":[1]}"#);
    assert_eq!(socket.next(), Some((0x88, 1000u16.to_be_bytes().to_vec())));
    assert!(!server.stderr.so_far().contains("Traceback"));
}

#[test]
fn quart() {
    let server = serve("async_sites", &["quart_site:app"]);
    let target = server.target();
    assert_eq!(target.get("/").ok().trim_end(), r#"{"message":"Welcome"}"#);
    let form = "application/x-www-form-urlencoded";
    let answer = post(&target, "/form", form, "", "name=Ada");
    assert_eq!(answer, (200, "Good day, Ada!".to_owned()));
    assert_eq!(target.get("/lines").ok(), "0\n1\n2\n");
    let mut socket = WebSocket::open(&target, "/echo");
    socket.send(&text("one"));
    assert_eq!(said(&mut socket), "echo one");
    socket.send(&close(1000, b""));
    assert_eq!(socket.next(), Some((0x88, 1000u16.to_be_bytes().to_vec())));
    assert!(!server.stderr.so_far().contains("Traceback"));
}
