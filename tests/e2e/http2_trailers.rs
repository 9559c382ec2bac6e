//! Fields after the body of an answer over HTTP/2.

use std::fs;

use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, folder};

/// A WSGI app that sends its body in each way that there is.
const WSGI: &str = r#"
import os
import tempfile

kept = []

def app(environ, start_response):
    send_trailers = environ.get("gunicorn.http2.send_trailers")
    path = environ["PATH_INFO"]
    if path == "/has":
        start_response("200 OK", [])
        return [str(send_trailers is not None).encode()]
    if path == "/late":
        # The trailers of a request that is over are nobody's.
        try:
            kept[0]([("x-late", "1")])
        except ValueError as error:
            answer = str(error)
        start_response("200 OK", [])
        return [answer.encode()]
    if path == "/bad":
        send_trailers([("x bad", "1")])
    start_response("200 OK", [])
    send_trailers([("x-first", "0")])
    if path == "/stream":
        return stream(send_trailers)
    send_trailers([("X-Sum", "abc"), ("grpc-status", "0"), ("connection", "close")])
    if path == "/keep":
        kept.append(send_trailers)
    if path == "/file":
        file = tempfile.TemporaryFile()
        file.write(b"body" * 30_000)
        file.seek(0)
        return environ["wsgi.file_wrapper"](file)
    if path == "/empty":
        return []
    return [b"bo", b"dy"]

def stream(send_trailers):
    yield b"bo"
    yield b"dy"
    send_trailers([("x-sum", "late")])
"#;

const ASGI: &str = r#"
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await send({"type": "http.response.body", "body": b"body"})
    trailers = {"type": "http.response.trailers"}
    await send(trailers | {"headers": [(b"x-sum", b"abc")], "more_trailers": True})
    await send(trailers | {"headers": [(b"x-more", b"d")]})
"#;

fn serve(class: &str, app: &str) -> (tempfile::TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), app).unwrap();
    let server = Start::server(["-k", class, "--threads", "2"])
        .args(["--http2-cleartext", "prior-knowledge", "app:app"])
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

fn open(server: &Process) -> Http2 {
    Http2::open(&Origin::http(&server.target()))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn a_wsgi_app_may_send_trailers() {
    let (_dir, server) = serve("gthread", WSGI);
    let mut client = open(&server);
    let whole = pairs(&[("x-sum", "abc"), ("grpc-status", "0")]);
    for (path, body, trailers) in [
        ("/list", "body".to_owned(), &whole),
        ("/file", "body".repeat(30_000), &whole),
        ("/empty", String::new(), &whole),
        ("/stream", "body".to_owned(), &pairs(&[("x-sum", "late")])),
        ("/keep", "body".to_owned(), &whole),
    ] {
        let stream = client.get(path);
        let answer = client.response(stream);
        assert!(answer.ok() == body, "{path}");
        assert_eq!(answer.trailers, *trailers, "{path}");
    }
    let stream = client.get("/late");
    let answer = client.response(stream);
    assert!(answer.ok().contains("after its request ended"));
    assert!(answer.trailers.is_empty());
    let stream = client.get("/bad");
    assert_eq!(client.response(stream).status, 500);
    // HTTP/1.1 has no such key, as in Gunicorn.
    assert_eq!(server.target().get("/has").ok(), "False");
}

#[test]
fn an_asgi_app_may_send_trailers_to_who_accepts_them() {
    let (_dir, server) = serve("asgi", ASGI);
    let mut client = open(&server);
    let all = pairs(&[("x-sum", "abc"), ("x-more", "d")]);
    for (fields, trailers) in [(&[("te", "trailers")][..], all), (&[], vec![])] {
        let stream = client.request("GET", "/", fields, b"");
        let answer = client.response(stream);
        assert_eq!(answer.ok(), "body");
        assert_eq!(answer.trailers, trailers);
    }
}
