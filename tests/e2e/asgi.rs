//! ASGI over real sockets: requests, responses, and all ways in which either side ends.

use std::io::{Read, Write};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::support::{Process, Response, Start, Target, app};

fn serve(args: &[&str]) -> Process {
    Start::server(["app:app"])
        .args(args)
        .cwd(app("asgi"))
        .spawn()
}

fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// Everything that is received for one request on a connection that is closed.
fn raw(target: &Target, request: &str) -> String {
    let mut stream = target.connect().unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_asgi_app_is_recognised_and_served() {
    let server = serve(&[]);
    let response = server.target().get("/");
    assert_eq!(response.ok(), "Hello, world!");
    assert_eq!(response.header("Content-Length"), Some("13"));
    assert!(response.header("Date").is_some());
    server.stderr.wait_for("Using worker: asgi");
    for class in ["asgi", "uvicorn.workers.UvicornWorker"] {
        let server = serve(&["-k", class]);
        assert_eq!(server.target().get("/").ok(), "Hello, world!");
    }
}

#[test]
fn apps_of_another_kind_are_refused_with_advice() {
    for (args, advice) in [
        (
            &["app:wsgi", "-k", "asgi"][..],
            "take the worker class 'sync' or 'gthread'",
        ),
        (&["app:Double"], "ASGI 2"),
        (&["app:Double", "-k", "asgi"], "ASGI 2"),
    ] {
        let mut server = Start::server(args).cwd(app("asgi")).spawn();
        assert_eq!(server.exit_code(), 4, "{args:?}");
        let log = server.stderr.whole();
        assert!(log.contains(advice), "{log}");
        assert!(!log.contains("Traceback"), "{log}");
    }
}

#[test]
fn bodies_in_any_pieces_and_of_any_size() {
    let server = serve(&[]);
    let target = server.target();
    for size in [1, 3, 1000] {
        let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n";
        let mut stream = target.connect().unwrap();
        for piece in chunked.as_bytes().chunks(size) {
            stream.write_all(piece).unwrap();
        }
        let response = Response::read(&mut stream, false).unwrap();
        assert_eq!(response.ok(), "POST hello, world");
    }
    let length = 5 << 20;
    let mut large = format!(
        "POST /length HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    large.resize(large.len() + length, b'x');
    assert_eq!(target.exchange(large).ok(), format!("{length} True"));
    let unread = "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(target.exchange(unread).ok(), "never mind");
}

#[test]
fn the_body_is_asked_for_when_the_client_waits() {
    const ASKED: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let server = serve(&[]);
    for (path, before) in [("/echo", ASKED), ("/hinted-echo", &[HINTS, ASKED].concat())] {
        let mut stream = server.target().connect().unwrap();
        let fields = "Host: a\r\nExpect: 100-continue\r\nContent-Length: 5";
        write!(stream, "POST {path} HTTP/1.1\r\n{fields}\r\n\r\n").unwrap();
        let mut bytes = vec![0; before.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), before);
        stream.write_all(b"hello").unwrap();
        assert_eq!(
            Response::read(&mut stream, false).unwrap().ok(),
            "POST hello"
        );
    }
}

#[test]
fn one_connection_serves_many_requests_also_in_the_same_breath() {
    let server = serve(&[]);
    let mut stream = server.target().connect().unwrap();
    for _ in 0..3 {
        stream.write_all(request("/", "").as_bytes()).unwrap();
        let response = Response::read(&mut stream, false).unwrap();
        assert_eq!(response.ok(), "Hello, world!");
        assert_eq!(response.header("Connection"), Some("keep-alive"));
    }
    let three = request("/sleep", "").replace("/sleep", "/sleep?0.05")
        + &request("/", "")
        + &request("/ignore", "Connection: close\r\n");
    stream.write_all(three.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let order: Vec<_> = ["slept", "Hello", "never"]
        .iter()
        .map(|word| text.find(word))
        .collect();
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{text}"
    );
}

#[test]
fn slow_requests_do_not_hold_up_others() {
    let server = serve(&[]);
    let target = server.target();
    let mut slow: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            stream
                .write_all(request("/sleep?1.5", "").as_bytes())
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(target.get("/").ok(), "Hello, world!");
    for stream in &mut slow {
        assert_eq!(Response::read(stream, false).unwrap().ok(), "slept");
    }
}

#[test]
fn a_stream_waits_for_a_slow_reader_and_ends_with_it() {
    let server = serve(&[]);
    let target = server.target();
    let whole = target.get("/stream?parts=100&size=10000");
    assert_eq!(whole.body.len(), 1_000_000);
    server.stderr.wait_for("streamed 1000000");

    let mut stream = target.connect().unwrap();
    stream
        .write_all(request("/stream?parts=100000&size=65536", "").as_bytes())
        .unwrap();
    let mut some = [0; 1000];
    stream.read_exact(&mut some).unwrap();
    // Other requests are served at the same time.
    assert_eq!(target.get("/").ok(), "Hello, world!");
    drop(stream);
    server.stderr.wait_for("client left: ConnectionResetError");
    let lines = server.stderr.wait_until(
        |lines| {
            lines
                .iter()
                .filter(|line| line.starts_with("streamed "))
                .count()
                == 2
        },
        "the stream's end",
    );
    let sent = lines
        .iter()
        .rev()
        .find_map(|line| line.strip_prefix("streamed "))
        .unwrap();
    // Much less than all of it: only what the sockets can hold.
    assert!(sent.parse::<u64>().unwrap() < 64 << 20, "{sent}");
    assert!(!server.stderr.so_far().contains("Traceback"));
}

#[test]
fn a_client_that_leaves_is_told_of() {
    let server = serve(&["--asgi-disconnect-grace-period", "0"]);
    let target = server.target();
    let mut stream = target.connect().unwrap();
    stream.write_all(request("/wait", "").as_bytes()).unwrap();
    server.stderr.wait_for("waiting");
    drop(stream);
    server.stderr.wait_for("received http.disconnect");

    let mut stream = target.connect().unwrap();
    stream
        .write_all(request("/stubborn", "").as_bytes())
        .unwrap();
    server.stderr.wait_for("begun");
    drop(stream);
    server.stderr.wait_for("cancelled");
    assert_eq!(target.get("/").ok(), "Hello, world!");
    assert!(!server.stderr.so_far().contains("Traceback"));
}

#[test]
fn the_next_request_does_not_wait_for_what_goes_on_after_an_answer() {
    let mut server = serve(&[]);
    let mut stream = server.target().connect().unwrap();
    stream
        .write_all(request("/background", "").as_bytes())
        .unwrap();
    assert_eq!(Response::read(&mut stream, false).unwrap().ok(), "answered");
    stream.write_all(request("/", "").as_bytes()).unwrap();
    assert_eq!(
        Response::read(&mut stream, false).unwrap().ok(),
        "Hello, world!"
    );
    assert!(!server.stderr.so_far().contains("background done"));
    drop(stream);
    // It is finished before the worker ends.
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stderr.whole().contains("background done"));
}

#[test]
fn the_apps_errors_are_answered_and_logged_whole() {
    let server = serve(&[]);
    let target = server.target();
    let response = target.get("/fail?x=1");
    assert_eq!(response.status, 500);
    assert!(
        !response.text().contains("error of the app"),
        "{}",
        response.text()
    );
    server
        .stderr
        .wait_for("Error handling request GET /fail?x=1");
    server.stderr.wait_for("ValueError: an error of the app's");
    assert_eq!(target.get("/nothing").status, 500);
    server
        .stderr
        .wait_for("The ASGI app returned without a response to GET /nothing");
    let cut = raw(&target, &request("/fail-late", "Connection: close\r\n"));
    assert!(cut.ends_with("\r\n\r\n4\r\npart\r\n"), "{cut}");
    server.stderr.wait_for("ValueError: an error in the middle");
    assert_eq!(target.get("/").ok(), "Hello, world!");
}

#[test]
fn files_hints_and_trailers() {
    let server = serve(&[]);
    let target = server.target();
    let source = std::fs::read_to_string(app("asgi").join("app.py")).unwrap();
    assert_eq!(target.get("/path").ok(), source);
    let hinted = raw(&target, &request("/hints", "Connection: close\r\n"));
    let hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n";
    assert!(hinted.starts_with(hint), "{hinted}");
    let trailed = raw(
        &target,
        &request("/trailers", "TE: trailers\r\nConnection: close\r\n"),
    );
    assert!(
        trailed.ends_with("\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n"),
        "{trailed}"
    );
}

#[test]
fn what_the_app_sees_of_the_request() {
    let server = serve(&["--root-path", "/api"]);
    let scope = server.target().get("/scope?a=%20b").ok();
    for part in [
        r#""query_string": "b'a=%20b'""#,
        r#""root_path": "'/api'""#,
        r#""http_version": "'1.1'""#,
        r#"(b'host', b'testserver')"#,
        r#""client": "('127.0.0.1', "#,
        r#""server": "('127.0.0.1', "#,
    ] {
        assert!(scope.contains(part), "{part} in {scope}");
    }
}

#[test]
fn term_lets_requests_finish() {
    let mut server = serve(&[]);
    let target = server.target();
    assert_eq!(target.get("/").status, 200);
    let mut idle = target.connect().unwrap();
    idle.write_all(request("/", "").as_bytes()).unwrap();
    Response::read(&mut idle, false).unwrap();
    let mut slow = target.connect().unwrap();
    slow.write_all(request("/sleep?0.5", "").as_bytes())
        .unwrap();
    let mut ticks = target.connect().unwrap();
    ticks
        .write_all(request("/ticks?20", "").as_bytes())
        .unwrap();
    let mut some = [0; 1];
    ticks.read_exact(&mut some).unwrap();
    server.signal(Signal::SIGTERM);
    let response = Response::read(&mut slow, false).unwrap();
    assert_eq!(response.ok(), "slept");
    let mut rest = String::new();
    ticks.read_to_string(&mut rest).unwrap();
    assert!(rest.ends_with("data: end\n\n\r\n0\r\n\r\n"), "{rest}");
    assert_eq!(idle.read(&mut some).unwrap(), 0);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stderr.whole().contains("shutdown"));
}

#[test]
fn what_does_not_finish_is_cut_off_after_the_graceful_timeout() {
    let mut server = serve(&["--graceful-timeout", "1"]);
    let mut endless = server.target().connect().unwrap();
    endless.write_all(request("/ticks", "").as_bytes()).unwrap();
    let mut some = [0; 1];
    endless.read_exact(&mut some).unwrap();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let mut rest = String::new();
    let _ = endless.read_to_string(&mut rest);
    assert!(!rest.ends_with("0\r\n\r\n"));
}

#[test]
fn a_hung_loop_is_found() {
    let server = serve(&["--timeout", "1"]);
    let target = server.target();
    assert_eq!(target.get("/").ok(), "Hello, world!");
    let worker = server.workers(1)[0];
    // The event loop cannot send heartbeats while its process is stopped.
    kill(worker, Signal::SIGSTOP).unwrap();
    server.stderr.wait_for("WORKER TIMEOUT");
    let workers = server.workers(2);
    assert_ne!(workers[1], worker);
    assert_eq!(target.get("/").ok(), "Hello, world!");
}

#[test]
fn long_requests_are_no_reason_to_kill_the_worker() {
    let server = serve(&["--timeout", "1"]);
    let slow = server.target().get("/sleep?2.5");
    assert_eq!(slow.ok(), "slept");
    assert!(!server.stderr.so_far().contains("WORKER TIMEOUT"));
    assert_eq!(server.workers(1).len(), 1);
}

#[test]
fn each_request_has_its_line_in_the_access_log() {
    let server = serve(&["--access-logfile", "-"]);
    let target = server.target();
    target.get("/stream?parts=2&size=5");
    target.get("/sleep?0.01");
    target.get("/fail");
    for line in [
        r#""GET /stream?parts=2&size=5 HTTP/1.1" 200 10 "-" "-""#,
        r#""GET /sleep?0.01 HTTP/1.1" 200 5 "-" "-""#,
        r#""GET /fail HTTP/1.1" 500 "#,
    ] {
        server.stdout.wait_for(line);
    }
}

#[test]
fn server_sent_events_go_on_while_the_code_is_reloaded() {
    let mut server = serve(&["--graceful-timeout", "30"]);
    let target = server.target();
    let mut stream = target.connect().unwrap();
    stream
        .write_all(request("/ticks?150", "").as_bytes())
        .unwrap();
    let mut some = [0; 200];
    stream.read_exact(&mut some).unwrap();
    server.signal(Signal::SIGHUP);
    server.workers(2);
    assert_eq!(target.get("/").ok(), "Hello, world!");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("data: 149\n\n"), "{rest}");
    assert!(rest.ends_with("data: end\n\n\r\n0\r\n\r\n"));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn workers_are_replaced_after_so_many_requests() {
    let server = serve(&["--max-requests", "5"]);
    let target = server.target();
    for _ in 0..20 {
        assert_eq!(target.get("/").ok(), "Hello, world!");
        std::thread::sleep(Duration::from_millis(5));
    }
    server
        .stderr
        .wait_for("Autorestarting worker after current request.");
    server.workers(2);
}

#[test]
fn the_loop_is_asyncios_where_there_is_no_other() {
    let server = serve(&[]);
    assert_eq!(server.target().get("/loop").ok(), "asyncio");
    let mut server = serve(&["--asgi-loop", "uvloop"]);
    assert_eq!(server.exit_code(), 3);
    let log = server.stderr.whole();
    assert!(
        log.contains("asgi_loop is 'uvloop', but the app has no uvloop"),
        "{log}"
    );
    assert!(!log.contains("Traceback"), "{log}");
}
