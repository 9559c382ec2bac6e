//! What the threads, tasks and greenlets of workers do, asked through the control
//! socket: each is named, with the request that it serves.

use std::fs;
use std::io::Write;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::support::http::Stream;
use crate::support::status::{ctl, ctl_json};
use crate::support::{Process, Start, app, folder, site, wait_until};

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
    fn ask(&self, path: &str) -> Box<dyn Stream> {
        let mut stream = self.process.target().connect().unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// The stacks of the only worker, once they are as expected.
    fn stacks(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        stacks_of(&self.process, what, is_so)
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

/// One thread serves the request, and its stack is told. An event loop that gives the work
/// to a thread of a pool runs the request's task for a moment longer. Until that has
/// passed, two threads serve the request.
fn a_thread_serves(server: &Server, target: &str) {
    let _stream = server.ask(target);
    let told = server.stacks("one thread serves the request", |told| {
        let threads = serving(told, "threads", target);
        threads.len() == 1 && has(threads[0], &["view", "deeper", "waits"])
    });
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
    a_task_awaits(&server, "/wait", "adeeper: the task", &["aview", "adeeper"]);
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

/// An app that keeps the GIL, or hangs in other ways.
const HANGING: &str = "
import ctypes, os, re, sys
def keep(): ctypes.PyDLL(None).sleep(60)
def match(): re.match('(a+)+$', 'a' * 40 + 'b')
def loop():
    while True: pass
def app(environ, start_response):
    path = environ['PATH_INFO'][1:]
    if path:
        globals()[path]()
    start_response('200 OK', [])
    return [b'done']
if 'HANG' in os.environ: loop()
";

fn serve(dir: &Path, args: &[&str]) -> Start {
    fs::write(dir.join("app.py"), HANGING).unwrap();
    Start::server(["app:app", "--timeout", "0", "--graceful-timeout", "1"])
        .args(args)
        .cwd(dir)
}

/// The answer of the only worker, once it is as expected.
fn stacks_of(server: &Process, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let pid = server.workers(1)[0].to_string();
    let mut found = Value::Null;
    wait_until(what, || {
        let told = ctl_json(server, &["stacks"]);
        found = told["workers"][&pid].clone();
        found["threads"].is_array() && is_so(&found)
    });
    found
}

/// A request hangs in this function.
fn hangs_in(path: &str, complete: bool) {
    let dir = folder();
    let server = serve(dir.path(), &[]).spawn();
    let mut stream = server.target().connect().unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let target = format!("/{path}");
    let told = stacks_of(&server, "the hanging request is named", |told| {
        let threads = serving(told, "threads", &target);
        threads.iter().any(|it| functions(it).contains(&path))
    });
    assert_eq!(told["complete"], complete, "{told:#}");
    assert_eq!(told["requests"][0]["target"], *target);
    assert!(
        told["text"]
            .as_str()
            .unwrap()
            .contains(&format!("serves GET {target} for")),
        "{told:#}"
    );
}

#[test]
fn a_library_that_keeps_the_gil_is_named() {
    hangs_in("keep", false);
}

#[test]
fn a_regular_expression_without_end_is_named() {
    hangs_in("match", false);
}

#[test]
fn a_loop_without_end_is_named() {
    hangs_in("loop", true);
}

#[test]
fn an_app_that_hangs_while_it_is_imported_is_looked_into() {
    let dir = folder();
    let server = serve(dir.path(), &[]).env("HANG", "1").spawn();
    let told = stacks_of(&server, "the import is seen", |told| {
        let threads = told["threads"].as_array().unwrap();
        threads.iter().any(|it| has(it, &["<module>", "loop"]))
    });
    assert_eq!(told["complete"], true);
}

#[test]
fn a_dead_workers_last_stacks_are_logged() {
    let dir = folder();
    let server = serve(dir.path(), &["--stack-sampling", "1"]).spawn();
    let mut stream = server.target().connect().unwrap();
    let request = "GET /loop HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let pid = server.workers(1)[0];
    stacks_of(&server, "the request hangs", |told| {
        serving(told, "threads", "/loop").len() == 1
    });
    // The next sample is taken in a second.
    let age = |told: &Value| told["requests"][0]["age"].as_f64().unwrap_or_default();
    stacks_of(&server, "a sample was taken since", |told| age(told) > 2.5);
    kill(pid, Signal::SIGKILL).unwrap();
    server.stderr.wait_for("serves GET /loop for");
    server.stderr.wait_for("in loop");
}

#[test]
fn the_log_of_a_timeout_names_the_request() {
    let dir = folder();
    let server = serve(dir.path(), &["--timeout", "1"]).spawn();
    let mut stream = server.target().connect().unwrap();
    let request = "GET /loop HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    server.stderr.wait_for("was aborted in");
    server.stderr.wait_for("serves GET /loop for");
    server.stderr.wait_for("in loop");
}

#[test]
fn the_log_level_changes_in_master_and_workers() {
    let dir = folder();
    let server = serve(dir.path(), &[]).spawn();
    server.target();
    let said = ctl(&server, &["log-level", "debug"]).expect_success();
    assert!(said.stdout.contains("logs at 'debug'"), "{}", said.stdout);
    // This line of a worker is one of debug.
    wait_until("the worker has the level, too", || {
        kill(server.workers(1)[0], Signal::SIGUSR2).unwrap();
        server
            .stderr
            .so_far()
            .contains("SIGUSR2 ignored. It is for the master")
    });
}
