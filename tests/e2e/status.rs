//! The status listener: what the master tells, whatever its workers do, and to whom.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::http::responses;
use crate::support::status::{ask, ctl, report, requests, status_target};
use crate::support::{
    Process, Response, Sleepers, Start, Target, app, folder, in_all_classes, site, wait_until,
};
use crate::websocket::WebSocket;

const APP: &str = "
import os, time, asyncio

def app(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/sleep':
        time.sleep(600)
    if path == '/spin':
        while True:
            pass
    if path == '/eat':
        eaten = []
        while True:
            eaten.append(b'x' * 100_000)
            time.sleep(0.0001)
    if path == '/fail':
        raise RuntimeError
    if path == '/missing':
        start_response('404 Not Found', [])
        return [b'no']
    start_response('200 OK', [])
    return [str(os.getpid()).encode()]

async def aapp(scope, receive, send):
    if scope['type'] == 'lifespan':
        await receive()
        await send({'type': 'lifespan.startup.complete'})
        await receive()
        return await send({'type': 'lifespan.shutdown.complete'})
    path = scope['path']
    if path == '/sleep':
        await asyncio.sleep(600)
    if path == '/spin':
        while True:
            pass
    if path == '/fail':
        raise RuntimeError
    status = 404 if path == '/missing' else 200
    await send({'type': 'http.response.start', 'status': status})
    await send({'type': 'http.response.body', 'body': str(os.getpid()).encode()})
";

fn serve(args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--status-bind", "127.0.0.1:0"])
        .args(args)
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

fn state(status: &Target) -> String {
    report(status)["state"].as_str().unwrap().to_owned()
}

/// The workers of a report, by process id.
fn worker(status: &Target, pid: Pid) -> Value {
    let report = report(status);
    let mut workers = report["workers"].as_array().unwrap().iter();
    let found = workers.find(|worker| worker["process"]["pid"] == pid.as_raw());
    found.cloned().unwrap_or_default()
}

#[test]
fn the_master_tells_how_the_server_is() {
    let (_dir, mut server) = serve(&["--workers", "2", "--timeout", "77", "app:app"]);
    let (target, status) = (server.target(), status_target(&server));
    assert_eq!(status.get("/live").ok(), "alive\n");
    wait_until("ready", || status.get("/ready").status == 200);
    target.get("/").ok();
    let report = report(&status);
    assert_eq!(report["state"], "serving");
    assert_eq!(report["workers"].as_array().unwrap().len(), 2);
    assert_eq!(report["master"]["pid"], server.pid().as_raw());
    assert_eq!(report["settings"]["timeout"], "77");
    assert_eq!(requests(&report), 1);
    let lines = report["log"].as_array().unwrap();
    let has = |text: &str| {
        lines
            .iter()
            .any(|line| line.as_str().unwrap().contains(text))
    };
    assert!(has("Listening at") && has("Booting worker"), "{lines:?}");
    assert_eq!(status.get("/nothing").status, 404);
    assert_eq!(ask(&status, "POST /", &[]).status, 405);
    assert!(ask(&status, "HEAD /ready", &[]).text().is_empty());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(status.connect().is_err());
}

fn requests_are_counted_by_method_and_status(class: &[&str]) {
    let (_dir, server) = serve(class);
    let (target, status) = (server.target(), status_target(&server));
    for _ in 0..3 {
        target.get("/").ok();
    }
    assert_eq!(target.get("/missing").status, 404);
    assert_eq!(target.get("/fail").status, 500);
    target
        .exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody")
        .ok();
    assert_eq!(target.exchange("BAD\r\n\r\n").status, 400);
    wait_until("all are counted", || requests(&report(&status)) == 7);
    let totals = &report(&status)["totals"];
    assert_eq!(
        totals["requests"],
        serde_json::json!({
            "GET": {"2xx": 3, "4xx": 1, "5xx": 1},
            "POST": {"2xx": 1},
            "other": {"4xx": 1},
        })
    );
    let count = |name: &str| totals[name].as_u64().unwrap();
    wait_until("the connections are counted", || {
        report(&status)["totals"]["connections"] == 7
    });
    assert!(count("bytes_received") > 100 && count("bytes_sent") > 500);
    let times = totals["duration"]["buckets"].as_array().unwrap();
    assert_eq!(times.iter().map(|it| it.as_u64().unwrap()).sum::<u64>(), 6);
}

fn a_request_in_flight_is_shown(class: &[&str]) {
    let (_dir, server) = serve(&[&["--request-id", "X-Request-ID"], class].concat());
    let (target, status) = (server.target(), status_target(&server));
    let mut stream = target.connect().unwrap();
    let request = "GET /sleep?a=1 HTTP/1.1\r\nHost: a\r\nX-Request-ID: one\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let requests = || {
        let report = report(&status);
        report["workers"][0]["requests"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    };
    wait_until("the request is shown", || requests().len() == 1);
    let shown = &requests()[0];
    assert_eq!(shown["target"], "/sleep?a=1");
    assert_eq!(
        (&shown["method"], &shown["client"]),
        (&"GET".into(), &"127.0.0.1".into())
    );
    assert_eq!(shown["id"], "one");
    assert!(shown["age"].as_f64().unwrap() < 60.0);
    assert_eq!(report(&status)["workers"][0]["busy"], 1);
}

in_all_classes!(
    requests_are_counted_by_method_and_status,
    a_request_in_flight_is_shown,
);

#[test]
fn workers_that_hang_do_not_matter_and_are_named() {
    for class in [&["app:app"][..], &["-k", "asgi", "app:aapp"]] {
        let args = [&["--workers", "3", "--timeout", "0"], class].concat();
        let (_dir, server) = serve(&args);
        let (target, status) = (server.target(), status_target(&server));
        let pids = server.workers(3);
        wait_until("all serve", || {
            pids.iter()
                .all(|pid| worker(&status, *pid)["state"] == "serving")
        });
        // One of them holds the GIL in an endless loop, the other is stopped.
        let mut stream = target.connect().unwrap();
        stream
            .write_all(b"GET /spin HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let is_busy = |pid: &Pid| worker(&status, *pid)["busy"] == 1;
        wait_until("one spins", || pids.iter().any(is_busy));
        let spins = *pids.iter().find(|pid| is_busy(pid)).unwrap();
        let mut others = pids.iter().filter(|pid| **pid != spins);
        let stopped = *others.next().unwrap();
        let well = *others.next().unwrap();
        kill(stopped, Signal::SIGSTOP).unwrap();
        wait_until("the stopped one is named", || {
            worker(&status, stopped)["state"] == "stopped"
        });
        wait_until("the one that hangs is named", || {
            worker(&status, spins)["state"] == "hanging"
        });
        assert_eq!(worker(&status, spins)["requests"][0]["target"], "/spin");
        // Of many tries in a row, most are quick: the master waits for no worker that
        // it need not ask.
        let stacks = format!("/stacks/{well}");
        for path in ["/ready", "/status.json", "/live", "/metrics", "/", &stacks] {
            let quick = (0..40).filter(|_| {
                let begin = std::time::Instant::now();
                assert_eq!(status.get(path).status, 200, "{path}");
                begin.elapsed() < Duration::from_millis(50)
            });
            assert!(quick.count() >= 20, "{path}");
        }
        let told = status.get(&format!("/stacks/{stopped}")).text();
        assert!(told.contains("the process is stopped"), "{told}");
        let told = status.get(&format!("/stacks/{spins}")).text();
        assert!(told.contains("/spin"), "{told}");
        kill(stopped, Signal::SIGCONT).unwrap();
    }
}

#[test]
fn a_worker_that_was_killed_for_its_memory_is_counted_so() {
    let (_dir, server) = serve(&["--max-worker-memory-hard", "150", "app:app"]);
    let (target, status) = (server.target(), status_target(&server));
    let mut stream = target.connect().unwrap();
    stream
        .write_all(b"GET /eat HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    server.stderr.wait_for("It had more memory than");
    server.stderr.wait_for(" s: GET /eat from 127.0.0.1");
    wait_until("it is counted", || {
        report(&status)["workers_ended"]["memory"] == 1
    });
}

#[test]
fn nothing_is_lost_or_counted_twice_when_workers_change() {
    let (_dir, server) = serve(&["--workers", "2", "--max-requests", "40", "app:app"]);
    let (target, status) = (server.target(), status_target(&server));
    let mut sent = 0;
    let mut ask = |count: u64| {
        for _ in 0..count {
            target.get("/").ok();
            sent += 1;
        }
        wait_until("each request is counted once", || {
            requests(&report(&status)) == sent
        });
    };
    ask(150);
    server.signal(Signal::SIGHUP);
    ask(50);
    wait_until("the reload is counted", || report(&status)["reloads"] == 1);
    let pid = target.get("/").ok().parse().unwrap();
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    server.stderr.wait_for("was sent SIGKILL!");
    wait_until("it is counted", || {
        report(&status)["workers_ended"]["killed"] == 1
    });
    wait_until("two serve again", || {
        let report = report(&status);
        let workers = report["workers"].as_array().unwrap();
        workers.iter().filter(|it| it["state"] == "serving").count() >= 2
    });
    // The request that told the process id.
    let before = requests(&report(&status));
    assert_eq!(before, 201);
    target.get("/").ok();
    wait_until("the next one is counted", || {
        requests(&report(&status)) == 202
    });
}

#[test]
fn the_counts_survive_a_reload_that_executes_the_program_again() {
    let (_dir, server) = serve(&["--preload", "app:app"]);
    let (target, status) = (server.target(), status_target(&server));
    for _ in 0..5 {
        target.get("/").ok();
    }
    let started = report(&status)["started"].as_f64().unwrap();
    server.signal(Signal::SIGHUP);
    server.workers(2);
    wait_until("only the new worker serves", || {
        let report = report(&status);
        report["workers_ended"]["done"] == 1 && report["state"] == "serving"
    });
    target.get("/").ok();
    wait_until("all are counted", || requests(&report(&status)) == 6);
    let report = report(&status);
    assert!(
        (report["started"].as_f64().unwrap() - started).abs() < 1.0,
        "{report}"
    );
}

#[test]
fn a_new_master_takes_over_the_address() {
    for address in ["127.0.0.1:0", "unix:status.sock"] {
        a_new_master_takes_over(address);
    }
}

fn a_new_master_takes_over(address: &str) {
    let args = ["--status-bind", address, "--pid", "pid", "app:app"];
    let (dir, server) = serve(&args);
    let target = server.target();
    let status = match status_target(&server) {
        Target::Unix(path) => Target::Unix(dir.path().join(path)),
        port => port,
    };
    target.get("/").ok();
    let old = server.pid();
    server.signal(Signal::SIGUSR2);
    let second = dir.path().join("pid.2");
    wait_until("the new master is there", || second.exists());
    let new: i32 = fs::read_to_string(second).unwrap().trim().parse().unwrap();
    let master = || report(&status)["master"]["pid"].as_i64().unwrap();
    wait_until("the new one answers", || master() == i64::from(new));
    for _ in 0..20 {
        assert_eq!(master(), i64::from(new));
    }
    // The new one ends, and the old one answers again.
    kill(Pid::from_raw(new), Signal::SIGTERM).unwrap();
    server.stderr.wait_for("The new master");
    wait_until("the old one answers", || {
        status.connect().is_ok() && master() == i64::from(old.as_raw())
    });
}

#[test]
fn a_stopping_server_says_that_it_is_not_ready() {
    let (_dir, mut server) = serve(&["--graceful-timeout", "50", "app:app"]);
    let (target, status) = (server.target(), status_target(&server));
    wait_until("ready", || status.get("/ready").status == 200);
    let sleepers = Sleepers::ask(&target);
    wait_until("it is busy", || report(&status)["workers"][0]["busy"] != 0);
    server.signal(Signal::SIGTERM);
    wait_until("it is not ready", || status.get("/ready").status == 503);
    assert_eq!(state(&status), "stopping");
    drop(sleepers);
    server.signal(Signal::SIGQUIT);
    server.exit_code();
}

#[test]
fn events_come_until_the_client_goes() {
    let (_dir, server) = serve(&["app:app"]);
    let status = status_target(&server);
    let mut stream = status.connect().unwrap();
    let request = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    let mut buffer = [0; 65536];
    while text.matches("event: report\ndata: {").count() < 3 {
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "{text}");
        text += &String::from_utf8_lossy(&buffer[..length]);
    }
    assert!(text.contains("Content-Type: text/event-stream"), "{text}");
}

#[test]
fn it_speaks_tls_and_asks_for_the_token() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    fs::write(dir.path().join("token"), "open-sesame\n").unwrap();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("status", &["status.test"]);
    let server = Start::server([
        "--status-bind",
        "127.0.0.1:0",
        "--status-token-file",
        "token",
    ])
    .args(["--status-certfile", &pair.certificate])
    .args(["--status-keyfile", &pair.key])
    .args(["app:app"])
    .cwd(dir.path())
    .spawn();
    let Target::Tcp(address) = status_target(&server) else {
        panic!("it is a port");
    };
    let curl = |path: &str, args: &[&str]| {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "60"])
            .args([
                "--cacert",
                &authority.file(),
                "--write-out",
                " %{http_code}",
            ])
            .args([
                "--resolve",
                &format!("status.test:{}:127.0.0.1", address.port()),
            ])
            .args(args)
            .arg(format!("https://status.test:{}{path}", address.port()))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(curl("/live", &[]), "alive\n 200");
    let refused = curl("/status.json", &[]);
    assert!(
        refused.ends_with(" 401") && refused.contains("token"),
        "{refused}"
    );
    for wrong in [
        "Authorization: Bearer open-sesam",
        "Authorization: Bearer",
        "Authorization: Basic b3Blbi1zZXNhbWU=",
        "Authorization: Digest open-sesame",
    ] {
        assert!(
            curl("/status.json", &["-H", wrong]).ends_with(" 401"),
            "{wrong}"
        );
    }
    let right = curl("/status.json", &["-H", "Authorization: Bearer open-sesame"]);
    assert!(right.ends_with(" 200"), "{right}");
    assert!(
        !right.contains("open-sesame") && right.contains("(hidden)"),
        "{right}"
    );
    assert!(curl("/status.json", &["-u", "me:open-sesame"]).ends_with(" 200"));
}

#[test]
fn the_page_steers_only_where_it_may() {
    let (_dir, server) = serve(&["app:app"]);
    let status = status_target(&server);
    assert_eq!(ask(&status, "POST /control/workers/add", &[]).status, 403);
    let (_dir, server) = serve(&["--status-allow-control", "app:app"]);
    let status = status_target(&server);
    server.workers(1);
    for foreign in [
        &["Sec-Fetch-Site: cross-site"][..],
        &["Origin: http://evil.test"],
        &["Sec-Fetch-Site: same-site"],
    ] {
        let answer = ask(&status, "POST /control/workers/add", foreign);
        assert_eq!(answer.status, 403, "{foreign:?}");
    }
    // A name that another site may have given to this address.
    let mut stream = status.connect().unwrap();
    stream
        .write_all(b"POST /control/reload HTTP/1.1\r\nHost: evil.test\r\n\r\n")
        .unwrap();
    let answer = Response::read(&mut stream, false).unwrap();
    assert_eq!(answer.status, 403);
    assert_eq!(ask(&status, "GET /control/reload", &[]).status, 405);
    let own = &["Sec-Fetch-Site: same-origin"];
    assert_eq!(ask(&status, "POST /control/workers/add", own).status, 303);
    server.workers(2);
    assert_eq!(
        ask(&status, "POST /control/workers/remove", own).status,
        303
    );
    wait_until("one is left", || {
        report(&status)["workers"].as_array().unwrap().len() == 1
    });
    assert_eq!(ask(&status, "POST /control/reload", own).status, 303);
    server.stderr.wait_for("Handling signal: hup");
}

#[test]
fn hostile_clients_do_not_disturb_the_master() {
    let (_dir, server) = serve(&["app:app"]);
    let (target, status) = (server.target(), status_target(&server));
    wait_until("ready", || status.get("/ready").status == 200);
    // Many connections: some silent, some that begin a request, some with garbage.
    let mut held = Vec::new();
    for number in 0..1000 {
        let Ok(mut stream) = status.connect() else {
            continue;
        };
        let _ = match number % 3 {
            0 => stream.write_all(b"GET /ready HTTP/1.1\r\nHost: "),
            1 => stream.write_all(b"\x16\x03\x01\xff\xff garbage \0\0\r\n\r\n"),
            _ => Ok(()),
        };
        held.push(stream);
        if number % 100 == 0 {
            assert_eq!(status.get("/ready").status, 200);
            assert_eq!(target.get("/").status, 200);
        }
    }
    let descriptors = report(&status)["master"]["descriptors"].as_u64().unwrap();
    assert!(descriptors < 150, "{descriptors}");
    server.signal(Signal::SIGHUP);
    wait_until("it reloads", || report(&status)["reloads"] == 1);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    assert_eq!(status.exchange(long).status, 414);
    assert!(
        ctl(&server, &["status"])
            .expect_success()
            .stdout
            .contains("serving")
    );
    drop(held);
}

#[test]
fn a_client_that_reads_nothing_is_dropped_in_time() {
    let (_dir, server) = serve(&["app:app"]);
    let status = status_target(&server);
    let open = || report(&status)["master"]["descriptors"].as_u64().unwrap();
    server.workers(1);
    wait_until("it serves", || status.get("/ready").status == 200);
    let before = open();
    let Target::Tcp(address) = &status else {
        panic!("it is a port");
    };
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .set_write_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            // Until the server reads no more, because nobody takes its answers.
            let request = b"GET /status.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100);
            while stream.write_all(&request).is_ok() {}
            stream
        })
        .collect();
    wait_until("they are dropped", || open() <= before);
    drop(streams);
}

#[test]
fn the_address_moves_at_a_reload() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let config = dir.path().join("gunicorn.conf.py");
    fs::write(&config, "status_bind = 'unix:one.sock'\n").unwrap();
    let mut server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    server.target();
    let at = |name: &str| Target::Unix(dir.path().join(name));
    assert_eq!(at("one.sock").get("/live").status, 200);
    fs::write(&config, "status_bind = 'unix:two.sock'\n").unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("it has moved", || dir.path().join("two.sock").exists());
    assert_eq!(at("two.sock").get("/live").status, 200);
    assert!(!dir.path().join("one.sock").exists());
    // An address that cannot be had changes nothing.
    fs::write(&config, "status_bind = 'unix:/nowhere/at/all'\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("The status stays where it was");
    assert_eq!(at("two.sock").get("/live").status, 200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!dir.path().join("two.sock").exists());
}

#[test]
fn wrong_settings_end_the_start_with_a_sentence() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    fs::write(dir.path().join("empty"), "").unwrap();
    for (args, sentence) in [
        (
            &[
                "--status-bind",
                "127.0.0.1:0",
                "--status-token-file",
                "none",
            ][..],
            "cannot be read",
        ),
        (
            &[
                "--status-bind",
                "127.0.0.1:0",
                "--status-token-file",
                "empty",
            ],
            "is empty",
        ),
        (
            &["--status-bind", "127.0.0.1:0", "--status-keyfile", "key"],
            "status_certfile is not",
        ),
        (&["--status-bind", "127.0.0.1:x"], "no valid port"),
        (&["--health-path", "healthz"], "is not a path"),
    ] {
        let ended = Start::server(args).args(["app:app"]).cwd(dir.path()).run();
        assert_eq!(ended.code, 1, "{args:?}\n{}", ended.stderr);
        assert!(
            ended.stderr.contains(sentence),
            "{args:?}\n{}",
            ended.stderr
        );
        assert!(!ended.stderr.contains("Traceback"), "{}", ended.stderr);
    }
}

#[test]
fn the_black_box_names_what_a_dead_worker_was_doing() {
    for class in [
        &["--threads", "4", "app:app"][..],
        &["-k", "asgi", "app:aapp"],
    ] {
        let (_dir, server) = serve(class);
        let (target, status) = (server.target(), status_target(&server));
        let pid = server.workers(1)[0];
        let streams: Vec<_> = ["/sleep?first", "/sleep?second"]
            .map(|path| {
                let mut stream = target.connect().unwrap();
                write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
                wait_until(path, || report(&status).to_string().contains(path));
                stream
            })
            .into();
        wait_until("its memory is known", || {
            worker(&status, pid)["memory_at_start"] != 0
        });
        thread::sleep(Duration::from_millis(20));
        kill(pid, Signal::SIGKILL).unwrap();
        let line = server.stderr.wait_for("was sent SIGKILL!");
        assert!(line.contains("It was handling 2 requests"), "{line}");
        assert!(line.contains("MiB at its start"), "{line}");
        for path in ["/sleep?first", "/sleep?second"] {
            server
                .stderr
                .wait_for(&format!(" s: GET {path} from 127.0.0.1"));
        }
        drop(streams);
    }
}

#[test]
fn further_worker_classes_count_as_well() {
    for (site, class) in [
        ("gevent_site", "gevent"),
        ("tornado_site", "tornado"),
        ("aiohttp_site", "aiohttp.GunicornWebWorker"),
    ] {
        let args = ["--status-bind", "127.0.0.1:0"];
        let server = site::serve_zip(site, class, "app:app", &args);
        let (target, status) = (server.target(), status_target(&server));
        for _ in 0..3 {
            target.get("/").ok();
        }
        assert_eq!(requests(&report(&status)), 3, "{class}");
        assert_eq!(target.exchange("BAD\r\n\r\n").status, 400);
        assert_eq!(requests(&report(&status)), 4, "{class}");
    }
}

#[test]
fn websockets_and_handshakes_are_counted() {
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("status", &["one.test"]);
    let server = Start::server(["--status-bind", "127.0.0.1:0", "app:app"])
        .cwd(app("asgi"))
        .spawn();
    let (target, status) = (server.target(), status_target(&server));
    let total = |status: &Target, name: &str| report(status)["totals"][name].clone();
    let socket = WebSocket::open(&target, "/echo");
    assert_eq!(total(&status, "upgrades"), 1);
    assert_eq!(report(&status)["workers"][0]["websockets"], 1);
    drop(socket);
    wait_until("it has ended", || {
        report(&status)["workers"][0]["websockets"] == 0
    });
    drop(server);

    let server = Start::server(["--status-bind", "127.0.0.1:0", "app"])
        .args(["--certfile", &pair.certificate, "--keyfile", &pair.key])
        .cwd(app("hello"))
        .spawn();
    let (target, status) = (server.target(), status_target(&server));
    let mut stream = authority.connect(&target, "one.test");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        .unwrap();
    Response::read(&mut stream, false).unwrap().ok();
    assert_eq!(total(&status, "tls_handshakes"), 1);
    let mut plain = target.connect().unwrap();
    plain.write_all(b"\x16\x03\x01\x00\x05hello").unwrap();
    let mut rest = Vec::new();
    let _ = plain.read_to_end(&mut rest);
    wait_until("the failure is counted", || {
        total(&status, "tls_failures") == 1
    });
    assert_eq!(total(&status, "tls_handshakes"), 1);
}

#[test]
fn requests_may_come_before_the_responses() {
    let (_dir, server) = serve(&["app:app"]);
    let status = status_target(&server);
    let pid = server.workers(1)[0];
    let mut stream = status.connect().unwrap();
    let paths = [
        "/live".to_owned(),
        format!("/stacks/{pid}"),
        "/status.json".to_owned(),
        "/nothing".to_owned(),
        "/live".to_owned(),
    ];
    let requests = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let last = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let requests = requests.concat() + last;
    stream.write_all(requests.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let responses = responses(&bytes).unwrap();
    let codes: Vec<_> = responses.iter().map(|response| response.status).collect();
    assert_eq!(codes, [200, 200, 200, 404, 200, 200]);
}

#[test]
fn a_drain_survives_a_reload_that_executes_the_program_again() {
    let (_dir, server) = serve(&["--preload", "app:app"]);
    let status = status_target(&server);
    wait_until("ready", || status.get("/ready").status == 200);
    ctl(&server, &["drain"]).expect_success();
    wait_until("it drains", || status.get("/ready").status == 503);
    for reloads in 1..=2 {
        server.signal(Signal::SIGHUP);
        wait_until("it has reloaded", || {
            status.connect().is_ok() && report(&status)["reloads"] == reloads
        });
        assert_eq!(status.get("/ready").text(), "draining\n");
    }
}
