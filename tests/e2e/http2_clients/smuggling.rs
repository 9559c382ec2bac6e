//! Requests that become two if a proxy translates between HTTP/2 and HTTP/1.1 without
//! care, in both directions; and the same sent to the server itself.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use super::address;
use super::proxies::haproxy_for_http2;
use crate::proxies::haproxy;
use crate::smuggling::{connect, say, suite};
use crate::support::{Process, Start, Target, app, folder, in_all_classes, site};

in_all_classes! {
    over_http_2,
    from_http_2_to_http_1,
    from_http_1_to_http_2,
}

/// The requests of `smuggle.py` that are in order.
const GOOD: [&str; 6] = [
    "a body that looks like a request",
    "GET with such a body",
    "the right length",
    "trailers",
    "expect",
    "an underscore",
];

/// Trailers that the server leaves out. No part of them reaches the app.
const LEFT_OUT: [&str; 2] = ["a length in a trailer", "a pseudo-field in a trailer"];

fn serve(class: &[&str], cleartext: &str) -> Process {
    Start::server(["--access-logfile", "-", "--http2-cleartext", cleartext])
        .args(class)
        .cwd(app("mirror"))
        .spawn()
}

/// What becomes of each request of `smuggle.py`.
#[track_caller]
fn smuggle(target: &Target) -> BTreeMap<String, String> {
    let python = site::venv("http2_clients").join("bin/python");
    let script = app("http2_clients").join("smuggle.py");
    let run = Start::program(python, [script])
        .args([address(target)])
        .run()
        .expect_success();
    let outcomes: BTreeMap<_, _> = run
        .stdout
        .lines()
        .map(|line| line.rsplit_once(": ").unwrap())
        .map(|(name, outcome)| (name.to_owned(), outcome.to_owned()))
        .collect();
    assert_eq!(outcomes.len(), 51);
    outcomes
}

#[track_caller]
fn expect_nothing_hidden(server: &Process) {
    // The request after the last one has been answered, so all lines are there soon.
    server.stdout.wait_for("/own50 ");
    let log = server.stdout.so_far();
    assert!(!log.contains("\"GET /hidden"), "{log}");
}

fn over_http_2(class: &[&str]) {
    let server = serve(class, "prior-knowledge");
    for (name, outcome) in smuggle(&server.target()) {
        let is_good = GOOD.contains(&&*name) || LEFT_OUT.contains(&&*name);
        assert_eq!(outcome == "200", is_good, "{name}: {outcome}");
    }
    expect_nothing_hidden(&server);
}

/// HAProxy refuses much, and writes the rest as HTTP/1.1.
fn from_http_2_to_http_1(class: &[&str]) {
    let server = serve(class, "off");
    let dir = folder();
    let us = address(&server.target());
    let Some((_haproxy, front)) = haproxy_for_http2(dir.path(), &us) else {
        return;
    };
    let outcomes = smuggle(&front);
    for name in GOOD {
        assert_eq!(outcomes[name], "200", "{name}");
    }
    expect_nothing_hidden(&server);
}

/// HAProxy reads HTTP/1.1, and writes HTTP/2.
fn from_http_1_to_http_2(class: &[&str]) {
    let server = serve(class, "prior-knowledge");
    let dir = folder();
    let line = format!("{} proto h2", address(&server.target()));
    let logs = "log stdout format raw daemon\n           log-format \"%HP %ST\"";
    let Some((front_server, front)) = haproxy(dir.path(), logs, &line) else {
        return;
    };
    for (request, _) in suite() {
        say(&front, request.as_bytes());
        let mut stream = connect(&front);
        let own = b"GET /own HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(own).unwrap();
        let mut own = String::new();
        stream.read_to_string(&mut own).unwrap();
        assert!(own.contains(r#""target": "/own""#), "{request:?}: {own}");
    }
    // The server has served nothing that HAProxy has not seen as a request.
    let is_own = |line: &&String| line.contains("/own ");
    let all = |lines: &[String]| lines.iter().filter(is_own).count() >= suite().len();
    let lines = front_server
        .stdout
        .wait_until(all, "the log of all requests");
    let passed_on = lines.join("\n");
    let log = server.stdout.so_far();
    assert!(log.contains("/shown HTTP/2.0\" 200 "), "{log}");
    for page in ["shown", "hidden", "two", "own"] {
        let seen = passed_on.matches(&format!("/{page} ")).count();
        let served = log.matches(&format!(" /{page} HTTP/2.0\" 200 ")).count();
        assert!(served <= seen, "/{page}: {served} of {seen}");
    }
}
