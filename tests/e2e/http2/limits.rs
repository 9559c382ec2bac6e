//! Time limits and other limits hold for each stream, and for no other.

use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::http2::frame::{self, MAX_FRAME_SIZE, flag};
use crate::support::http2::hpack::encoder;
use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, app, folder, in_all_classes, in_both_classes, in_each_class};

const CLEAR: [&str; 2] = ["--http2-cleartext", "prior-knowledge"];

/// A server of the app `mirror`, and a client of it.
fn mirror(class: &[&str], args: &[&str]) -> (Process, Http2) {
    let server = Start::server(CLEAR)
        .args(args)
        .args(class)
        .cwd(app("mirror"))
        .spawn();
    let client = Http2::open(&Origin::http(&server.target()));
    (server, client)
}

mod of_requests {
    use super::*;

    in_all_classes! {
        a_body_that_is_too_long_is_refused,
        fields_beyond_the_limits_are_refused,
        a_slow_body_holds_up_its_stream_only,
        a_body_may_take_longer_than_the_time_limit,
        bodies_that_wait_for_another_one_have_time,
        a_head_that_does_not_end_ends_the_connection,
        a_request_has_its_id_and_trace,
        a_probe_is_answered_without_the_app,
        an_idle_connection_is_closed_in_order,
    }

    fn a_body_that_is_too_long_is_refused(class: &[&str]) {
        let (server, mut client) = mirror(class, &["--limit-request-body", "1000"]);
        let length = ("content-length", "1001");
        let stated = client.request("POST", "/", &[length], &[b'x'; 1001]);
        assert_eq!(client.response_head(stated).status, 413);
        let stream = client.request("POST", "/", &[], &[b'x'; 1001]);
        assert_eq!(client.response_head(stream).status, 413);
        let stream = client.request("POST", "/", &[], &[b'x'; 1000]);
        assert!(client.response(stream).ok().contains("xxx"));
        server.stderr.wait_for("Invalid request from ip=127.0.0.1");
    }

    fn fields_beyond_the_limits_are_refused(class: &[&str]) {
        let (server, mut client) = mirror(
            class,
            &["--limit-request-field_size", "100", "--access-logfile", "-"],
        );
        let long = "x".repeat(200);
        let stream = client.request("GET", "/long", &[("a", &long)], b"");
        assert_eq!(client.response(stream).status, 431);
        let stream = client.request("GET", "/two", &[("host", "other")], b"");
        assert_eq!(client.response(stream).status, 400);
        // The session itself refuses what it cannot keep.
        let huge = "x".repeat(70_000);
        let head = [&client.head("GET", "/huge"), &[("a", &*huge)][..]].concat();
        let block = encoder::block(&head);
        let (first, rest) = block.split_at(MAX_FRAME_SIZE);
        let stream = client.new_stream();
        let begin = frame::headers(stream, first).ends();
        client.send(begin.without(flag::END_HEADERS));
        let mut pieces = rest.chunks(MAX_FRAME_SIZE).peekable();
        while let Some(piece) = pieces.next() {
            let frame = frame::continuation(stream, piece);
            client.send(match pieces.peek() {
                Some(_) => frame.without(flag::END_HEADERS),
                None => frame,
            });
        }
        assert_eq!(client.response_head(stream).status, 431);
        let stream = client.get("/well");
        client.response(stream).ok();
        let lines = server.stdout.wait_until(
            |lines| lines.len() >= 4,
            "there is a line for each of the four requests",
        );
        let statuses: Vec<_> = lines
            .iter()
            .map(|line| line.split("\" ").nth(1).unwrap()[..3].to_owned())
            .collect();
        assert_eq!(statuses, ["431", "400", "431", "200"], "{lines:?}");
        assert!(lines[3].contains("\"GET /well HTTP/2.0\""), "{lines:?}");
    }

    fn a_slow_body_holds_up_its_stream_only(class: &[&str]) {
        let (_server, mut client) = mirror(class, &["--timeout", "2"]);
        let slow = client.post("/slow");
        client.send(frame::data(slow, *b"begin"));
        let stream = client.get("/");
        client.response(stream).ok();
        let answer = client.response(slow);
        assert_eq!(answer.status, 408, "{}", answer.text());
        client.expect_service();
    }

    fn a_body_may_take_longer_than_the_time_limit(class: &[&str]) {
        let (_server, mut client) = mirror(class, &["--timeout", "2"]);
        let stream = client.post("/");
        for _ in 0..30 {
            client.send(frame::data(stream, [b'x'; 1000]));
            client.ping();
            // The pace of a client that is slow, but not too slow (`body_min_rate`).
            thread::sleep(Duration::from_millis(100));
        }
        client.send(frame::data(stream, *b"end").ends());
        assert!(client.response(stream).ok().contains("xend"));
    }

    fn bodies_that_wait_for_another_one_have_time(class: &[&str]) {
        let (_server, mut client) = mirror(class, &["--timeout", "2"]);
        let (first, second) = (client.post("/"), client.post("/"));
        for _ in 0..30 {
            client.send(frame::data(first, [b'x'; 2000]));
            client.ping();
            // The client's line is slow.
            thread::sleep(Duration::from_millis(100));
        }
        for stream in [first, second] {
            client.send(frame::data(stream, *b"end").ends());
            assert!(client.response(stream).ok().contains("end"));
        }
    }

    fn a_head_that_does_not_end_ends_the_connection(class: &[&str]) {
        let (_server, mut client) = mirror(class, &["--header-timeout", "1"]);
        let block = client.block("GET", "/");
        let stream = client.new_stream();
        client.send(frame::headers(stream, block).without(flag::END_HEADERS));
        client.expect_goaway(&[11]);
        client.expect_closed();
    }

    fn a_request_has_its_id_and_trace(class: &[&str]) {
        let (_server, mut client) = mirror(
            class,
            &["--request-id", "X-Request-ID", "--trace-context", "make"],
        );
        let fields = [("x-request-id", "of-the-client")];
        let stream = client.request("GET", "/", &fields, b"");
        let answer = client.response(stream);
        assert!(answer.ok().contains("HTTP_TRACEPARENT"));
        // This client is a trusted one.
        assert!(answer.ok().contains("of-the-client"), "{}", answer.text());
    }

    fn a_probe_is_answered_without_the_app(class: &[&str]) {
        let (_server, mut client) = mirror(class, &["--health-path", "/up"]);
        let stream = client.get("/up");
        assert_eq!(client.response(stream).ok(), "ok\n");
        let stream = client.request("HEAD", "/up", &[], b"");
        let answer = client.response(stream);
        assert_eq!((answer.status, answer.text()), (200, String::new()));
    }

    fn an_idle_connection_is_closed_in_order(class: &[&str]) {
        let (_server, mut client) = mirror(class, &["--keep-alive", "1"]);
        client.expect_service();
        client.expect_goaway(&[0]);
        client.expect_closed();
    }
}

const APP: &str = "
import asyncio, sys, time

def wsgi(environ, start_response):
    if environ['PATH_INFO'] == '/slow':
        print('begun', file=sys.stderr, flush=True)
        time.sleep(3)
    start_response('200 OK', [('Content-Length', '4')])
    return [b'done']

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    if scope['path'] == '/slow':
        print('begun', file=sys.stderr, flush=True)
        await asyncio.sleep(3)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'done'})
";

fn slow(class: &[&str], args: &[&str]) -> (TempDir, Process, Http2) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(CLEAR)
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
    let client = Http2::open(&Origin::http(&server.target()));
    (dir, server, client)
}

mod of_the_app {
    use super::*;

    in_each_class! {
        a_request_that_takes_too_long_is_answered_with_504,
        more_requests_than_wanted_are_refused,
        a_forced_end_answers_those_who_wait,
    }

    fn a_request_that_takes_too_long_is_answered_with_504(class: &[&str]) {
        let (_app, server, mut client) = slow(class, &["--request-timeout", "1"]);
        let stream = client.get("/slow");
        let answer = client.response(stream);
        assert_eq!(answer.status, 504);
        let log = server.stderr.wait_for("GET /slow");
        assert!(log.contains("1."), "{log}");
        server.stderr.wait_for("sleep(3)");
    }

    fn more_requests_than_wanted_are_refused(class: &[&str]) {
        let args = ["--limit-concurrency", "1", "--retry-after", "7"];
        let (_app, _server, mut client) = slow(class, &args);
        // Both come at once: later a worker with one thread would not read the other.
        let (one, other) = (client.new_stream(), client.new_stream());
        let requests = [(one, "/slow"), (other, "/")];
        let requests =
            requests.map(|(stream, path)| frame::headers(stream, client.block("GET", path)).ends());
        client.send_in_pieces(b"", requests.to_vec(), usize::MAX);
        let answer = client.response(other);
        assert_eq!(answer.status, 503);
        let retry_after = ("retry-after".to_owned(), "7".to_owned());
        assert!(answer.fields.contains(&retry_after), "{answer:?}");
        assert_eq!(client.response(one).ok(), "done");
    }

    fn a_forced_end_answers_those_who_wait(class: &[&str]) {
        let (_app, mut server, mut client) = slow(class, &["--graceful-timeout", "1"]);
        let stream = client.get("/slow");
        server.stderr.wait_for("begun");
        server.signal(Signal::SIGTERM);
        assert_eq!(client.response(stream).status, 503);
        server.exit_code();
    }
}

mod in_wsgi {
    use super::*;

    in_both_classes! {
        requests_that_were_taken_back_are_left_out,
    }

    fn requests_that_were_taken_back_are_left_out(class: &[&str]) {
        let class: Vec<_> = class.iter().map(|it| it.replace('4', "1")).collect();
        let class: Vec<_> = class
            .iter()
            .map(String::as_str)
            .chain(["app:wsgi"])
            .collect();
        let (_app, server, mut client) = slow(&class, &["--access-logfile", "-"]);
        let slow = client.get("/slow");
        let taken_back: Vec<_> = (0..10).map(|_| client.get("/slow")).collect();
        for stream in taken_back {
            client.cancel(stream);
        }
        let last = client.get("/");
        assert_eq!(client.response(last).ok(), "done");
        client.response(slow).ok();
        let lines = server.stdout.wait_until(
            |lines| lines.len() >= 12,
            "there is a line for each request",
        );
        let taken_back = lines.iter().filter(|line| line.contains("\" 499 0 "));
        assert_eq!(taken_back.count(), 10, "{lines:?}");
    }
}
