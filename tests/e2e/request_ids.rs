//! Request ids: taken from a proxy or made, in the app, the logs and the response.

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
fn an_id_from_an_untrusted_peer_is_not_taken() {
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

#[test]
fn what_the_server_answers_itself_has_them_too() {
    let limits = [
        "--limit-request-body",
        "10",
        "--header-timeout",
        "1",
        "--body-min-rate",
        "1000",
        "--timeout",
        "2",
        "--access-logformat",
        "%(s)s=%(request_id)s",
        "--request-id-in-response",
    ];
    let told = "Host: a\r\nX-Request-ID: of-the-proxy\r\n";
    let requests = [
        // A whole head, one that is refused on the way, and one that never ends.
        (400, format!("POST /a HTTP/1.1\r\n{told}Host: b\r\n\r\n")),
        (400, format!("POST /a HTTP/1.1\r\n{told} folded")),
        (408, format!("POST /a HTTP/1.1\r\n{told}A: ")),
        (
            413,
            format!("POST /a HTTP/1.1\r\n{told}Content-Length: 11\r\n\r\n"),
        ),
        (
            413,
            format!("POST /a HTTP/1.1\r\n{told}Transfer-Encoding: chunked\r\n\r\nb\r\n"),
        ),
    ];
    // One that waits for its body belongs to the server in a worker of WSGI
    // only.
    let late = format!("POST /a HTTP/1.1\r\n{told}Content-Length: 2\r\n\r\na");
    for (class, requests) in [
        (&["app:app"][..], &[&requests[..], &[(408, late)]].concat()),
        (&ASGI, &requests.to_vec()),
    ] {
        let (_dir, server) = serve(class, &limits);
        for (status, request) in requests {
            let answer = server.target().exchange(request);
            assert_eq!(answer.status, *status, "{request:?}");
            let id = answer.header("X-Request-ID");
            assert_eq!(id, Some("of-the-proxy"), "{request:?}");
            server.stdout.wait_for(&format!("{status}=of-the-proxy"));
        }
        let refused = requests.len();
        server.stderr.wait_until(
            |lines| {
                let of_it = "Invalid request from ip=127.0.0.1 [of-the-proxy]: ";
                lines.iter().filter(|line| line.contains(of_it)).count() == refused
            },
            "a line for each",
        );
        // Nobody has told one.
        let answer = server.target().exchange("GET\r\n\r\n");
        let id = answer.header("X-Request-ID").unwrap();
        assert_eq!((answer.status, id.len()), (400, 32));
        server.stdout.wait_for(&format!("400={id}"));
        server.stderr.wait_for(&format!(" [{id}]: "));
    }
}

#[test]
fn their_field_must_have_a_name_that_can_be_one() {
    let mut server = Start::server(["--request-id", "X Request", "app:app"]).spawn();
    assert_eq!(server.exit_code(), 1);
    let said = server.stderr.whole();
    assert!(
        said.contains("'X Request' is not the name of a header field"),
        "{said}"
    );
}

#[test]
fn a_websocket_that_is_none_has_one() {
    let args = ["--request-id-in-response", "--access-logformat"];
    let (_dir, server) = serve(&ASGI, &[&args[..], &["%(s)s=%(request_id)s"]].concat());
    let answer = server.target().exchange(
        "GET /a HTTP/1.1\r\nHost: a\r\nX-Request-ID: of-the-proxy\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 12\r\n\r\n",
    );
    assert_eq!(answer.status, 426);
    assert_eq!(answer.header("Sec-WebSocket-Version"), Some("13"));
    assert_eq!(answer.header("X-Request-ID"), Some("of-the-proxy"));
    server.stdout.wait_for("426=of-the-proxy");
    server.stderr.wait_for(" [of-the-proxy]: ");
}
