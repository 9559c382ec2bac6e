//! Connections with several requests, and connections without any.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::http::Stream;
use crate::support::in_both_classes;
use crate::support::{DEADLINE, Process, Response, Start, app, own_memory};

in_both_classes! {
    a_connection_carries_one_request_after_another,
    requests_in_one_breath_are_answered_in_their_order,
    keepalive_0_closes_after_each_answer,
    an_idle_connection_is_closed_in_time_and_not_before,
    a_reader_that_is_slow_does_not_hold_the_worker,
    a_large_upload_is_whole,
    a_stop_answers_what_has_come_and_closes_the_rest,
    idle_connections_are_cheap,
}

fn serve(class: &[&str], args: &[&str]) -> Process {
    Start::server(class)
        .args(args)
        .args(["app:plain"])
        .cwd(app("wsgi"))
        .spawn()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn ask(stream: &mut Box<dyn Stream>, request: &str) -> Response {
    stream.write_all(request.as_bytes()).unwrap();
    Response::read(stream, false).unwrap()
}

fn a_connection_carries_one_request_after_another(class: &[&str]) {
    let server = serve(class, &[]);
    let mut stream = server.target().connect().unwrap();
    let upload = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for _ in 0..20 {
        let first = ask(&mut stream, &get("/echo"));
        assert_eq!(first.header("Connection"), Some("keep-alive"));
        assert_eq!(first.ok(), "GET ");
        assert_eq!(ask(&mut stream, upload).ok(), "POST hello");
        assert_eq!(ask(&mut stream, &get("/write")).ok(), "one two three");
        assert_eq!(
            ask(&mut stream, &upload.replace("echo", "ignore")).ok(),
            "never mind"
        );
    }
    let last = "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(&mut stream, last).header("Connection"), Some("close"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

fn requests_in_one_breath_are_answered_in_their_order(class: &[&str]) {
    let server = serve(class, &[]);
    let mut stream = server.target().connect().unwrap();
    let upload = |body: &str| {
        let length = body.len();
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let bodies: Vec<String> = (0..200).map(|number| format!("body {number}")).collect();
    let mut breath: String = bodies.iter().map(|body| upload(body)).collect();
    breath += "GET /ignore HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    breath += &get("/echo");
    stream.write_all(breath.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let mut rest = text.as_str();
    for body in &bodies {
        let answer = format!("\r\n\r\nPOST {body}");
        let (_, after) = rest
            .split_once(&answer)
            .expect("each is answered, in order");
        rest = after;
    }
    // Bytes after the request that closes the connection are not a request.
    assert!(rest.ends_with("\r\n\r\nnever mind"), "{rest}");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), bodies.len() + 1);
}

fn keepalive_0_closes_after_each_answer(class: &[&str]) {
    let server = serve(class, &["--keep-alive", "0"]);
    let mut stream = server.target().connect().unwrap();
    let answer = ask(&mut stream, &get("/echo"));
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

fn an_idle_connection_is_closed_in_time_and_not_before(class: &[&str]) {
    let server = serve(class, &["--keep-alive", "1"]);
    let mut stream = server.target().connect().unwrap();
    for _ in 0..3 {
        assert_eq!(ask(&mut stream, &get("/echo")).ok(), "GET ");
        thread::sleep(Duration::from_millis(500));
    }
    let begin = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(begin.elapsed() < Duration::from_secs(20));
}

fn a_reader_that_is_slow_does_not_hold_the_worker(class: &[&str]) {
    let server = serve(class, &[]);
    let target = server.target();
    let folder = crate::support::folder();
    let path = folder.path().join("large");
    let content: Vec<u8> = (0..=250).cycle().take(20 << 20).collect();
    std::fs::write(&path, &content).unwrap();
    let file = get(&format!("/file?{}", path.display()));
    let upload = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );

    let mut slow = target.connect().unwrap();
    slow.write_all(file.as_bytes()).unwrap();
    let mut slower = target.connect().unwrap();
    slower.write_all(upload.as_bytes()).unwrap();
    slower.write_all(&content).unwrap();
    // Neither client has read a byte yet.
    for _ in 0..5 {
        assert_eq!(target.get("/echo").ok(), "GET ");
    }
    assert!(Response::read(&mut *slow, false).is_ok_and(|file| file.body == content));
    let echoed = Response::read(&mut *slower, false).map_or_else(|_| Vec::new(), |echo| echo.body);
    assert!(echoed.strip_prefix(b"POST ") == Some(&content[..]));
}

fn a_large_upload_is_whole(class: &[&str]) {
    let server = serve(class, &[]);
    let mut stream = server.target().connect().unwrap();
    let block: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let blocks = 100;
    let size = block.len() * blocks;
    let head = format!("POST /digest HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..blocks {
        stream.write_all(&block).unwrap();
    }
    let text = Response::read(&mut *stream, false).unwrap().ok();
    assert!(text.starts_with(&format!("{size} ")), "{text}");
    // The connection can be used as before.
    assert_eq!(ask(&mut stream, &get("/echo")).ok(), "GET ");
}

fn a_stop_answers_what_has_come_and_closes_the_rest(class: &[&str]) {
    let mut server = Start::server(["--keep-alive", "60", "--graceful-timeout", "30"])
        .args(class)
        .args(["app"])
        .cwd(app("hello"))
        .spawn();
    let target = server.target();
    let mut idle = target.connect().unwrap();
    assert_eq!(ask(&mut idle, &get("/")).ok(), "Hello, world!\n");
    let mut busy = target.connect().unwrap();
    busy.write_all(get("/slow?1").as_bytes()).unwrap();
    server.stderr.wait_for("slow request begins");
    // These wait for the app or to be accepted.
    let mut waiting: Vec<_> = (0..10)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            stream.write_all(get("/").as_bytes()).unwrap();
            stream
        })
        .collect();
    server.signal(Signal::SIGTERM);
    assert_eq!(
        Response::read(&mut *busy, false).unwrap().ok(),
        "slow but done\n"
    );
    for stream in &mut waiting {
        let answer = Response::read(&mut **stream, false).unwrap();
        assert_eq!(answer.ok(), "Hello, world!\n");
    }
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    let begin = Instant::now();
    assert_eq!(server.exit_code(), 0);
    assert!(begin.elapsed() < DEADLINE);
}

fn idle_connections_are_cheap(class: &[&str]) {
    const MANY: usize = 2000;
    let server = serve(
        class,
        &["--keep-alive", "100", "--worker-connections", "20000"],
    );
    let target = server.target();
    target.get("/echo").ok();
    let worker = server.workers(1)[0];
    let before = own_memory(worker);
    let idle: Vec<_> = (0..MANY)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            assert_eq!(ask(&mut stream, &get("/echo")).ok(), "GET ");
            stream
        })
        .collect();
    let each = own_memory(worker).saturating_sub(before) / idle.len();
    assert!(each < 4096, "{each} bytes for each connection");
}
