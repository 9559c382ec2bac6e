//! `gunicorn.socket`: WSGI apps that take over the client's socket.

use std::io::{Read, Write};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::http::{Stream, responses};
use crate::support::{Process, Response, Start, Target, app, folder, site};

/// How a server is reached.
#[derive(Clone, Copy, PartialEq)]
pub enum Over {
    Tcp,
    Tls,
    Unix,
}

/// A server and its address.
pub struct Site {
    pub server: Process,
    authority: Option<Authority>,
    _folder: TempDir,
}

impl Site {
    pub fn start(start: Start, over: Over) -> Site {
        let folder = folder();
        let start = start.args(["--access-logfile", "-", "--log-level", "debug"]);
        let (start, authority) = match over {
            Over::Tcp => (start.args(["--bind", "127.0.0.1:0"]), None),
            Over::Unix => {
                let bind = format!("unix:{}", folder.path().join("socket").display());
                (start.args(["--bind", &bind]), None)
            }
            Over::Tls => {
                let authority = Authority::new(folder.path());
                let pair = authority.issue("one", &["one.test"]);
                let tls = ["--certfile", &pair.certificate, "--keyfile", &pair.key];
                let start = start.args(["--bind", "127.0.0.1:0"]).args(tls);
                (start, Some(authority))
            }
        };
        Site {
            server: start.spawn(),
            authority,
            _folder: folder,
        }
    }

    pub fn target(&self) -> Target {
        self.server.target()
    }

    pub fn connect(&self) -> Box<dyn Stream> {
        match &self.authority {
            Some(authority) => authority.connect(&self.target(), "one.test"),
            None => self.target().connect().unwrap(),
        }
    }

    /// A request for another protocol, and bytes that are sent directly after it.
    fn switch(&self, path: &str, ahead: &str) -> Box<dyn Stream> {
        let mut stream = self.connect();
        let request = format!("{}{ahead}", upgrade("GET", path, ""));
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// A plain request, and everything that is received.
    #[track_caller]
    fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(request(path).as_bytes()).unwrap();
        rest(&mut *stream)
    }

    /// Waits for a line of the access log.
    #[track_caller]
    pub fn logged(&self, path: &str, what: &str) {
        let line = format!("\"GET {path} HTTP/1.1\" {what} ");
        self.server.stdout.wait_for(&line);
    }

    #[track_caller]
    pub fn no_traceback(&self) {
        let log = self.server.stderr.so_far();
        assert!(!log.contains("Traceback"), "{log}");
    }
}

/// Serves the app in this file.
fn serve(class: &[&str], over: Over, args: &[&str]) -> Site {
    let start = Start::new(["app:app"])
        .args(class)
        .args(args)
        .cwd(app("sockets"));
    Site::start(with_gevent(start, class), over)
}

/// gevent comes from a package.
pub fn with_gevent(start: Start, class: &[&str]) -> Start {
    match class.iter().any(|word| word.contains("gevent")) {
        true => start.args(["--venv".as_ref(), site::venv("websockets").as_os_str()]),
        false => start,
    }
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn upgrade(method: &str, path: &str, fields: &str) -> String {
    let asks = "Connection: keep-alive, Upgrade\r\nUpgrade: echo\r\n";
    format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{asks}{fields}\r\n")
}

/// The response that the app writes itself.
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";

/// The next bytes must be these.
#[track_caller]
fn expect(stream: &mut dyn Stream, text: &str) {
    let mut bytes = vec![0; text.len()];
    let mut length = 0;
    while length < bytes.len() {
        match stream.read(&mut bytes[length..]).unwrap() {
            0 => panic!(
                "the end after {:?}",
                String::from_utf8_lossy(&bytes[..length])
            ),
            some => length += some,
        }
    }
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

/// Everything that is still received.
#[track_caller]
fn rest(stream: &mut dyn Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[track_caller]
fn expect_end(stream: &mut dyn Stream) {
    let bytes = rest(stream);
    assert!(bytes.is_empty(), "{:?}", String::from_utf8_lossy(&bytes));
}

/// Makes a test for each worker class and each way to reach it.
macro_rules! everywhere {
    ($($name:ident,)+) => {
        mod sync { everywhere!(@ &["-k", "sync"]; $($name,)+); }
        mod gthread { everywhere!(@ &["-k", "gthread", "--threads", "4"]; $($name,)+); }
        mod gevent { everywhere!(@ &["-k", "gevent"]; $($name,)+); }
    };
    (@ $class:expr; $($name:ident,)+) => {
        mod tcp { $( #[test] fn $name() { super::super::$name($class, super::super::Over::Tcp); } )+ }
        mod tls { $( #[test] fn $name() { super::super::$name($class, super::super::Over::Tls); } )+ }
        mod unix { $( #[test] fn $name() { super::super::$name($class, super::super::Over::Unix); } )+ }
    };
}

everywhere! {
    an_app_has_the_connection_for_itself,
    an_app_answers_in_every_way_that_one_can,
    large_amounts_go_both_ways_at_once,
    a_socket_that_nobody_uses_is_only_looked_at,
    the_connection_ends_with_its_request,
    at_the_end_of_the_graceful_time_apps_are_told,
    what_never_ends_is_ended,
}

fn an_app_has_the_connection_for_itself(class: &[&str], over: Over) {
    let site = serve(class, over, &[]);
    // Bytes that are sent directly after the request, and then more.
    for ahead in ["", "ahead"] {
        let mut stream = site.switch("/echo", ahead);
        expect(&mut *stream, SWITCHED);
        expect(&mut *stream, "blocks ");
        expect(&mut *stream, ahead);
        stream.write_all(b"more").unwrap();
        expect(&mut *stream, "more");
        stream.write_all(b"end").unwrap();
        expect_end(&mut *stream);
        site.logged("/echo", "101 0");
        // A client that closes the connection is not an error.
        let mut stream = site.switch("/echo", ahead);
        expect(&mut *stream, SWITCHED);
    }
    let mut stream = site.switch("/file", "line\n");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "LINE\n");
    expect_end(&mut *stream);

    let post = upgrade("POST", "/body", "Content-Length: 4\r\n");
    let mut stream = site.connect();
    stream
        .write_all(format!("{post}bodybehind").as_bytes())
        .unwrap();
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "body|behind");
    expect_end(&mut *stream);
    site.no_traceback();
}

fn an_app_answers_in_every_way_that_one_can(class: &[&str], over: Over) {
    let site = serve(class, over, &[]);
    // A response after bytes of another protocol would be wrong.
    for path in ["/tail", "/handled", "/failing"] {
        let mut stream = site.switch(path, "");
        expect(&mut *stream, SWITCHED);
        expect(&mut *stream, "blocks ");
        if path == "/tail" {
            stream.write_all(b"end").unwrap();
        }
        expect_end(&mut *stream);
        site.logged(path, "101 0");
    }
    let in_app = "RuntimeError: in the app";
    site.server.stderr.wait_for(in_app);
    let log = site.server.stderr.so_far();
    assert_eq!(log.matches("Traceback").count(), 1, "{log}");

    let text = |path: &str| String::from_utf8(site.get(path)).unwrap();
    assert_eq!(
        text("/by_hand"),
        "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nby hand"
    );
    assert_eq!(text("/drop"), "");

    let hint = text("/hint");
    let answer = hint
        .strip_prefix("HTTP/1.1 102 Processing\r\n\r\n")
        .unwrap();
    let answer = responses(answer.as_bytes()).unwrap().remove(0);
    assert_eq!(
        (answer.ok().as_str(), answer.header("Connection")),
        ("done", Some("close"))
    );
    site.logged("/hint", "200 4");

    let late = text("/late");
    assert!(late.ends_with("\r\n\r\nfirstlater"), "{late}");

    let mut stream = site.connect();
    stream.write_all(request("/watch").as_bytes()).unwrap();
    assert_eq!(
        Response::read(&mut *stream, false).unwrap().ok(),
        "FalseFalseFalse"
    );
    expect_end(&mut *stream);
    site.logged("/watch", "200 15");
}

fn large_amounts_go_both_ways_at_once(class: &[&str], over: Over) {
    let site = serve(class, over, &[]);
    let data: Vec<u8> = (0..=255).cycle().take(8 << 20).collect();
    let mut stream = site.switch("/block", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    stream.write_all(&data).unwrap();
    let got = rest(&mut *stream);
    assert!(got.strip_suffix(b"alike") == Some(&data), "{}", got.len());
}

fn a_socket_that_nobody_uses_is_only_looked_at(class: &[&str], over: Over) {
    let site = serve(class, over, &[]);
    let mut stream = site.connect();
    let mut get = |path: &str| {
        stream.write_all(request(path).as_bytes()).unwrap();
        Response::read(&mut *stream, false).unwrap().ok()
    };
    let name = "<gunicorn.socket, not in use>";
    let seen = match over {
        Over::Unix => format!("True AF_UNIX SOCK_STREAM {name}"),
        _ => format!("True AF_INET SOCK_STREAM {name} True True"),
    };
    // All requests on one connection, which stays open.
    assert_eq!(get("/seen"), seen);
    assert_eq!(get("/kept"), "kept");
    assert_eq!(get("/used_later"), "OSError 9");
    assert_eq!(get("/"), "hello");
}

fn the_connection_ends_with_its_request(class: &[&str], over: Over) {
    let site = serve(class, over, &[]);
    let mut stream = site.switch("/copies", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    stream.write_all(b"copied").unwrap();
    expect(&mut *stream, "copied");
    expect_end(&mut *stream);
    drop(stream);
    site.server.stderr.wait_for("the copy got b''");
    site.no_traceback();
    let answer = site.get("/watch");
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

fn at_the_end_of_the_graceful_time_apps_are_told(class: &[&str], over: Over) {
    let mut site = serve(class, over, &["--graceful-timeout", "4"]);
    let mut stream = site.switch("/stay", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    site.server.signal(Signal::SIGTERM);
    site.server.stderr.wait_for("was asked to stop");
    stream.write_all(b"still there").unwrap();
    expect(&mut *stream, "still there");
    expect(&mut *stream, "goodbye");
    expect_end(&mut *stream);
    drop(stream);
    assert_eq!(site.server.exit_code(), 0);
    let log = site.server.stderr.whole();
    assert!(log.contains("the app has ended in good order"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

fn what_never_ends_is_ended(class: &[&str], over: Over) {
    let mut site = serve(class, over, &["--graceful-timeout", "1"]);
    let mut stream = site.switch("/stuck", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    site.server.signal(Signal::SIGTERM);
    assert_eq!(site.server.exit_code(), 0);
    // Without a closing message of TLS this is an error.
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn the_sync_worker_warns_once_and_has_its_timeout() {
    let site = serve(&["-k", "sync"], Over::Tcp, &["--timeout", "2"]);
    for _ in 0..2 {
        let mut stream = site.switch("/echo", "");
        expect(&mut *stream, SWITCHED);
        expect(&mut *stream, "blocks ");
        stream.write_all(b"end").unwrap();
        expect_end(&mut *stream);
    }
    let log = site.server.stderr.so_far();
    assert_eq!(
        log.matches("A WebSocket keeps this worker").count(),
        1,
        "{log}"
    );
    let mut stream = site.switch("/echo", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    site.server.stderr.wait_for("WORKER TIMEOUT");
    expect_end(&mut *stream);
    assert_eq!(site.target().get("/").ok(), "hello");
}

#[test]
fn request_timeout_is_for_requests() {
    let site = serve(&["--threads", "4"], Over::Tcp, &["--request-timeout", "1"]);
    let mut socket = site.switch("/echo", "");
    expect(&mut *socket, SWITCHED);
    expect(&mut *socket, "blocks ");
    // This request came later, and is over its time limit.
    assert_eq!(site.target().get("/stuck").status, 504);
    socket.write_all(b"still there").unwrap();
    expect(&mut *socket, "still there");
}

#[test]
fn a_connection_counts_as_one_of_the_requests() {
    let site = serve(
        &["--threads", "4"],
        Over::Tcp,
        &["--limit-concurrency", "1"],
    );
    let mut socket = site.switch("/echo", "");
    expect(&mut *socket, SWITCHED);
    expect(&mut *socket, "blocks ");
    assert_eq!(site.target().get("/").status, 503);
    socket.write_all(b"end").unwrap();
    expect_end(&mut *socket);
    site.logged("/echo", "101 0");
    crate::support::wait_until("there is room", || site.target().get("/").status == 200);
}

#[test]
fn a_worker_that_is_replaced_keeps_its_connections() {
    let site = serve(&["--threads", "4"], Over::Tcp, &["--max-requests", "1"]);
    let mut socket = site.switch("/echo", "");
    expect(&mut *socket, SWITCHED);
    expect(&mut *socket, "blocks ");
    assert_eq!(site.target().get("/").ok(), "hello");
    let workers = site.server.workers(2);
    site.server.stderr.wait_for("was asked to stop");
    assert_eq!(site.target().get("/").ok(), "hello");
    socket.write_all(b"still there").unwrap();
    expect(&mut *socket, "still there");
    socket.write_all(b"end").unwrap();
    expect_end(&mut *socket);
    let exiting = format!("Worker exiting (pid: {})", workers[0]);
    site.server.stderr.wait_for(&exiting);
}

#[test]
fn without_a_master_the_worker_ends_and_tells_the_app() {
    let site = serve(&["--threads", "4"], Over::Tcp, &[]);
    let mut stream = site.switch("/stay", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    site.server.signal(Signal::SIGKILL);
    expect(&mut *stream, "goodbye");
    expect_end(&mut *stream);
    drop(stream);
    site.server.stderr.whole();
}

#[test]
fn without_a_master_gevent_says_so_once() {
    let args = &["--graceful-timeout", "1"];
    let site = serve(&["-k", "gevent"], Over::Tcp, args);
    let mut stream = site.switch("/stay", "");
    expect(&mut *stream, SWITCHED);
    expect(&mut *stream, "blocks ");
    site.server.signal(Signal::SIGKILL);
    expect_end(&mut *stream);
    drop(stream);
    let log = site.server.stderr.whole();
    assert_eq!(log.matches("Parent changed").count(), 1, "{log}");
}
