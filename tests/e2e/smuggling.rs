//! Requests that two parsers might read differently, so that the second one finds a
//! request that the first one did not see. Each has one correct result. Behind nginx,
//! too, the hidden request is never served.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::{
    DEADLINE, Process, Start, Target, app, folder, http::responses, in_all_classes, nginx,
};

/// The request that is hidden in the others.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

pub enum Verdict {
    /// One answer with this status, then the connection ends.
    Refused(u16),
    /// One request with this body; the hidden request is a part of it.
    Body,
    /// Two ordinary requests.
    Two,
}
use Verdict::{Body, Refused, Two};

/// A POST with these fields, and what follows them.
fn post(fields: &str, rest: &str) -> String {
    format!("POST /shown HTTP/1.1\r\nHost: a\r\n{fields}\r\n{rest}")
}

/// A chunked POST with these bytes as its body.
fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked\r\n", body)
}

pub fn suite() -> Vec<(String, Verdict)> {
    let length = HIDDEN.len();
    let size = format!("{length:x}");
    let end = "0\r\n\r\n";
    let both = |te: &str| {
        let fields = format!("Content-Length: 5\r\n{te}\r\n");
        post(&fields, &format!("{end}{HIDDEN}"))
    };
    let mut suite = Vec::new();
    // Valid requests.
    suite.push((post(&format!("Content-Length: {length}\r\n"), HIDDEN), Body));
    suite.push((chunked(&format!("{size}\r\n{HIDDEN}\r\n{end}")), Body));
    suite.push((
        chunked(&format!("000{size};a=b\r\n{HIDDEN}\r\n{end}")),
        Body,
    ));
    suite.push((
        post(
            "Content-Length: 0\r\n",
            "GET /two HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        Two,
    ));
    suite.push((
        chunked("0\r\nX: y\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n"),
        Two,
    ));
    // Content-Length and Transfer-Encoding, in every spelling of the latter.
    for te in [
        "Transfer-Encoding: chunked",
        "transfer-encoding:chunked",
        "TRANSFER-ENCODING:\tchunked\t",
        "Transfer-Encoding: Chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\r\n\tTransfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding:\x0bchunked",
        "Transfer-Encoding:\x0cchunked",
        "Transfer-Encoding: \x01chunked",
        "Transfer-Encoding: chunked\0",
        "Transfer-Encoding\0: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
    ] {
        suite.push((both(te), Refused(400)));
    }
    for te in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: 'chunked'",
        "Transfer-Encoding: chunked identity",
        "Transfer-Encoding: cow",
        "Transfer-Encoding: caf\u{e9}",
    ] {
        suite.push((both(te), Refused(501)));
    }
    // A name with an underscore is not the same field as one with a hyphen.
    let masked = "Transfer_Encoding: chunked\r\n";
    let fields = format!("{masked}Content-Length: {length}\r\n");
    suite.push((post(&fields, HIDDEN), Body));
    // Lengths.
    for value in [
        "5, 5",
        "5,5",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "5;",
        "\"5\"",
        "",
        "5.0",
        "5e0",
        "5_0",
        "1\t1",
        "99999999999999999999",
        "18446744073709551616",
        "5\0",
        "\x0b5",
        "5,",
        ",5",
        "٥",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        suite.push((post(&fields, HIDDEN), Refused(400)));
    }
    for fields in [
        "Content-Length: 0\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\x01: 5\r\n",
        "Content-Length\r\n: 5\r\n",
        "Content-Length: 5\r\n Content-Length: 0\r\n",
    ] {
        suite.push((post(fields, HIDDEN), Refused(400)));
    }
    // Sizes of chunks.
    for line in [
        "",
        " 5",
        "5 ",
        "+5",
        "-5",
        "0x5",
        "5_",
        "5h",
        "g",
        "5\t",
        "5 5",
        "5\r",
        "5\0",
        "5\x0b",
        "10000000000000000",
        "ffffffffffffffffff",
        "5;",
        "5;=",
        "5;a=",
        "5;a=\"",
        "5;a\rb",
        "5;a=\"\r\"",
        "5,a",
        ";a",
        "-0",
        "+0",
        "0 ",
        "0x0",
        "5;a\0",
    ] {
        suite.push((
            chunked(&format!("{line}\r\nhello\r\n{end}{HIDDEN}")),
            Refused(400),
        ));
    }
    // Ends of lines.
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello \r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\nX: y\n\r\n",
        "5\r\nhello\r\n0\r\nX : y\r\n\r\n",
        "5\r\nhello\r\n0\r\n X: y\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: a\0\r\n\r\n",
        "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
        "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n0\r\nHost: b\r\n\r\n",
        "5\r\nhello\r\n\r\n0\r\n\r\n",
        "6\r\nhello\r\n0\r\n\r\n",
        "4\r\nhello\r\n0\r\n\r\n",
    ] {
        suite.push((chunked(&format!("{body}{HIDDEN}")), Refused(400)));
    }
    // Heads.
    for head in [
        "GET /shown HTTP/1.1\nHost: a\n\n",
        "GET /shown HTTP/1.1\r\nHost: a\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\n\n",
        "GET /shown HTTP/1.1\rHost: a\r\r",
        "GET /shown HTTP/1.1\r\nHost: a\r\nX: y\rZ: z\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nX y: z\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nX(: z\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\ncaf\u{e9}: z\r\n\r\n",
        "GET /shown HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /shown HTTP/1.1\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: a:b\r\n\r\n",
        "GET /shown HTTP/1.1\r\nHost: [::1\r\n\r\n",
        "GET  /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shown  HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET\t/shown\tHTTP/1.1\r\nHost: a\r\n\r\n",
        " GET /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /sho\x01wn HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /sho\0wn HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /caf\u{e9} HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http:///shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        "get /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "G\0T /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/1.1.1\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/11\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/ 1.1\r\nHost: a\r\n\r\n",
        "GET /shown http/1.1\r\nHost: a\r\n\r\n",
        "GET /shown\r\nHost: a\r\n\r\n",
        "\r\n\r\nGET /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "\nGET /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "\0GET /shown HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /shown HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        suite.push((format!("{head}{HIDDEN}"), Refused(400)));
    }
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
        let head = format!("GET /shown {version}\r\nHost: a\r\n\r\n");
        suite.push((head + HIDDEN, Refused(505)));
    }
    suite
}

/// Everything that `target` sends for these bytes, after which the connection is
/// closed.
fn send(target: &Target, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(target);
    stream.write_all(bytes).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// What `target` sends for these bytes until it is silent or closes the connection.
pub fn say(target: &Target, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(target);
    stream.write_all(bytes).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

pub fn connect(target: &Target) -> TcpStream {
    let Target::Tcp(address) = target else {
        unreachable!("it was asked to listen there");
    };
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

fn serve(class: &[&str]) -> Process {
    Start::server(["--access-logfile", "-"])
        .args(class)
        .cwd(app("mirror"))
        .spawn()
}

in_all_classes! {
    one_verdict_each,
    nothing_hidden_gets_through_nginx,
}

fn one_verdict_each(class: &[&str]) {
    let server = serve(class);
    let target = server.target();
    for (request, verdict) in suite() {
        let bytes = request.as_bytes();
        let answers = responses(&send(&target, bytes)).expect(&request);
        let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
        let shown = answers.first().map(|answer| answer.text());
        let shown = shown.unwrap_or_default();
        match verdict {
            Refused(status) => assert_eq!(statuses, [status], "{request:?}"),
            Two => assert_eq!(statuses, [200, 200], "{request:?}"),
            Body => {
                assert_eq!(statuses, [200], "{request:?}");
                assert!(
                    shown.contains(r#""body": "GET /hidden HTTP/1.1\r\n"#),
                    "{shown}"
                );
            }
        }
    }
    let log = server.stdout.so_far();
    assert!(
        log.contains("/shown") && !log.contains("\"GET /hidden"),
        "{log}"
    );
}

fn nothing_hidden_gets_through_nginx(class: &[&str]) {
    let server = serve(class);
    let Target::Tcp(address) = server.target() else {
        unreachable!("it was asked to listen there");
    };
    let dir = folder();
    let Some(front) = nginx::start(
        dir.path(),
        &format!(
            "upstream app {{ server {address}; keepalive 4; }}
             log_format passed '$request_uri $upstream_status';
             server {{ listen FRONT; access_log {}/access.log passed; location / {{
                 proxy_pass http://app; proxy_http_version 1.1;
                 proxy_set_header Connection \"\"; proxy_request_buffering off;
             }} }}",
            dir.path().display()
        ),
    ) else {
        return;
    };
    for (request, _) in suite() {
        say(&front.target, request.as_bytes());
        // The next client gets its own answer.
        let mut stream = connect(&front.target);
        let own = b"GET /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(own).unwrap();
        let mut own = String::new();
        stream.read_to_string(&mut own).unwrap();
        assert!(own.contains(r#""target": "/own""#), "{request:?}: {own}");
    }
    // What nginx takes for a request is one. But nothing may have been served that
    // nginx did not see; it may have given up before there was an answer.
    let passed_on = fs::read_to_string(dir.path().join("access.log")).unwrap();
    let log = server.stdout.so_far();
    for page in ["shown", "hidden", "two", "own"] {
        let seen = passed_on.matches(&format!("/{page} ")).count();
        let served = log.matches(&format!(" /{page} HTTP/1.1\" 200 ")).count();
        assert!(served <= seen, "/{page}: {served} of {seen}");
    }
    assert!(
        passed_on.matches("/shown 200\n").count() >= 5,
        "{passed_on}"
    );
}
