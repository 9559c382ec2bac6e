//! Clients that read more slowly than the app yields: the app finishes, and the rest of
//! the answer waits in a file.

use std::fs;
use std::io::Write;

use tempfile::TempDir;

use crate::support::{Process, Response, Start, folder, in_both_classes, own_memory};

in_both_classes! {
    an_app_that_yields_is_done_before_its_readers,
    a_full_disk_makes_the_app_wait,
}

const APP: &str = r#"
import os, resource, signal, sys

# A full disk, for this worker: longer files are refused.
if most := os.environ.get("LONGEST_FILE"):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))

def blocks(count):
    for number in range(count):
        yield number.to_bytes(4, "big") * 16384
    print("done", file=sys.stderr, flush=True)

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    query = environ["QUERY_STRING"]
    return blocks(int(query)) if query else [b"hello"]
"#;

/// A block of 64 KiB.
fn block(number: u32) -> Vec<u8> {
    number.to_be_bytes().repeat(16384)
}

fn start(class: &[&str], args: &[&str]) -> (TempDir, Start) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(class).args(args).args(["app:app"]);
    let server = server.cwd(dir.path());
    (dir, server)
}

fn request(blocks: u32) -> Vec<u8> {
    format!("GET /?{blocks} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

fn wait_for_done(server: &Process, count: usize) {
    let enough = |lines: &[String]| lines.iter().filter(|line| *line == "done").count() >= count;
    server.stderr.wait_until(enough, "the app to be done");
}

fn an_app_that_yields_is_done_before_its_readers(class: &[&str]) {
    const BLOCKS: u32 = 200;
    const READERS: usize = 10;
    let (_app, server) = start(class, &["--workers", "1"]);
    let server = server.spawn();
    let target = server.target();
    target.get("/").ok();
    let worker = server.workers(1)[0];
    let before = own_memory(worker);
    let mut readers: Vec<_> = (0..READERS)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            stream.write_all(&request(BLOCKS)).unwrap();
            stream
        })
        .collect();
    wait_for_done(&server, READERS);
    assert_eq!(target.get("/").ok(), "hello");
    let more = own_memory(worker).saturating_sub(before);
    assert!(more < 30 << 20, "{more} bytes more");
    let expected: Vec<u8> = (0..BLOCKS).flat_map(block).collect();
    for reader in &mut readers {
        let answer = Response::read(reader, false).unwrap();
        assert!(answer.body == expected, "{} bytes", answer.body.len());
        // The connection can be used as before.
        reader.write_all(&request(1)).unwrap();
        assert!(Response::read(reader, false).unwrap().body == block(0));
    }
}

fn a_full_disk_makes_the_app_wait(class: &[&str]) {
    const BLOCKS: u32 = 200;
    let (_app, server) = start(class, &[]);
    let server = server.env("LONGEST_FILE", "1000000").spawn();
    let mut stream = server.target().connect().unwrap();
    stream.write_all(&request(BLOCKS)).unwrap();
    let answer = Response::read(&mut stream, false).unwrap();
    let expected: Vec<u8> = (0..BLOCKS).flat_map(block).collect();
    assert!(answer.body == expected, "{} bytes", answer.body.len());
    wait_for_done(&server, 1);
}

#[test]
fn with_0_the_app_waits_for_its_client() {
    // More than the system buffers between two sockets.
    const BLOCKS: u32 = 400;
    let (_app, server) = start(&["--threads", "2"], &["--response-buffer-size", "0"]);
    let server = server.spawn();
    let mut stream = server.target().connect().unwrap();
    stream.write_all(&request(BLOCKS)).unwrap();
    // The other thread answers at the same time.
    for _ in 0..20 {
        assert_eq!(server.target().get("/").ok(), "hello");
    }
    assert!(!server.stderr.so_far().contains("done"));
    let answer = Response::read(&mut stream, false).unwrap();
    assert_eq!(answer.body.len(), BLOCKS as usize * 65536);
    wait_for_done(&server, 1);
}
