//! Clients that people use: curl, requests, httpx, Node.js, ab and wrk.

use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};

use crate::support::certificates::Authority;
use crate::support::{Process, Start, Target, app, folder, site};

fn serve(args: &[&str]) -> Process {
    Start::server(args)
        .args(["--workers", "2", "app:app"])
        .cwd(app("clients"))
        .spawn()
}

fn url(target: &Target) -> String {
    match target {
        Target::Tcp(address) => format!("http://{address}"),
        Target::Unix(path) => panic!("{} is no TCP socket", path.display()),
    }
}

/// Runs a command if it is installed. Else it prints a note and returns nothing.
pub fn installed<'a>(name: &str, args: impl IntoIterator<Item = &'a str>) -> Option<Start> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&folders).chain([Path::new("/usr/sbin").into()]);
    let Some(folder) = folders.find(|folder| folder.join(name).is_file()) else {
        eprintln!("skipped: {name} is not installed");
        return None;
    };
    Some(Start::program(folder.join(name), args))
}

#[test]
fn curl() {
    let server = serve(&[]);
    let site = url(&server.target());
    let run = |words: &str| {
        let command = installed("curl", ["--silent", "--show-error", "--fail"])?;
        Some(
            command
                .args(words.split_whitespace())
                .run()
                .expect_success()
                .stdout,
        )
    };
    let dir = folder();
    let large = dir.path().join("large");
    let bytes = vec![b'x'; 3_000_000];
    fs::write(&large, &bytes).unwrap();
    let sum: String = digest(&SHA256, &bytes)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let large = large.display();
    let Some(hello) = run(&format!("{site}/")) else {
        return;
    };
    assert_eq!(hello, "hello");
    let run = |words: String| run(&words).unwrap();
    // The second request uses the connection of the first.
    let twice = format!("{site}/ {site}/ --write-out [%{{num_connects}}]");
    assert_eq!(run(twice), "hello[1]hello[0]");
    assert_eq!(run(format!("--http1.0 {site}/")), "hello");
    assert!(run(format!("--head {site}/")).contains("Content-Length: 5"));
    // The upload is large, so curl sends an Expect field; then in chunks.
    let upload = format!("--data-binary @{large} {site}/digest");
    assert_eq!(run(upload), format!("POST 3000000 {sum}"));
    let chunked = format!("--header Transfer-Encoding:chunked --upload-file {large} {site}/digest");
    assert_eq!(run(chunked), format!("PUT 3000000 {sum}"));
    let moved = format!("--location --data-binary @{large} {site}/moved");
    assert_eq!(run(moved), format!("POST 3000000 {sum}"));
    assert_eq!(
        run(format!(
            "{site}/stream --output /dev/null --write-out %{{size_download}}"
        )),
        "1000000"
    );
    assert_eq!(
        run(format!("--write-out %{{http_code}} {site}/nothing")),
        "204"
    );
}

#[test]
fn requests_and_httpx() {
    let server = serve(&[]);
    let used = Start::program(site::venv("clients").join("bin/python"), ["use.py"])
        .args([url(&server.target())])
        .cwd(app("clients"))
        .run()
        .expect_success();
    assert_eq!(used.stdout, "all is well");
}

#[test]
fn node() {
    node_is_content(&serve(&[]), &[]);
}

#[test]
fn node_over_tls() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("site", &["127.0.0.1"]);
    let server = serve(&["--certfile", &pair.certificate, "--keyfile", &pair.key]);
    node_is_content(&server, &[&authority.file()]);
}

/// Uses all features of Node's client, which does not pipeline.
fn node_is_content(server: &Process, authority: &[&str]) {
    let script = app("clients").join("use.js");
    if let Some(node) = installed("node", [script.to_str().unwrap()]) {
        let scheme = if authority.is_empty() {
            "http"
        } else {
            "https"
        };
        let site = url(&server.target()).replace("http:", &format!("{scheme}:"));
        let used = node.args([&*site]).args(authority).run().expect_success();
        assert_eq!(used.stdout, "all is well");
        let log = server.stderr.so_far();
        assert!(!log.contains("Traceback"), "{log}");
    }
}

#[test]
fn ab() {
    let server = serve(&[]);
    let site = format!("{}/", url(&server.target()));
    for flags in [
        &["-n", "300", "-c", "8"][..],
        &["-n", "300", "-c", "8", "-k"],
    ] {
        let Some(ab) = installed("ab", ["-q"]) else {
            return;
        };
        let report = ab.args(flags).args([&site]).run().expect_success().stdout;
        let counted = |name: &str| {
            let line = report.lines().find(|line| line.starts_with(name))?;
            line.rsplit(' ').next()?.parse::<u32>().ok()
        };
        assert_eq!(counted("Complete requests:"), Some(300), "{report}");
        assert_eq!(counted("Failed requests:"), Some(0), "{report}");
        let kept = flags.contains(&"-k").then_some(300);
        assert_eq!(counted("Keep-Alive requests:"), kept, "{report}");
        assert_eq!(counted("Non-2xx responses:"), None, "{report}");
    }
}

#[test]
fn wrk() {
    let server = serve(&[]);
    let site = format!("{}/", url(&server.target()));
    if let Some(wrk) = installed("wrk", ["-t1", "-c16", "-d1s"]) {
        let report = wrk.args([&site]).run().expect_success().stdout;
        assert!(report.contains("Requests/sec"), "{report}");
        assert!(!report.contains("Non-2xx"), "{report}");
        assert!(!report.contains("Socket errors"), "{report}");
    }
}
