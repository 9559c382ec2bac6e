//! Probes that the workers answer without the app, and the time of draining before a
//! stop.

use std::os::unix::net::UnixDatagram;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use crate::support::certificates::Authority;
use crate::support::{
    DEADLINE, Process, Response, Start, Target, app, folder, in_all_classes, uninterrupted,
    wait_until,
};

in_all_classes! {
    the_workers_answer_probes_without_the_app,
    the_app_has_other_requests,
    probes_come_over_tls_and_behind_a_proxy,
    after_term_it_serves_on_for_a_while,
    int_ends_the_draining_at_once,
}

fn serve(class: &[&str], args: &[&str]) -> Process {
    Start::server(["--health-path", "/healthz"])
        .args(args)
        .args(class)
        .cwd(app("mirror"))
        .spawn()
}

fn the_workers_answer_probes_without_the_app(class: &[&str]) {
    let args = ["--access-logfile", "-", "--access-logformat", "%(U)s %(s)s"];
    // A probe is no request: one is allowed at a time, and the first ends the worker.
    let limits = ["--limit-concurrency", "1", "--max-requests", "1"];
    let server = serve(class, &[&args[..], &limits].concat());
    let mut stream = server.target().connect().unwrap();
    for _ in 0..3 {
        let probe = b"GET /healthz?a=b HTTP/1.1\r\nHost: a\r\nX-Request-ID: r\r\n\r\n";
        stream.write_all(probe).unwrap();
        let answer = Response::read(&mut stream, false).unwrap();
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
        assert_eq!(answer.header("Content-Type"), Some("text/plain"));
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        assert_eq!(answer.ok(), "ok\n");
    }
    // Several in one breath are answered in their order, and the app's answer after them.
    let probe = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "HEAD /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(probe.repeat(3).as_bytes()).unwrap();
    stream.write_all(last.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{text}");
    assert_eq!(text.matches("\r\n\r\nok\n").count(), 3, "{text}");
    assert!(text.ends_with("Content-Length: 3\r\n\r\n"), "{text}");

    assert_eq!(server.target().get("/app").status, 200);
    server.stdout.wait_for("/app 200");
    let log = server.stdout.so_far();
    assert_eq!(log, "/app 200", "probes are not logged");
    let booted = server.workers(2);
    assert_eq!(booted.len(), 2, "only the app's request counts");
}

fn the_app_has_other_requests(class: &[&str]) {
    let server = serve(class, &[]);
    for path in ["/healthz/", "/HEALTHZ", "/health%7a", "/"] {
        let page: serde_json::Value =
            serde_json::from_str(&server.target().get(path).ok()).unwrap();
        assert_eq!(page["method"], "GET", "{path}");
    }
    let post = "POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    assert!(server.target().exchange(post).ok().contains("POST"));
    // A body of a probe is not read, and the connection ends.
    let with_body = post.replace("POST", "GET");
    let answer = server.target().exchange(&with_body);
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(answer.ok(), "ok\n");
}

fn probes_come_over_tls_and_behind_a_proxy(class: &[&str]) {
    let proxied = serve(class, &["--proxy-protocol", "auto"]);
    let header = "PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n";
    let probe = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = proxied.target().exchange(format!("{header}{probe}"));
    assert_eq!(answer.ok(), "ok\n");

    let folder = folder();
    let authority = Authority::new(folder.path());
    let pair = authority.issue("one", &["one.test"]);
    let tls = ["--certfile", &pair.certificate, "--keyfile", &pair.key];
    let server = serve(class, &tls);
    let Target::Tcp(address) = server.target() else {
        panic!("it listens at a port");
    };
    let port = address.port();
    let url = format!("https://one.test:{port}/healthz");
    // Two of them over one connection.
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(["--cacert", &authority.file()])
        .args(["--resolve", &format!("one.test:{port}:127.0.0.1")])
        .args([&url, &url])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"ok\nok\n", "{output:?}");
}

fn after_term_it_serves_on_for_a_while(class: &[&str]) {
    let folder = folder();
    let path = folder.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut server = Start::server(["--health-path", "/healthz", "--drain-delay", "600"])
        .args(class)
        .env("NOTIFY_SOCKET", &path)
        .cwd(app("mirror"))
        .spawn();
    assert_eq!(server.target().get("/healthz").ok(), "ok\n");
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("Draining for 600 s before the stop");
    let told = |what: &str| {
        let mut message = [0; 1024];
        loop {
            let length = uninterrupted(|| manager.recv(&mut message)).unwrap();
            if message[..length].starts_with(what.as_bytes()) {
                return;
            }
        }
    };
    told("STOPPING=1\nSTATUS=Draining");
    let answer = server.target().get("/healthz");
    assert_eq!(
        (answer.status, answer.text()),
        (503, "draining\n".to_owned())
    );
    server.target().get("/served").ok();
    // A reload would only begin what the stop ends.
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("HUP signal ignored");
    // A worker that dies is replaced, and the new one drains, too.
    kill(server.workers(1)[0], Signal::SIGKILL).unwrap();
    server.workers(2);
    wait_until("the new worker drains", || {
        server.target().get("/healthz").status == 503
    });
    server.target().get("/served").ok();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    told("STOPPING=1\nSTATUS=Stopping");

    // Without a second signal it ends by itself.
    let mut server = serve(class, &["--drain-delay", "1"]);
    server.target().get("/").ok();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("Draining for 1 s before the stop"), "{log}");
}

fn int_ends_the_draining_at_once(class: &[&str]) {
    let mut server = serve(class, &["--drain-delay", "600"]);
    server.target().get("/").ok();
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("Draining for 600 s before the stop");
    server.signal(Signal::SIGINT);
    assert_eq!(server.exit_code(), 0);
}
