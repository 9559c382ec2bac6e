//! Ids of requests: from a proxy or made, in the app, the logs and the answer.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Process, Response, Start, folder};

const APP: &str = "
def app(environ, start_response):
    if environ['PATH_INFO'] == '/fail':
        raise RuntimeError
    start_response('200 OK', [])
    return [environ['REQUEST_ID'].encode()]

async def aapp(scope, receive, send):
    if scope['type'] == 'lifespan':
        await receive()
        await send({'type': 'lifespan.startup.complete'})
        await receive()
        return await send({'type': 'lifespan.shutdown.complete'})
    if scope['path'] == '/fail':
        raise RuntimeError
    await send({'type': 'http.response.start', 'status': 200})
    await send({'type': 'http.response.body', 'body': scope['rgunicorn.request_id'].encode()})
";

const ASGI: [&str; 3] = ["--worker-class", "asgi", "app:aapp"];

fn serve(class: &[&str], args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--access-logfile", "-", "--request-id", "X-Request-ID"])
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

fn ask(server: &Process, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Request-ID: of-the-proxy\r\n\r\n");
    server.target().exchange(request)
}

#[test]
fn the_app_and_both_logs_have_them() {
    for class in [&["app:app"][..], &ASGI] {
        let (_dir, server) = serve(class, &["--access-logformat", "%(U)s=%(request_id)s"]);
        let answer = ask(&server, "/a");
        assert_eq!(answer.ok(), "of-the-proxy");
        assert_eq!(answer.header("X-Request-ID"), None);
        assert_eq!(ask(&server, "/fail").status, 500);
        server.stdout.wait_for("/a=of-the-proxy");
        server.stdout.wait_for("/fail=of-the-proxy");
        server
            .stderr
            .wait_for("Error handling request GET /fail [of-the-proxy]");

        let (_dir, server) = serve(class, &["--access-log-json"]);
        ask(&server, "/a").ok();
        let line = server.stdout.wait_for("request_id");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["request_id"], "of-the-proxy");
    }
}

#[test]
fn a_strangers_is_not_taken() {
    for class in [&["app:app"][..], &ASGI] {
        let (_dir, server) = serve(class, &["--forwarded-allow-ips", "192.0.2.1"]);
        let made = ask(&server, "/a").ok();
        assert!(
            made.len() == 32 && made.bytes().all(|b| b.is_ascii_hexdigit()),
            "{made}"
        );
        assert_ne!(ask(&server, "/a").ok(), made);
    }
}

#[test]
fn clients_are_told_of_them_if_asked_for() {
    for class in [&["app:app"][..], &ASGI] {
        let (_dir, server) = serve(class, &["--request-id-in-response"]);
        for (path, status) in [("/a", 200), ("/fail", 500)] {
            let answer = ask(&server, path);
            assert_eq!(answer.status, status);
            assert_eq!(
                answer.header("X-Request-ID"),
                Some("of-the-proxy"),
                "{path}"
            );
        }
    }
}
