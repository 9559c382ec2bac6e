//! PEP 3333 over real sockets.

use std::fs;
use std::io::{Read, Write};

use crate::support::in_both_classes;
use crate::support::{Process, Start, app, folder};

in_both_classes! {
    the_validator_finds_nothing,
    heads_and_empty_answers_have_no_body,
    a_block_is_sent_before_the_next_is_made,
    what_breaks_on_the_way_is_cut_and_told,
    large_bodies_go_both_ways,
}

fn serve(class: &[&str], name: &str) -> Process {
    Start::server(["--access-logfile", "-", name])
        .args(class)
        .cwd(app("wsgi"))
        .spawn()
}

/// Everything that the server sends until it closes the connection.
fn whole(server: &Process, request: &[u8]) -> String {
    let mut stream = server.target().connect().unwrap();
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn request(method: &str, path: &str) -> Vec<u8> {
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes()
}

fn the_validator_finds_nothing(class: &[&str]) {
    let server = serve(class, "app:app");
    let target = server.target();
    let by_length = "POST /echo?q HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let by_chunks = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                     2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: t\r\n\r\n";
    for body in [by_length, by_chunks] {
        assert_eq!(target.exchange(body).ok(), "POST hello");
    }
    assert_eq!(target.exchange("GET /echo HTTP/1.0\r\n\r\n").ok(), "GET ");
    assert_eq!(target.exchange(request("HEAD", "/echo")).ok(), "");
    assert_eq!(target.get("/write").ok(), "one two three");
    assert_eq!(target.get("/replaced").status, 503);
    assert_eq!(target.get("/nothing").status, 204);
    assert_eq!(
        target.get("/file?/etc/hostname").ok(),
        fs::read_to_string("/etc/hostname").unwrap()
    );
    let log = server.stderr.so_far();
    assert!(!log.contains("Error") && !log.contains("garbage"), "{log}");
}

fn heads_and_empty_answers_have_no_body(class: &[&str]) {
    let server = serve(class, "app:plain");
    for request in [
        request("HEAD", "/echo"),
        request("HEAD", "/stream?/"),
        request("GET", "/nothing"),
    ] {
        let text = whole(&server, &request);
        assert!(
            text.ends_with("\r\n\r\n") && text.matches("\r\n\r\n").count() == 1,
            "{text}"
        );
        assert!(!text.contains("Transfer-Encoding"), "{text}");
    }
}

fn a_block_is_sent_before_the_next_is_made(class: &[&str]) {
    let server = serve(class, "app:plain");
    let dir = folder();
    let sign = dir.path().join("go");
    let mut stream = server.target().connect().unwrap();
    stream
        .write_all(&request("GET", &format!("/stream?{}", sign.display())))
        .unwrap();
    let mut text = String::new();
    while !text.ends_with("3\r\none\r\n") {
        let mut bytes = [0; 1000];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    fs::write(sign, "").unwrap();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.ends_with("3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"),
        "{text}"
    );
}

fn what_breaks_on_the_way_is_cut_and_told(class: &[&str]) {
    let server = serve(class, "app:plain");
    let text = whole(&server, &request("GET", "/breaks"));
    assert!(text.ends_with("\r\n\r\n4\r\npart\r\n"), "{text}");
    server.stderr.wait_for("Error handling request GET /breaks");
    server.stderr.wait_for("RuntimeError: broken on the way");
    server.stdout.wait_for("\"GET /breaks HTTP/1.1\" 200 4 ");
    assert!(whole(&server, &request("GET", "/short")).ends_with("Content-Length: 9\r\n\r\nshort"));
}

fn large_bodies_go_both_ways(class: &[&str]) {
    let server = serve(class, "app:plain");
    let target = server.target();
    let block: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let size = 8 << 20;

    let mut stream = target.connect().unwrap();
    write!(
        stream,
        "POST /digest HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    .unwrap();
    for _ in 0..8 {
        write!(stream, "{:x}\r\n", block.len()).unwrap();
        stream.write_all(&block).unwrap();
        stream.write_all(b"\r\n").unwrap();
    }
    stream.write_all(b"0\r\n\r\n").unwrap();
    let mut by_chunks = String::new();
    stream.read_to_string(&mut by_chunks).unwrap();
    let digest = by_chunks.split("\r\n\r\n").nth(1).unwrap();
    assert!(digest.starts_with(&format!("{size} ")), "{digest}");

    assert_eq!(target.get("/blocks").ok(), "ab".repeat(5000));

    let dir = folder();
    let path = dir.path().join("large");
    fs::write(&path, block.repeat(8)).unwrap();
    let response = target.get(&format!("/file?{}", path.display()));
    assert_eq!(
        response.header("Content-Length"),
        Some(size.to_string().as_str())
    );
    assert!(response.body == fs::read(&path).unwrap());
    server.stdout.wait_for(&format!(" 200 {size} "));

    let mut request =
        format!("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    request.extend(response.body);
    assert_eq!(target.exchange(request).ok(), digest);
}
