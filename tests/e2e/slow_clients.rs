//! Clients that are slow on purpose, and proxies between them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Process, Response, Start, Target, app, in_all_classes};

fn serve(args: &[&str]) -> Process {
    Start::server(args)
        .args(["--access-logfile", "-", "app:app"])
        .cwd(app("mirror"))
        .spawn()
}

#[test]
fn slow_requests_are_told_so() {
    let server = serve(&["--header-timeout", "1", "--timeout", "2"]);
    let target = server.target();
    for beginning in [
        "GET /slow HTTP/1.1\r\nHost: a\r\n",
        "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhel",
    ] {
        let mut stream = target.connect().unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 408 Request Timeout\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    }
    server.stdout.wait_for("\"GET /slow HTTP/1.1\" 408 ");
    server.stdout.wait_for("\"POST /slow HTTP/1.1\" 408 ");
    // A client that has sent nothing gets no answer.
    let mut silent = target.connect().unwrap();
    assert_eq!(silent.read_to_end(&mut Vec::new()).unwrap(), 0);
    assert_eq!(target.get("/").status, 200);
}

#[test]
fn a_swarm_of_slow_clients_holds_nobody_up() {
    let server = serve(&["--worker-connections", "5000"]);
    let target = server.target();
    let Target::Tcp(address) = &target else {
        unreachable!("it was asked to listen there");
    };
    let mut swarm: Vec<_> = (0..1000)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let request = b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ";
    for byte in &request[..8] {
        for stream in &mut swarm {
            stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(target.get("/quick").status, 200);
        thread::sleep(Duration::from_millis(20));
    }
    // They are served once their requests are complete.
    for stream in &mut swarm {
        stream.write_all(&request[8..]).unwrap();
        stream.write_all(b"y\r\n\r\n").unwrap();
    }
    for mut stream in swarm {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    }
}

in_all_classes! {
    who_says_nothing_goes_first_when_there_are_too_many,
}

fn who_says_nothing_goes_first_when_there_are_too_many(class: &[&str]) {
    let server = Start::server(["--worker-connections", "10"])
        .args(["--timeout", "0", "--header-timeout", "0"])
        .args(class)
        .cwd(app("mirror"))
        .spawn();
    let target = server.target();
    let mut speaks = target.connect().unwrap();
    speaks.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n").unwrap();
    let mut silent: Vec<_> = (0..30).map(|_| target.connect().unwrap()).collect();
    for _ in 0..3 {
        assert_eq!(target.get("/").status, 200);
    }
    // The oldest connections were closed, the youngest were not.
    assert_eq!(silent[0].read(&mut [0]).unwrap(), 0);
    let mut youngest = silent.pop().unwrap();
    youngest
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    assert_eq!(Response::read(&mut youngest, false).unwrap().status, 200);
    speaks.write_all(b"\r\n").unwrap();
    assert_eq!(Response::read(&mut speaks, false).unwrap().status, 200);
}

#[test]
fn a_client_may_have_only_so_many_connections() {
    let server = serve(&["--max-connections-per-client", "3", "--retry-after", "7"]);
    let target = server.target();
    let held: Vec<_> = (0..3).map(|_| target.connect().unwrap()).collect();
    let mut fourth = target.connect().unwrap();
    let mut text = String::new();
    fourth.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 503 Service Unavailable\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nRetry-After: 7\r\n"), "{text}");
    drop(held);
    let served = || {
        let mut stream = target.connect().unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let mut text = String::new();
        stream.write_all(request).is_ok()
            && stream.read_to_string(&mut text).is_ok()
            && text.starts_with("HTTP/1.1 200 OK")
    };
    assert!((0..1000).any(|_| served()));
}

fn seen(target: &Target, request: impl AsRef<[u8]>) -> Value {
    serde_json::from_str(&target.exchange(request).ok()).unwrap()
}

#[test]
fn proxies_tell_for_whom_they_speak() {
    let server = serve(&[
        "--proxy-protocol",
        "--proxy-headers",
        "--request-id",
        "X-Request-ID",
    ]);
    let target = server.target();
    let get = "GET / HTTP/1.1\r\nHost: a\r\n";
    let page = seen(
        &target,
        format!("PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n{get}\r\n"),
    );
    let peer = &page["peer"];
    assert_eq!(
        (&peer["REMOTE_ADDR"], &peer["REMOTE_PORT"]),
        (&"1.2.3.4".into(), &"9".into())
    );
    assert_eq!(
        (&peer["PROXY_ADDR"], &peer["PROXY_PORT"]),
        (&"5.6.7.8".into(), &"10".into())
    );
    assert_eq!(peer["PROXY_PROTOCOL"], "TCP4");
    server.stdout.wait_for("1.2.3.4 - - ");
    let made = page["request_id"].as_str().unwrap().to_owned();
    assert_eq!(made.len(), 32);
    let page = seen(&target, format!("PROXY UNKNOWN\r\n{get}\r\n"));
    assert_eq!(page["peer"]["REMOTE_ADDR"], "127.0.0.1");
    assert_ne!(page["request_id"], made.as_str());
    let fields = "X-Forwarded-For: 6.6.6.6, 1.2.3.4, 127.0.0.1\r\nX-Request-ID: of-the-proxy\r\n";
    let page = seen(&target, format!("{get}{fields}\r\n"));
    assert_eq!(page["peer"]["REMOTE_ADDR"], "1.2.3.4");
    assert_eq!(page["request_id"], "of-the-proxy");

    let server = serve(&["--proxy-protocol", "--proxy-allow-from", "10.0.0.1"]);
    let refused = server
        .target()
        .exchange(format!("PROXY UNKNOWN\r\n{get}\r\n"));
    assert_eq!(refused.status, 403);
    let page = seen(&server.target(), format!("{get}{fields}\r\n"));
    assert_eq!(page["peer"]["REMOTE_ADDR"], "127.0.0.1");
    assert_eq!(page["request_id"], Value::Null);
}

#[test]
fn bodies_have_a_limit() {
    let server = serve(&["--limit-request-body", "5"]);
    let target = server.target();
    let post = |fields: &str, body: &str| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        target.exchange(head + body).status
    };
    assert_eq!(post("Content-Length: 5", "hello"), 200);
    assert_eq!(post("Content-Length: 6", ""), 413);
    assert_eq!(
        post("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        200
    );
    assert_eq!(
        post("Transfer-Encoding: chunked", "5\r\nhello\r\n1\r\n"),
        413
    );
}
