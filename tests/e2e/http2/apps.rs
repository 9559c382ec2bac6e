//! What apps do with a request works over HTTP/2, too.

use std::io::Write;

use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, app, in_both_classes};

/// INTERNAL_ERROR: the client sees that a response is not complete.
const INCOMPLETE: [u32; 1] = [2];

fn serve(name: &str, class: &[&str]) -> (Process, Http2) {
    let server = Start::server(["--http2-cleartext", "prior-knowledge", "app:app"])
        .args(class)
        .cwd(app(name))
        .spawn();
    let client = Http2::open(&Origin::http(&server.target()));
    (server, client)
}

in_both_classes! {
    a_file_of_an_app_is_sent,
    early_hints_come_before_the_answer,
    a_response_that_breaks_off_is_reset,
    a_body_that_nobody_reads_harms_nothing,
}

fn a_file_of_an_app_is_sent(class: &[&str]) {
    let (_server, mut client) = serve("wsgi", class);
    let content: Vec<u8> = (0..3_000_000_u32).map(|it| (it / 7) as u8).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&content).unwrap();
    let stream = client.get(&format!("/file?{}", file.path().display()));
    let answer = client.response(stream);
    assert_eq!((answer.status, answer.body.len()), (200, content.len()));
    assert!(answer.body == content);
}

fn early_hints_come_before_the_answer(class: &[&str]) {
    let (_server, mut client) = serve("wsgi", class);
    let stream = client.request("POST", "/hinted", &[("expect", "100-continue")], b"hello");
    let answer = client.response(stream);
    assert_eq!(answer.status, 200);
    let hints = (103, vec![("link".into(), "</a.css>; rel=preload".into())]);
    assert!(answer.informational.contains(&hints), "{answer:?}");
}

fn a_response_that_breaks_off_is_reset(class: &[&str]) {
    let (server, mut client) = serve("wsgi", class);
    for path in ["/breaks", "/short"] {
        let stream = client.get(path);
        client.expect_reset(stream, &INCOMPLETE);
    }
    server.stderr.wait_for("broken on the way");
    let stream = client.get("/nothing");
    client.response(stream);
}

fn a_body_that_nobody_reads_harms_nothing(class: &[&str]) {
    let (_server, mut client) = serve("wsgi", class);
    let body = vec![b'x'; 40_000];
    for _ in 0..20 {
        let stream = client.request("POST", "/ignore", &[], &body);
        assert_eq!(client.response_head(stream).status, 200);
    }
    // All that was sent counts as taken: the windows are whole again.
    let stream = client.request("POST", "/echo", &[], &body);
    assert_eq!(client.response(stream).status, 200);
}

const ASGI: [&str; 2] = ["-k", "asgi"];

#[test]
fn an_asgi_app_is_told_of_a_reset_and_others_go_on() {
    let (server, mut client) = serve("asgi", &ASGI);
    let waiting = client.get("/wait");
    let other = client.get("/");
    assert_eq!(client.response(other).ok(), "Hello, world!");
    server.stderr.wait_for("waiting");
    client.cancel(waiting);
    server.stderr.wait_for("received http.disconnect");
    client.expect_service();
}

#[test]
fn an_asgi_app_sends_files_and_hints() {
    let (_server, mut client) = serve("asgi", &ASGI);
    let stream = client.get("/path");
    let file = app("asgi").join("app.py");
    let content = std::fs::read_to_string(file).unwrap();
    assert_eq!(client.response(stream).ok(), content);
    let stream = client.get("/hints");
    let answer = client.response(stream);
    assert_eq!(answer.ok(), "hinted");
    assert_eq!(answer.informational.len(), 1, "{answer:?}");
    let stream = client.get("/fail-late");
    client.expect_reset(stream, &INCOMPLETE);
}
