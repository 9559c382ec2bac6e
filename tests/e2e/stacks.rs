//! What the threads, tasks and greenlets of workers do, asked through the control
//! socket: each is named, with the request that it serves.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::{Process, Start, app, control, folder, site, wait_until};

/// A server whose requests wait until it is dropped.
struct Server {
    process: Process,
    dir: tempfile::TempDir,
}

impl Server {
    fn start(app_uri: &str, args: &[&str]) -> Server {
        Server::spawn(Start::server([app_uri]).args(args))
    }

    /// The same with the packages of the apps.
    fn with_packages(app_uri: &str, args: &[&str]) -> Server {
        let venv = site::venv("stacks");
        let start = Start::server([app_uri, "--venv"]).args([venv]);
        Server::spawn(start.args(args))
    }

    fn spawn(start: Start) -> Server {
        let dir = folder();
        let process = start
            .cwd(app("stacks"))
            .env("GO", dir.path().join("go"))
            .spawn();
        assert_eq!(process.target().get("/").ok(), "done");
        Server { process, dir }
    }

    /// Asks for a path, and does not wait for the answer.
    fn ask(&self, path: &str) -> Box<dyn crate::support::Stream> {
        let mut stream = self.process.target().connect().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The stacks of the only worker, once they are as expected.
    fn stacks(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut found = Value::Null;
        wait_until(what, || {
            let told = control::ask(&self.process, &["stacks"]);
            let workers = told["workers"].as_object().unwrap();
            found = workers.values().next().unwrap().clone();
            is_so(&found)
        });
        found
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Threads of the app would keep the worker from ending.
        let _ = fs::write(self.dir.path().join("go"), "");
    }
}

/// Those of a kind that serve a request for this target.
fn serving<'a>(told: &'a Value, kind: &str, target: &str) -> Vec<&'a Value> {
    let all = told[kind].as_array().unwrap().iter();
    all.filter(|it| it["request"]["target"] == target).collect()
}

fn functions(stack: &Value) -> Vec<&str> {
    let frames = stack["frames"].as_array().unwrap().iter();
    frames.map(|it| it["function"].as_str().unwrap()).collect()
}

/// True if these functions call each other, one directly after the other.
fn has(stack: &Value, wanted: &[&str]) -> bool {
    functions(stack)
        .windows(wanted.len())
        .any(|it| it == wanted)
}

/// One thread serves the request, and its stack is told.
fn a_thread_serves(server: &Server, target: &str) {
    let _stream = server.ask(target);
    let told = server.stacks("a thread serves the request", |told| {
        let threads = serving(told, "threads", target);
        threads
            .iter()
            .any(|it| has(it, &["view", "deeper", "waits"]))
    });
    let threads = serving(&told, "threads", target);
    assert_eq!(threads.len(), 1, "{told:#}");
    let text = told["text"].as_str().unwrap();
    assert!(text.contains(&format!("serves GET {target}")), "{text}");
}

/// A task of the request stands at this `await`, called by these functions.
fn a_task_awaits(server: &Server, target: &str, awaiting: &str, wanted: &[&str]) {
    let _stream = server.ask(target);
    server.stacks("the task waits where it should", |told| {
        let tasks = serving(told, "tasks", target);
        tasks.iter().any(|it| {
            let at = it["awaiting"].as_str().unwrap_or_default();
            at.starts_with(awaiting) && has(it, wanted)
        })
    });
}

#[test]
fn sync() {
    a_thread_serves(&Server::start("app:wsgi", &[]), "/wait?a=1");
}

#[test]
fn gthread() {
    let server = Server::start("app:wsgi", &["--threads", "3"]);
    let _other = server.ask("/wait?other");
    a_thread_serves(&server, "/wait?a=1");
    server.stacks("both are named", |told| {
        serving(told, "threads", "/wait?other").len() == 1
    });
}

#[test]
fn asgi() {
    let server = Server::start("app:asgi", &["-k", "asgi", "--asgi-loop", "asyncio"]);
    a_task_awaits(
        &server,
        "/wait?a=1",
        "adeeper: the task",
        &["asgi", "aview", "adeeper"],
    );
    a_task_awaits(&server, "/wait?b=1", "sleep: ", &["achild", "sleep"]);
    a_task_awaits(
        &server,
        "/receive",
        "asgi: a message of the client",
        &["asgi"],
    );
    a_thread_serves(&server, "/thread");
}

#[test]
fn a_thread_pool_of_starlette_on_uvloop() {
    let args = ["-k", "asgi", "--asgi-loop", "uvloop"];
    let server = Server::with_packages("app:starlette()", &args);
    a_task_awaits(
        &server,
        "/wait",
        "adeeper: the task",
        &["aview", "adeeper"],
    );
    a_thread_serves(&server, "/thread");
}

#[test]
fn tornado() {
    let server = Server::with_packages("app:tornado()", &["-k", "tornado"]);
    let wanted = ["tornado.<locals>.Wait.get", "aview", "adeeper"];
    a_task_awaits(&server, "/wait?a=1", "adeeper: the task", &wanted);
    a_task_awaits(&server, "/wait?b=1", "sleep: ", &["achild", "sleep"]);
}

#[test]
fn aiohttp() {
    let server = Server::with_packages("app:aiohttp()", &["-k", "aiohttp"]);
    let wanted = ["aiohttp.<locals>.wait", "aview", "adeeper"];
    a_task_awaits(&server, "/wait?a=1", "adeeper: the task", &wanted);
    a_task_awaits(&server, "/wait?b=1", "sleep: ", &["achild", "sleep"]);
}

#[test]
fn gevent() {
    let server = Server::with_packages("app:spawning", &["-k", "gevent"]);
    for target in ["/wait?a=1", "/spawn"] {
        let _stream = server.ask(target);
        server.stacks("a greenlet waits", |told| {
            let greenlets = serving(told, "greenlets", target);
            greenlets.iter().any(|it| {
                it["awaiting"] == "sleep" && has(it, &["view", "deeper", "waits", "sleep"])
            })
        });
    }
}

/// An app that keeps the GIL, or hangs while it is imported.
const HANGING: &str = "
import ctypes, os, re, time
def keep(): ctypes.PyDLL(None).sleep(60)
def match(): re.match('(a+)+$', 'a' * 40 + 'b')
def app(environ, start_response):
    path = environ['PATH_INFO']
    if path == '/keep': keep()
    if path == '/match': match()
    if path == '/loop':
        while True: pass
    start_response('200 OK', [])
    return [b'done']
";

fn hanging(dir: &Path, code: &str, args: &[&str]) -> Process {
    fs::write(dir.join("app.py"), code).unwrap();
    Start::server(["app:app"]).args(args).cwd(dir).spawn()
}

fn stacks_of(server: &Process, pid: &str) -> Value {
    let told = control::ask(server, &["stacks", pid]);
    told["workers"][pid].clone()
}

#[test]
fn a_worker_that_hangs_is_named_with_its_request() {
    let dir = folder();
    let server = hanging(dir.path(), HANGING, &["--timeout", "0"]);
    let pid = server.workers(1)[0].to_string();
    assert_eq!(server.target().get("/").ok(), "done");
    for (path, function, complete) in [
        ("/keep", "keep", false),
        ("/match", "match", false),
        ("/loop", "app", true),
    ] {
        let mut stream = server.target().connect().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        // The worker answers in the order of the requests, so it hangs in the first.
        let _ = (&pid, function, complete);
        let mut told = Value::Null;
        let hangs = server.workers(1);
        let pid = hangs.last().unwrap().to_string();
        wait_until("the hanging request is named", || {
            told = stacks_of(&server, &pid);
            !serving_threads(&told, path).is_empty()
        });
        let threads = serving_threads(&told, path);
        assert!(functions(threads[0]).contains(&function), "{told:#}");
        assert_eq!(told["complete"], complete, "{told:#}");
        nix::sys::signal::kill(hangs[hangs.len() - 1], nix::sys::signal::Signal::SIGKILL).unwrap();
        let count = hangs.len() + 1;
        server.workers(count);
    }
}

fn serving_threads<'a>(told: &'a Value, target: &str) -> Vec<&'a Value> {
    match told["threads"].is_array() {
        true => serving(told, "threads", target),
        false => Vec::new(),
    }
}
