//! curl, nghttp and h2load.

use std::fs;
use std::path::Path;

use ring::digest::{SHA256, digest};

use super::{Class, Site, in_every_class};
use crate::clients::installed;
use crate::support::Start;

in_every_class! {
    curl_gets_and_sends,
    curl_upgrades_from_http_1,
    curl_uses_its_connection_again,
    nghttp_gets_a_page_with_all_that_it_links,
    h2load_has_no_failed_request,
}

/// Tornado would read a form.
const BINARY: &str = "--header Content-Type:application/octet-stream";

/// curl for a site, if it is installed.
pub fn curl(site: &Site, way: &str) -> Option<Start> {
    let always = ["--silent", "--show-error", "--max-time", "300", way];
    let curl = installed("curl", always)?;
    Some(match &site.authority {
        Some(authority) => curl.args(["--cacert", &authority.file()]),
        None => curl,
    })
}

/// What curl prints for these words.
#[track_caller]
fn curled(site: &Site, way: &str, words: &str) -> Option<String> {
    let words = words.replace("SITE", &site.url);
    Some(site.said_to(curl(site, way)?.args(words.split_whitespace())))
}

/// Writes a file of this many bytes. Returns its path and its SHA-256.
fn large_file(folder: &Path, size: usize) -> (String, String) {
    let path = folder.join("large");
    let bytes: Vec<u8> = (0..=250).cycle().take(size).collect();
    fs::write(&path, &bytes).unwrap();
    let sum = digest(&SHA256, &bytes);
    let sum = sum.as_ref().iter().map(|byte| format!("{byte:02x}"));
    (path.to_str().unwrap().to_owned(), sum.collect())
}

fn curl_gets_and_sends(class: Class) {
    for site in Site::both(class) {
        let way = match site.authority {
            Some(_) => "--http2",
            None => "--http2-prior-knowledge",
        };
        let run = |words: &str| curled(&site, way, words);
        let (large, sum) = large_file(site.folder.path(), 3_000_000);
        let told = "--write-out [%{http_version}|%{num_connects}|%{http_code}]";
        let Some(hello) = run(&format!("SITE/ {told}")) else {
            return;
        };
        assert_eq!(hello, "hello[2|1|200]");
        let run = |words: &str| run(words).unwrap();
        let peer = run("SITE/peer");
        assert!(peer.starts_with("HTTP/2"), "{peer}");
        assert!(run("--head SITE/").contains("content-length: 5"));
        assert_eq!(run(&format!("SITE/nothing {told}")), "[2|1|204]");
        let upload = format!("{BINARY} --data-binary @{large} SITE/digest");
        assert_eq!(run(&upload), format!("POST 3000000 {sum}"));
        // Without a length, and held back until the server asks for it.
        let piped = format!("--header Content-Length: --upload-file {large} SITE/digest");
        assert_eq!(run(&piped), format!("PUT 3000000 {sum}"));
        let held = format!("--header Expect:100-continue {upload}");
        assert_eq!(run(&held), format!("POST 3000000 {sum}"));
        let size = "--output /dev/null --write-out %{size_download}";
        assert_eq!(run(&format!("SITE/stream {size}")), "1000000");
        assert_eq!(run(&format!("SITE/large {size}")), "5000000");
        // Over HTTP/1.1, the same server does the same.
        assert_eq!(run(&format!("--http1.1 SITE/ {told}")), "hello[1.1|1|200]");
        site.expect_lines(9);
    }
}

fn curl_upgrades_from_http_1(class: Class) {
    let told = "SITE/ SITE/peer --write-out [%{http_version}|%{num_connects}]";
    for (setting, upgraded, known) in [
        ("upgrade", true, false),
        ("both", true, true),
        ("prior-knowledge", false, true),
        ("off", false, false),
    ] {
        let site = Site::clear_by(class, setting);
        let Some(said) = curled(&site, "--http2", told) else {
            return;
        };
        // The first request is answered on the connection that it upgrades.
        let version = if upgraded { "2" } else { "1.1" };
        assert!(
            said.starts_with(&format!("hello[{version}|1]HTTP/{version}")),
            "{setting}: {said}"
        );
        assert!(
            said.ends_with(&format!("[{version}|0]")),
            "{setting}: {said}"
        );
        let (large, sum) = large_file(site.folder.path(), 300_000);
        let upload = format!("{BINARY} --data-binary @{large} SITE/digest");
        let sent = curled(&site, "--http2", &upload).unwrap();
        assert_eq!(sent, format!("POST 300000 {sum}"), "{setting}");
        let prior = curl(&site, "--http2-prior-knowledge").unwrap();
        let prior = prior.args([format!("{}/", site.url)]).run();
        assert_eq!(prior.code == 0, known, "{setting}: {}", prior.stderr);
        site.expect_no_error();
    }
}

/// Only over TLS: a second request by prior knowledge on one connection fails in curl
/// 7.88, whatever the server.
fn curl_uses_its_connection_again(class: Class) {
    let site = Site::tls(class);
    let told = "--output /dev/null --write-out %{http_version}|%{http_code}|%{size_download}\\n";
    let Some(said) = curled(&site, "--http2", &format!("SITE/large?[1-9] {told}")) else {
        return;
    };
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines, ["2|200|5000000"; 9]);
    let (large, sum) = large_file(site.folder.path(), 300_000);
    let moved = format!("--location {BINARY} --data-binary @{large} SITE/moved");
    let said = curled(&site, "--http2", &moved).unwrap();
    assert_eq!(said, format!("POST 300000 {sum}"));
    let many = format!("--parallel --parallel-max 50 SITE/large?[1-60] {told}");
    let said = curled(&site, "--http2", &many).unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines, ["2|200|5000000"; 60]);
    site.expect_lines(71);
}

fn nghttp_gets_a_page_with_all_that_it_links(class: Class) {
    for site in Site::both(class) {
        let nghttp = |words: &str| {
            let run = installed("nghttp", ["--no-verify-peer"])?;
            Some(
                run.args(words.replace("SITE", &site.url).split_whitespace())
                    .run(),
            )
        };
        let Some(page) = nghttp("--null-out --stat --get-assets SITE/page") else {
            return;
        };
        let stat = page.expect_success().stdout;
        let good = |part: &str| {
            let of_part = |line: &&str| line.contains(part) && line.contains(" 200 ");
            stat.lines().filter(of_part).count()
        };
        // It follows links to style sheets, and pictures.
        assert_eq!(
            (good("/page"), good(".css"), good(".svg")),
            (1, 50, 50),
            "{stat}"
        );
        let (large, sum) = large_file(site.folder.path(), 500_000);
        // With frames of padding, CONTINUATION frames, and trailers.
        let strange = format!(
            "--padding 200 --continuation --trailer x-sum:{sum} --data {large} SITE/digest"
        );
        let sent = nghttp(&strange).unwrap().expect_success().stdout;
        assert_eq!(sent, format!("POST 500000 {sum}"));
        let held = format!("--expect-continue --data {large} SITE/digest");
        let sent = nghttp(&held).unwrap().expect_success().stdout;
        assert_eq!(sent, format!("POST 500000 {sum}"));
        site.expect_lines(103);
        if class.streams {
            let verbose = nghttp("--verbose --header te:trailers SITE/trailers")
                .unwrap()
                .expect_success();
            assert!(
                verbose.stdout.contains("grpc-status: 0"),
                "{}",
                verbose.stdout
            );
        }
    }
    let site = Site::clear_by(class, "upgrade");
    let Some(nghttp) = installed("nghttp", ["--upgrade"]) else {
        return;
    };
    let upgraded = nghttp.args([format!("{}/peer", site.url)]).run();
    let said = upgraded.expect_success().stdout;
    assert!(said.starts_with("HTTP/2"), "{said}");
}

fn h2load_has_no_failed_request(class: Class) {
    for site in Site::both(class) {
        let body = site.folder.path().join("body");
        fs::write(&body, [b'x'; 1024]).unwrap();
        let body = body.to_str().unwrap();
        let mut done = 0;
        for (count, connections, more, path) in [
            (4000, "8", &[][..], "/"),
            (4000, "1", &[], "/"),
            (800, "8", &[], "/stream"),
            (4000, "8", &["--data", body], "/digest"),
        ] {
            let number = count.to_string();
            let load = ["-n", &number, "-c", connections, "-m", "32"];
            let Some(h2load) = installed("h2load", load) else {
                return;
            };
            let url = format!("{}{path}", site.url);
            let said = site.said_to(h2load.args(more).args([url]));
            let succeeded =
                format!("{count} done, {count} succeeded, 0 failed, 0 errored, 0 timeout");
            assert!(said.contains(&succeeded), "{said}");
            assert!(
                said.contains(&format!("status codes: {count} 2xx, 0 3xx")),
                "{said}"
            );
            done += count;
            site.expect_lines(done);
        }
    }
}
