//! The status page in a real browser.

use std::fs;
use std::io::Write;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::browser::Browser;
use crate::support::status::status_target;
use crate::support::{Process, Start, folder};

/// `/wait` waits for `/go`.
const APP: &str = "
import threading

go = threading.Event()

def app(environ, start_response):
    path = environ['PATH_INFO']
    if path.startswith('/wait'):
        go.wait()
    elif path == '/go':
        go.set()
    start_response('200 OK', [])
    return [b'x']
";

fn serve(args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--status-bind", "127.0.0.1:0", "--threads", "4"])
        .args(args)
        .args(["app:app"])
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

/// The URL of the status page.
fn page_of(server: &Process) -> String {
    let line = server.stderr.wait_for("Status at: ");
    line.split_once("Status at: ").unwrap().1.to_owned()
}

#[test]
fn it_says_all_without_a_script() {
    let (_dir, server) = serve(&[]);
    let worker = server.workers(1)[0];
    server.target().get("/page").ok();
    let answer = status_target(&server).get("/");
    let policy = answer.header("Content-Security-Policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let page = answer.ok();
    for part in [
        format!("<a href=\"stacks/{worker}\""),
        "Booting worker with pid".to_owned(),
        "<th scope=\"row\">threads</th>".to_owned(),
    ] {
        assert!(page.contains(&part), "{part} in {page}");
    }
    assert!(!page.contains("<form method=\"post\""), "it may not steer");
    for name in ["page.css", "page.js", "icon.svg"] {
        let file = status_target(&server).get(&format!("/{name}"));
        assert_eq!(file.header("X-Content-Type-Options"), Some("nosniff"));
        assert!(!file.ok().is_empty(), "{name}");
    }
}

#[test]
fn it_follows_the_load_and_keeps_the_focus() {
    let (_dir, mut server) = serve(&[]);
    server.target().get("/page").ok();
    let files = folder();
    let Some(mut browser) = Browser::start(files.path()) else {
        return;
    };
    browser.open(&page_of(&server));
    browser.wait_for("document.getElementById('rate').textContent !== '0'");
    browser.value("document.querySelector('#workers a').focus()");
    browser.value("window.first = document.activeElement; window.old = about.textContent");
    // A request that waits is shown with its hostile path, and goes when it is answered.
    let mut waiting = server.target().connect().unwrap();
    let request = "GET /wait?<script>alert(1)</script> HTTP/1.1\r\nHost: a\r\n\r\n";
    waiting.write_all(request.as_bytes()).unwrap();
    let shows = "document.getElementById('requests-rows').textContent.includes('/wait?<script>')";
    browser.wait_for(shows);
    browser.wait_for("about.textContent !== old");
    assert_eq!(browser.value("document.activeElement === first"), true);
    // Its stack, in a dialog: the first is that of the request.
    browser.value("document.querySelector('#requests a').click()");
    browser.wait_for("stacks.open");
    let stack = browser.value("document.querySelector('#stacks section').textContent");
    let stack = stack.as_str().unwrap();
    assert!(stack.contains("GET /wait?<script>"), "{stack}");
    assert!(stack.contains("go.wait()"), "{stack}");
    browser.press("Escape", 27);
    browser.wait_for("!stacks.open");
    browser.value("first.focus()");
    server.target().get("/go").ok();
    browser.wait_for(&format!("!{shows}"));
    assert_eq!(browser.value("document.activeElement === first"), true);
    browser.wait_for("document.querySelector('[data-series=rate] polyline') !== null");
    // It fits narrow and wide windows.
    for width in [320, 390, 1280] {
        browser.resize(width, 800);
        browser.wait_for(&format!("innerWidth === {width}"));
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(
            wide.as_u64().unwrap() <= u64::from(width),
            "{wide} > {width}"
        );
    }
    // While it is paused nothing changes.
    browser.value("pause.click(); window.old = about.textContent");
    server.target().get("/page").ok();
    assert_eq!(browser.value("pause.getAttribute('aria-pressed')"), "true");
    assert_eq!(browser.value("about.textContent === old"), true);
    browser.value("pause.click()");
    browser.wait_for("about.textContent !== old");
    assert_eq!(browser.problems(), [""; 0]);
    // It says so when the server is gone.
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    browser.wait_for("connection.textContent.startsWith('The server does not answer.')");
}

#[test]
fn it_keeps_up_to_date_with_a_password_in_its_url() {
    let files = folder();
    let token = files.path().join("token");
    fs::write(&token, "sesame").unwrap();
    let (_dir, server) = serve(&["--status-token-file", token.to_str().unwrap()]);
    server.target().get("/page").ok();
    let Some(mut browser) = Browser::start(files.path()) else {
        return;
    };
    browser.open(&page_of(&server).replace("://", "://me:sesame@"));
    browser.value("window.old = about.textContent");
    browser.wait_for("about.textContent !== old");
    assert_eq!(browser.problems(), [""; 0]);
}

#[test]
fn its_buttons_steer_and_its_stacks_open_above_it() {
    let (_dir, server) = serve(&["--status-allow-control"]);
    let worker = server.workers(1)[0];
    server.target().get("/page").ok();
    let files = folder();
    let Some(mut browser) = Browser::start(files.path()) else {
        return;
    };
    browser.open(&page_of(&server));
    let press = |name: &str| {
        format!(
            "[...document.querySelectorAll('button')].find(it => it.textContent === '{name}').click()"
        )
    };
    browser.value("window.same = true");
    browser.value(&press("Add a worker"));
    server.workers(2);
    browser.wait_for("serving.textContent === '2 of 2'");
    browser.value(&press("Remove a worker"));
    browser.wait_for("serving.textContent === '1 of 1'");
    browser.value(&press("Reload"));
    server.stderr.wait_for("Handling signal: hup");
    assert_eq!(browser.value("same"), true, "it is still the same page");
    let worker = server.workers(3).last().copied().unwrap_or(worker);
    browser.wait_for(&format!(
        "document.querySelector('#workers a').textContent === '{worker}'"
    ));
    browser.value("document.querySelector('#workers a').focus()");
    browser.value("document.querySelector('#workers a').click()");
    browser.wait_for("stacks.open");
    let title = browser.value("document.querySelector('#stacks h1').textContent");
    assert_eq!(title, format!("Stacks of process {worker}"));
    browser.press("Escape", 27);
    browser.wait_for("!stacks.open");
    browser.wait_for("document.activeElement.matches('#workers a')");
    assert_eq!(browser.problems(), [""; 0]);
    // The policy holds: a script that is put into the page does not run.
    browser.value(
        "document.body.append(Object.assign(document.createElement('script'), \
         {textContent: 'window.foreign = true'}))",
    );
    assert_eq!(browser.value("window.foreign === undefined"), true);
    assert_eq!(browser.problems().len(), 1, "the browser says so");
}
