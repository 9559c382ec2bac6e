//! Kept connections when their worker ends: a replaced worker hands them over to
//! others, and at a stop no connection is closed after the client was told that it
//! stays.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::proxies::haproxy;
use crate::support::certificates::Authority;
use crate::support::http::Stream;
use crate::support::{Process, Response, Start, Target, folder, in_each_class, nginx, wait_until};

in_each_class! {
    a_reload_takes_idle_connections_over,
    a_reload_of_a_preloaded_app_does_too,
    one_connection_outlives_many_workers,
    fewer_workers_keep_all_connections,
    a_connection_that_was_never_used_is_taken_over,
    a_worker_without_descriptors_leaves_connections_to_others,
    a_worker_that_is_full_takes_them_up_later,
    at_a_stop_the_next_request_is_answered_and_the_last,
    an_answer_that_begins_after_the_stop_says_close,
    an_answer_that_began_before_the_stop_keeps_its_word,
    behind_nginx_nothing_is_lost,
    behind_haproxy_nothing_is_lost,
    clients_that_never_ask_twice_lose_nothing,
}

const APP: &str = r#"
import asyncio, os, time
from pathlib import Path

PID = str(os.getpid()).encode()
begun, go = Path("begun"), Path("go")

def wsgi(environ, start_response):
    environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    if path == "/wait":
        begun.touch()
        while not go.exists():
            time.sleep(0.01)
    headers = [] if path == "/parts" else [("Content-Length", str(len(PID)))]
    write = start_response("200 OK", headers)
    if path == "/parts":
        write(b"first")
        begun.touch()
        while not go.exists():
            time.sleep(0.01)
    return [str(os.getpid()).encode()]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    path = scope["path"]
    if path == "/wait":
        begun.touch()
        while not go.exists():
            await asyncio.sleep(0.01)
    body = str(os.getpid()).encode()
    headers = [] if path == "/parts" else [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/parts":
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        begun.touch()
        while not go.exists():
            await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": body})
"#;

/// Longer than a test may take, so that nothing here depends on time.
const PATIENT: &[&str] = &["--keep-alive", "100", "--keep-alive-grace", "100"];

fn serve(class: &[&str], args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--graceful-timeout", "300", "--log-level", "debug"])
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

fn ask(stream: &mut Box<dyn Stream>, path: &str) -> io::Result<Response> {
    let request = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    stream.write_all(request.as_bytes())?;
    Response::read(stream, false)
}

/// Sends a request on a connection that must stay. Returns the worker's pid.
#[track_caller]
fn ask_and_stay(stream: &mut Box<dyn Stream>) -> String {
    let answer = ask(stream, "/").expect("the connection must be open");
    assert_eq!(answer.header("Connection"), Some("keep-alive"));
    answer.ok()
}

/// Waits until this worker has ended.
fn wait_for_end(server: &Process, worker: &str) {
    server
        .stderr
        .wait_for(&format!("Worker exiting (pid: {worker})"));
}

fn a_reload_takes_idle_connections_over(class: &[&str]) {
    let (_app, server) = serve(class, PATIENT);
    let target = server.target();
    let mut streams: Vec<_> = (0..50).map(|_| target.connect().unwrap()).collect();
    for _ in 0..3 {
        let old = ask_and_stay(&mut streams[0]);
        for stream in &mut streams {
            assert_eq!(ask_and_stay(stream), old);
        }
        server.signal(Signal::SIGHUP);
        wait_for_end(&server, &old);
        for stream in &mut streams {
            assert_ne!(ask_and_stay(stream), old);
        }
    }
}

fn a_reload_of_a_preloaded_app_does_too(class: &[&str]) {
    let (_app, server) = serve(class, &[PATIENT, &["--preload"]].concat());
    let mut stream = server.target().connect().unwrap();
    for _ in 0..3 {
        let old = ask_and_stay(&mut stream);
        server.signal(Signal::SIGHUP);
        wait_for_end(&server, &old);
        assert_ne!(ask_and_stay(&mut stream), old);
    }
}

/// Sends the same request on one connection before and after several reloads.
#[track_caller]
pub fn one_connection_outlives_reloads(server: &Process, request: &str) {
    let mut stream = server.target().connect().unwrap();
    for round in 1..=3 {
        stream.write_all(request.as_bytes()).unwrap();
        let answer = Response::read(&mut stream, false).unwrap();
        assert_eq!(answer.header("Connection"), Some("keep-alive"));
        let old = server.workers(round)[round - 1];
        server.signal(Signal::SIGHUP);
        wait_for_end(server, &old.to_string());
    }
}

fn one_connection_outlives_many_workers(class: &[&str]) {
    let (_app, server) = serve(class, &[PATIENT, &["--max-requests", "3"]].concat());
    let mut stream = server.target().connect().unwrap();
    let mut workers = Vec::new();
    while workers.len() < 5 {
        let worker = ask_and_stay(&mut stream);
        if workers.last() != Some(&worker) {
            workers.push(worker);
        }
    }
}

fn fewer_workers_keep_all_connections(class: &[&str]) {
    let (_app, server) = serve(class, &[PATIENT, &["--workers", "2"]].concat());
    let target = server.target();
    let mut streams: Vec<_> = (0..40).map(|_| target.connect().unwrap()).collect();
    let ask_all = |streams: &mut Vec<Box<dyn Stream>>| -> Vec<String> {
        let mut workers: Vec<_> = streams.iter_mut().map(ask_and_stay).collect();
        workers.sort();
        workers.dedup();
        workers
    };
    ask_all(&mut streams);
    server.workers(2);
    server.signal(Signal::SIGTTOU);
    server.stderr.wait_for("Worker exiting (pid: ");
    assert_eq!(ask_all(&mut streams).len(), 1);
    // The new worker ignores connections of clients that have left.
    drop(streams.split_off(20));
    server.signal(Signal::SIGTTIN);
    server.workers(3);
    ask_all(&mut streams);
}

fn a_connection_that_was_never_used_is_taken_over(class: &[&str]) {
    let (_app, server) = serve(class, PATIENT);
    let target = server.target();
    let mut used = target.connect().unwrap();
    let mut unused = target.connect().unwrap();
    // It was accepted by now, as it came earlier.
    let mut later = target.connect().unwrap();
    ask_and_stay(&mut later);
    let old = ask_and_stay(&mut used);
    server.signal(Signal::SIGHUP);
    wait_for_end(&server, &old);
    assert_ne!(ask_and_stay(&mut unused), old);
}

fn a_worker_without_descriptors_leaves_connections_to_others(class: &[&str]) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let limit = || Ok(setrlimit(Resource::RLIMIT_NOFILE, 100, 100)?);
    let server = Start::server(PATIENT).args(["--workers", "4"]).args(class);
    // SAFETY: the call is allowed after a fork.
    let server = unsafe { server.just_before(limit) }.cwd(dir.path()).spawn();
    server.workers(4);
    let target = server.target();
    let mut streams: Vec<_> = (0..160).map(|_| target.connect().unwrap()).collect();
    for round in 1..=2 {
        for stream in &mut streams {
            ask_and_stay(stream);
        }
        server.signal(Signal::SIGTTOU);
        server.stderr.wait_until(
            |lines| {
                lines
                    .iter()
                    .filter(|line| line.contains("Worker exiting"))
                    .count()
                    == round
            },
            "a worker to end",
        );
        // Two workers cannot take all of them.
        streams.truncate(120);
    }
    for stream in &mut streams {
        ask_and_stay(stream);
    }
}

fn a_worker_that_is_full_takes_them_up_later(class: &[&str]) {
    let full = ["--workers", "2", "--worker-connections", "30"];
    let (_app, server) = serve(class, &[PATIENT, &full].concat());
    server.workers(2);
    let target = server.target();
    let mut streams: Vec<_> = (0..40).map(|_| target.connect().unwrap()).collect();
    for stream in &mut streams {
        ask_and_stay(stream);
    }
    server.signal(Signal::SIGTTOU);
    server.stderr.wait_for("Worker exiting (pid: ");
    drop(streams.split_off(20));
    for stream in &mut streams {
        ask_and_stay(stream);
    }
}

fn at_a_stop_the_next_request_is_answered_and_the_last(class: &[&str]) {
    let (_app, mut server) = serve(class, PATIENT);
    let mut stream = server.target().connect().unwrap();
    let worker = ask_and_stay(&mut stream);
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("was asked to stop");
    let answer = ask(&mut stream, "/").expect("an answer");
    assert_eq!(answer.header("Connection"), Some("close"));
    assert_eq!(answer.ok(), worker);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(server.exit_code(), 0);
}

/// Sends a request. Sends TERM to the server while the app has the request and the
/// worker knows of it, then lets the app go on.
fn stop_while_busy(
    app: &TempDir,
    server: &Process,
    stream: &mut Box<dyn Stream>,
    path: &str,
) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let begun = app.path().join("begun");
    wait_until("the app has begun", || begun.exists());
    server.signal(Signal::SIGTERM);
    server.stderr.wait_for("was asked to stop");
    fs::write(app.path().join("go"), "").unwrap();
    Response::read(stream, false).unwrap()
}

fn an_answer_that_begins_after_the_stop_says_close(class: &[&str]) {
    let (app, mut server) = serve(class, PATIENT);
    let mut stream = server.target().connect().unwrap();
    let answer = stop_while_busy(&app, &server, &mut stream, "/wait");
    assert_eq!(answer.header("Connection"), Some("close"));
    drop(stream);
    assert_eq!(server.exit_code(), 0);
}

fn an_answer_that_began_before_the_stop_keeps_its_word(class: &[&str]) {
    let (app, mut server) = serve(class, PATIENT);
    let mut stream = server.target().connect().unwrap();
    let answer = stop_while_busy(&app, &server, &mut stream, "/parts");
    assert_eq!(answer.header("Connection"), Some("keep-alive"));
    assert!(answer.ok().starts_with("first"));
    let next = ask(&mut stream, "/").expect("the next is answered");
    assert_eq!(next.header("Connection"), Some("close"));
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn over_tls_a_connection_is_kept_for_the_grace() {
    let (app, dir) = (folder(), folder());
    fs::write(app.path().join("app.py"), APP).unwrap();
    let pair = Authority::new(dir.path()).issue("site", &["localhost"]);
    let server = Start::server(["--certfile", &pair.certificate, "--keyfile", &pair.key])
        .args(PATIENT)
        .args([
            "--graceful-timeout",
            "300",
            "--log-level",
            "debug",
            "app:wsgi",
        ])
        .cwd(app.path())
        .spawn();
    let client = r#"
import http.client, ssl, sys
host, port = sys.argv[1], int(sys.argv[2])
context = ssl._create_unverified_context()
connection = http.client.HTTPSConnection(host, port, timeout=60, context=context)
def ask():
    connection.request("POST", "/", body=b"x")
    answer = connection.getresponse()
    return answer.read().decode(), answer.getheader("Connection")
print(*ask(), flush=True)
sys.stdin.readline()
print(*ask(), flush=True)
"#;
    let Target::Tcp(address) = server.target() else {
        panic!("it listens on TCP");
    };
    let mut process = std::process::Command::new(crate::support::program())
        .args(["python", "-c", client, &address.ip().to_string()])
        .arg(address.port().to_string())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = io::BufRead::lines(io::BufReader::new(process.stdout.take().unwrap()));
    let first = lines.next().unwrap().unwrap();
    let old = server.workers(1)[0];
    assert_eq!(first, format!("{old} keep-alive"));
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("was asked to stop");
    writeln!(process.stdin.take().unwrap()).unwrap();
    let second = lines.next().unwrap().unwrap();
    assert_eq!(second, format!("{old} close"));
    process.wait().unwrap();
    wait_for_end(&server, &old.to_string());
}

/// Clients that POST on kept connections and never repeat a request.
struct Posts {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Posts {
    fn on(target: &Target) -> Self {
        let (stop, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..6).map(|_| {
            let (stop, answered, target) = (stop.clone(), answered.clone(), target.clone());
            thread::spawn(move || post_on(&target, &stop, &answered))
        });
        let clients = clients.collect();
        Self {
            stop,
            answered,
            clients,
        }
    }

    fn wait_for(&self, more: usize) {
        let end = self.answered.load(Ordering::Relaxed) + more;
        wait_until("requests are answered", || {
            self.answered.load(Ordering::Relaxed) >= end
                || self.clients.iter().any(JoinHandle::is_finished)
        });
    }

    #[track_caller]
    fn finish(self, server: &Process, front: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let lost = self.clients.into_iter().map(|it| it.join().unwrap());
        let lost: Vec<_> = lost.flatten().collect();
        assert!(
            lost.is_empty(),
            "{lost:?}\n{}\n{front}",
            server.stderr.so_far()
        );
    }
}

/// One client, until it is told to stop or a request is lost.
fn post_on(target: &Target, stop: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let mut lost = Vec::new();
    while !stop.load(Ordering::Relaxed) && lost.is_empty() {
        let mut stream = match target.connect() {
            Ok(stream) => stream,
            Err(error) => {
                lost.push(error.to_string());
                break;
            }
        };
        while !stop.load(Ordering::Relaxed) {
            match ask(&mut stream, "/") {
                Ok(answer) if answer.status == 200 => {
                    answered.fetch_add(1, Ordering::Relaxed);
                    if answer.header("Connection") == Some("close") {
                        break;
                    }
                }
                Ok(answer) => lost.push(format!("{} {}", answer.status, answer.text())),
                Err(error) => lost.push(error.to_string()),
            }
            if !lost.is_empty() {
                break;
            }
            // So that connections are sometimes idle.
            thread::sleep(Duration::from_millis(4));
        }
    }
    lost
}

/// How often something is done under load; `RGUNICORN_LOAD` sets it.
fn rounds() -> usize {
    match std::env::var_os("RGUNICORN_LOAD") {
        Some(_) => 100,
        None => 8,
    }
}

/// Reloads, recycling, fewer and more workers, and another master, while these clients
/// send requests. `said` is the line that the proxy must log.
fn come_and_go(server: &mut Process, dir: &Path, posts: Posts, said: impl Fn() -> String) {
    posts.wait_for(50);
    for _ in 0..rounds() {
        server.signal(Signal::SIGHUP);
        posts.wait_for(50);
    }
    server.signal(Signal::SIGTTIN);
    posts.wait_for(50);
    server.signal(Signal::SIGTTOU);
    posts.wait_for(50);
    let (file, second_file) = (dir.join("pid"), dir.join("pid.2"));
    let before = server.stderr.so_far().matches("Booting worker").count();
    server.signal(Signal::SIGUSR2);
    wait_until("the second master is there", || {
        read_pid(&second_file).is_some()
    });
    let second = read_pid(&second_file).unwrap();
    server.workers(before + 2);
    posts.wait_for(50);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    posts.wait_for(50);
    posts.finish(server, &said());
    kill(second, Signal::SIGTERM).unwrap();
    wait_until("the second has ended", || !file.exists());
}

fn read_pid(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    Some(Pid::from_raw(text.trim().parse().ok()?))
}

const BUSY: &[&str] = &["--workers", "2", "--max-requests", "60", "--pid", "pid"];

fn clients_that_never_ask_twice_lose_nothing(class: &[&str]) {
    let (app, mut server) = serve(class, BUSY);
    let posts = Posts::on(&server.target());
    come_and_go(&mut server, app.path(), posts, String::new);
}

fn behind_nginx_nothing_is_lost(class: &[&str]) {
    let (app, mut server) = serve(class, BUSY);
    let Target::Tcp(us) = server.target() else {
        panic!("it listens on TCP");
    };
    let dir = folder();
    let http = format!(
        "upstream us {{ server {us} max_fails=0; keepalive 8; }}
         server {{
           listen FRONT; keepalive_requests 100000;
           location / {{
             proxy_pass http://us; proxy_http_version 1.1; proxy_next_upstream off;
             proxy_set_header Connection \"\";
           }}
         }}"
    );
    if let Some(nginx) = nginx::start(dir.path(), &http) {
        let posts = Posts::on(&nginx.target);
        come_and_go(&mut server, app.path(), posts, || {
            fs::read_to_string(dir.path().join("error.log")).unwrap_or_default()
        });
    }
}

fn behind_haproxy_nothing_is_lost(class: &[&str]) {
    let (app, mut server) = serve(class, BUSY);
    let Target::Tcp(us) = server.target() else {
        panic!("it listens on TCP");
    };
    let dir = folder();
    if let Some((running, front)) = haproxy(dir.path(), "", &us.to_string()) {
        let posts = Posts::on(&front);
        come_and_go(&mut server, app.path(), posts, || running.stderr.so_far());
    }
}
