//! Flask, Django and FastAPI over HTTP/2: large uploads, server-sent events, downloads;
//! all that the test sites do, through a proxy that speaks HTTP/2 with the server; and
//! handlers of Tornado and aiohttp.

use std::env;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use ring::digest::{Context, SHA256};

use super::Site;
use super::command_line::curl;
use super::proxies::behind_haproxy;
use crate::asgi_apps::use_fastapi_at;
use crate::clients::installed;
use crate::flask_and_django::{prepare, use_django, use_flask};
use crate::support::{Start, app, folder, site};

/// A site in `tests/apps/http2_sites`, and the arguments of a worker class.
fn serve(module: &str, class: &[&str], over_tls: bool) -> Site {
    let start = Start::server([module, "--limit-request-body", "0", "--venv"])
        .args([site::venv("http2_sites")])
        .args(class)
        .args(["--keep-alive", "120", "--access-logfile", "-"])
        .cwd(app("http2_sites"));
    if over_tls {
        Site::start_tls(start)
    } else {
        Site::start_clear(start)
    }
}

/// Writes a file of 100 MiB, or of as many MiB as `UPLOAD_MEBIBYTES` says. Returns its
/// size and its SHA-256 as the sites do.
fn large_file(path: &Path) -> String {
    let mebibytes = env::var("UPLOAD_MEBIBYTES").map_or(100, |text| text.parse().unwrap());
    let block: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    let mut file = File::create(path).unwrap();
    let mut sha = Context::new(&SHA256);
    for _ in 0..mebibytes {
        file.write_all(&block).unwrap();
        sha.update(&block);
    }
    let sum = sha.finish();
    let sum = sum.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("{} {}", mebibytes << 20, sum.collect::<String>())
}

/// Uploads, downloads and receives events, over TLS and in clear text.
#[track_caller]
fn serves(module: &str, class: &[&str]) {
    for over_tls in [false, true] {
        let site = serve(module, class, over_tls);
        let way = match over_tls {
            true => "--http2",
            false => "--http2-prior-knowledge",
        };
        let Some(welcome) = curl(&site, way) else {
            return;
        };
        let welcome = site.said_to(welcome.args([format!("{}/", site.url)]));
        assert!(welcome.starts_with("Welcome over HTTP/2"), "{welcome}");

        let large = site.folder.path().join("large");
        let expected = large_file(&large);
        let form = format!("file=@{}", large.display());
        let upload = ["--form", &form, &format!("{}/upload", site.url)];
        let sent = site.said_to(curl(&site, way).unwrap().args(upload));
        assert_eq!(sent, expected);

        let copy = site.folder.path().join("copy");
        let url = format!("{}/file?path={}", site.url, large.display());
        let download = ["--fail", "--output", copy.to_str().unwrap(), &url];
        site.said_to(curl(&site, way).unwrap().args(download));
        assert!(fs::read(&copy).unwrap() == fs::read(&large).unwrap());

        let go = site.folder.path().join("go");
        let url = format!("{}/events?go={}", site.url, go.display());
        let events = curl(&site, way)
            .unwrap()
            .args(["--no-buffer", &url])
            .spawn();
        events.stdout.wait_for("data: one");
        assert!(!events.stdout.so_far().contains("two"));
        File::create(go).unwrap();
        events.stdout.wait_for("data: two");
        assert_eq!(events.stdout.whole(), "data: one\n\ndata: two\n");
        site.expect_lines(4);
    }
}

#[test]
fn flask_in_sync() {
    serves("flask_site:app", &[]);
}

#[test]
fn flask_in_gthread() {
    serves("flask_site:app", &["--threads", "4"]);
}

#[test]
fn flask_in_gevent() {
    serves("flask_site:app", &["-k", "gevent"]);
}

#[test]
fn django_in_sync() {
    serves("django_site:wsgi", &[]);
}

#[test]
fn django_in_gthread() {
    serves("django_site:wsgi", &["--threads", "4"]);
}

#[test]
fn django_in_gevent() {
    serves("django_site:wsgi", &["-k", "gevent"]);
}

#[test]
fn django_in_asgi() {
    serves("django_site:asgi", &["-k", "asgi"]);
}

#[test]
fn fastapi_in_asgi() {
    serves("fastapi_site:app", &["-k", "asgi"]);
}

/// Handlers of Tornado and aiohttp: an answer, a stream, an upload, and many requests at
/// a time that wait.
#[track_caller]
fn handles(name: &str, class: &str) {
    let start = Start::server(["app:app", "-k", class, "--keep-alive", "120"])
        .args(["--access-logfile", "-", "--app-zip"])
        .args([site::zip(name)])
        .cwd("/");
    let site = Site::start_tls(start);
    let ask = |words: &[&str], path: &str| {
        let url = format!("{}{path}", site.url);
        let curl = curl(&site, "--http2")?.args(words).args([url]);
        Some(curl.run().expect_success().stdout)
    };
    let Some(main) = ask(&[], "/") else {
        return;
    };
    assert!(main.contains(r#""remote": "127.0.0.1""#), "{main}");
    assert_eq!(ask(&[], "/lines").unwrap(), "0\n1\n2");
    let large = site.folder.path().join("large");
    fs::write(&large, vec![b'x'; 900_000]).unwrap();
    let large = large.to_str().unwrap();
    let received = ask(&["--upload-file", large], "/receive").unwrap();
    assert!(received.contains("900000"), "{received}");
    let load = ["-n", "100", "-c", "2", "-m", "50"];
    let Some(h2load) = installed("h2load", load) else {
        return;
    };
    let said = h2load.args([format!("{}/sleep", site.url)]).run();
    let said = said.expect_success().stdout;
    assert!(said.contains("status codes: 100 2xx"), "{said}");
    site.expect_lines(103);
}

#[test]
fn handlers_of_tornado() {
    handles("tornado_site", "tornado");
}

#[test]
fn handlers_of_aiohttp() {
    handles("aiohttp_site", "aiohttp.GunicornWebWorker");
}

const CLEAR: [&str; 2] = ["--http2-cleartext", "prior-knowledge"];

#[test]
fn the_flask_site_behind_a_proxy() {
    let zip = site::zip("flask_site");
    for class in [&[][..], &["--threads", "4"]] {
        let server = Start::server(["app:create_app()", "--app-zip"])
            .args([&zip])
            .args(CLEAR)
            .args(class)
            .cwd("/")
            .spawn();
        behind_haproxy(&server, |front| use_flask(front.clone()));
    }
}

#[test]
fn the_django_site_behind_a_proxy() {
    let zip = site::zip("django_site");
    for class in [&[][..], &["--threads", "4"], &["-k", "asgi"]] {
        let dir = folder();
        let database = dir.path().join("guestbook.sqlite3");
        let manage = |args: &[&str]| {
            Start::new(["--app-zip"])
                .args([&zip])
                .args(["python", "manage.py"])
                .args(args)
                .cwd(dir.path())
        };
        prepare(manage, &database);
        let server = Start::server(["--app-zip"])
            .args([&zip])
            .args(CLEAR)
            .args(class)
            .cwd(dir.path())
            .env("SITE_DATABASE", &database)
            .spawn();
        behind_haproxy(&server, |front| use_django(front.clone()));
    }
}

#[test]
fn the_fastapi_site_behind_a_proxy() {
    let server = Start::server(["--app-zip"])
        .args([site::zip("fastapi_site")])
        .args(CLEAR)
        .cwd("/")
        .spawn();
    behind_haproxy(&server, |front| use_fastapi_at(&server, front));
}
