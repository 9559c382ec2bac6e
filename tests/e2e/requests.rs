//! HTTP/1.1 over real sockets: good requests in any pieces, bad requests that are
//! refused, and clients that are slow or gone.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::in_both_classes;
use crate::support::{Process, Response, Start, app};

in_both_classes! {
    pieces_make_no_difference,
    the_body_is_asked_for_when_the_client_waits,
    it_is_asked_for_after_early_hints_too,
    bad_requests_are_refused,
    an_answer_reaches_a_client_that_is_still_sending,
    what_comes_after_the_last_request_is_ignored,
    a_child_of_the_app_keeps_no_connection_open,
    slow_clients_lose_their_connection_and_not_the_worker,
    clients_that_leave_are_nobodys_error,
    the_word_of_a_trusted_proxy_is_taken,
    a_path_that_is_not_the_apps_is_told_with_the_reason,
}

fn serve(class: &[&str], args: &[&str]) -> Process {
    Start::server(class)
        .args(args)
        .args(["app:plain"])
        .cwd(app("wsgi"))
        .spawn()
}

fn pieces_make_no_difference(class: &[&str]) {
    let server = serve(class, &[]);
    let target = server.target();
    let requests = [
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        "\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ];
    for request in requests {
        for size in [1, 2, 7, 50] {
            let mut stream = target.connect().unwrap();
            for piece in request.as_bytes().chunks(size) {
                stream.write_all(piece).unwrap();
                thread::sleep(Duration::from_micros(200));
            }
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.ends_with("\r\n\r\nPOST hello"), "{text}");
        }
    }
}

fn the_body_is_asked_for_when_the_client_waits(class: &[&str]) {
    let server = serve(class, &[]);
    let target = server.target();
    let head = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
    };
    let mut stream = target.connect().unwrap();
    stream.write_all(head("/echo").as_bytes()).unwrap();
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200 OK") && text.ends_with("POST hello"),
        "{text}"
    );

    // A client that does not wait is not asked to send the body.
    let at_once = target.exchange(head("/echo") + "hello");
    assert_eq!(at_once.ok(), "POST hello");
    let other = head("/echo").replace("100-continue", "something");
    assert_eq!(target.exchange(other).status, 417);
}

fn it_is_asked_for_after_early_hints_too(class: &[&str]) {
    // The app is called before the body arrives.
    let server = serve(class, &["--body-buffer-size", "0"]);
    let mut stream = server.target().connect().unwrap();
    let head = "POST /hinted HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                Expect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
                   HTTP/1.1 100 Continue\r\n\r\n";
    let mut bytes = vec![0; interim.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap(), interim);
    stream.write_all(b"hello").unwrap();
    let answer = Response::read(&mut stream, false).unwrap();
    assert_eq!(answer.ok(), "POST hello");
}

fn bad_requests_are_refused(class: &[&str]) {
    let server = serve(
        class,
        &["--limit-request-line", "100", "--limit-request-fields", "3"],
    );
    let target = server.target();
    let with = |fields: &str| format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    for (status, request) in [
        (400, "nonsense\r\n\r\n".to_owned()),
        (505, "GET /echo HTTP/2.0\r\n\r\n".to_owned()),
        (400, "GET /echo HTTP/1.1\r\n\r\n".to_owned()),
        (400, "GET /echo HTTP/1.1\nHost: a\n\n".to_owned()),
        (400, with("Host: b\r\n")),
        (400, with("X : y\r\n")),
        (400, with("X: y\r\n z\r\n")),
        (
            400,
            with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
        ),
        (400, with("Content-Length: +1\r\n")),
        (400, with("Transfer-Encoding: chunked\r\n") + "-1\r\n"),
        (400, with("Transfer-Encoding: chunked\r\n") + "1\r\nab"),
        (414, format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100))),
        (431, with("A: 1\r\nB: 2\r\nC: 3\r\n")),
        (431, with(&format!("A: {}\r\n", "a".repeat(8190)))),
        (501, with("Transfer-Encoding: mystery\r\n")),
    ] {
        let response = target.exchange(&request);
        assert_eq!(response.status, status, "{request:?}");
        assert_eq!(response.header("Connection"), Some("close"), "{request:?}");
    }
    server
        .stderr
        .wait_for("[WARNING] Invalid request from ip=127.0.0.1: ");
    assert!(!server.stderr.so_far().contains("Traceback"));
}

fn an_answer_reaches_a_client_that_is_still_sending(class: &[&str]) {
    let server = serve(class, &[]);
    for number in 0..40 {
        let connection = ["keep-alive", "close"][number % 2];
        let mut request = format!(
            "POST /ignore HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\nContent-Length: 50000\r\n\r\n"
        )
        .into_bytes();
        request.resize(request.len() + 50_000, b'x');
        assert_eq!(server.target().exchange(request).ok(), "never mind");
    }
}

fn what_comes_after_the_last_request_is_ignored(class: &[&str]) {
    let server = serve(class, &[]);
    for _ in 0..20 {
        let mut stream = server.target().connect().unwrap();
        let last = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(last.repeat(2).as_bytes()).unwrap();
        let mut text = String::new();
        // A reset would be an error here.
        stream.read_to_string(&mut text).unwrap();
        assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 1, "{text}");
    }
}

fn a_child_of_the_app_keeps_no_connection_open(class: &[&str]) {
    let server = serve(class, &[]);
    for path in ["/forks", "/echo"] {
        for request in [
            format!("GET {path} HTTP/1.0\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        ] {
            let mut stream = server.target().connect().unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            assert!(text.ends_with("\r\n\r\nGET "), "{text}");
        }
    }
}

fn slow_clients_lose_their_connection_and_not_the_worker(class: &[&str]) {
    let server = serve(class, &["--timeout", "1"]);
    let target = server.target();
    let worker = server.workers(1);
    for beginning in [
        "",
        "GET /ec",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhel",
    ] {
        let mut slow = target.connect().unwrap();
        slow.write_all(beginning.as_bytes()).unwrap();
        let begin = Instant::now();
        let mut text = String::new();
        slow.read_to_string(&mut text).unwrap();
        let waited = begin.elapsed();
        assert!(
            waited > Duration::from_millis(900),
            "{beginning:?}: {waited:?}"
        );
        assert!(
            waited < Duration::from_secs(10),
            "{beginning:?}: {waited:?}"
        );
        assert_eq!(target.get("/echo").ok(), "GET ");
    }
    assert_eq!(server.workers(1), worker);
}

fn clients_that_leave_are_nobodys_error(class: &[&str]) {
    let server = serve(class, &[]);
    let target = server.target();
    for beginning in ["", "GET", "GET /ignore HTTP/1.1\r\nHost: a\r\n\r\n"] {
        target
            .connect()
            .unwrap()
            .write_all(beginning.as_bytes())
            .unwrap();
        assert_eq!(target.get("/echo").ok(), "GET ");
    }
    let log = server.stderr.so_far();
    assert!(!log.contains("ERROR") && !log.contains("WARNING"), "{log}");
}

fn the_word_of_a_trusted_proxy_is_taken(class: &[&str]) {
    let request = "GET /scheme HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nSCRIPT_NAME: /scheme\r\n\r\n";
    let mounted = request
        .replace("GET /scheme", "GET /m/scheme")
        .replace("NAME: /scheme", "NAME: /m");
    let server = serve(class, &[]);
    assert_eq!(server.target().exchange(mounted.as_str()).ok(), "https /m");
    let contradicted = mounted.replace("Host: a", "Host: a\r\nX-Forwarded-Ssl: off");
    assert_eq!(server.target().exchange(contradicted).status, 400);
    let server = serve(class, &["--forwarded-allow-ips", "10.0.0.1"]);
    assert_eq!(server.target().exchange(request).ok(), "http ");
}

fn a_path_that_is_not_the_apps_is_told_with_the_reason(class: &[&str]) {
    let server = Start::server(class)
        .args(["--access-logfile", "-", "app:plain"])
        .env("SCRIPT_NAME", "/mounted")
        .cwd(app("wsgi"))
        .spawn();
    let target = server.target();
    for path in ["/health", "/mountedness", "/<b>"] {
        let why = format!(
            "Configuration problem: Request path '{path}' does not start with SCRIPT_NAME '/mounted'"
        );
        let answer = target.get(path);
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(answer.header("Connection"), Some("close"), "{path}");
        let text = answer.text().replace("&#x27;", "'");
        let shown = why.replace('<', "&lt;").replace('>', "&gt;");
        assert!(text.contains(&shown), "{text}");
        let warning = format!("[WARNING] Invalid request from ip=127.0.0.1: {why}");
        server.stderr.wait_for(&warning);
        server
            .stdout
            .wait_for(&format!("\"GET {path} HTTP/1.1\" 500 "));
    }
    assert_eq!(target.get("/mounted/scheme").ok(), "http /mounted");
    let log = server.stderr.so_far();
    assert!(
        !log.contains("ERROR") && !log.contains("Traceback"),
        "{log}"
    );
}
