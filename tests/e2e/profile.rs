//! `rgunicorn ctl profile` and `ctl memory`: where workers spend their time and their
//! memory.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::status::{ctl, ctl_json};
use crate::support::{
    Process, Response, Start, Target, app, folder, in_each_class, site, wait_until,
};

in_each_class! {
    a_slow_function_is_found_under_load,
}

/// Clients that ask for these paths in turn until this value is dropped.
struct Load {
    ended: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn of(target: &Target, paths: &'static [&'static str]) -> Load {
        let ended = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let (ended, target) = (Arc::clone(&ended), target.clone());
            thread::spawn(move || {
                let mut stream = target.connect().unwrap();
                for path in paths.iter().cycle() {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
                    stream.write_all(request.as_bytes()).unwrap();
                    assert_eq!(Response::read(&mut stream, false).unwrap().ok(), "done");
                }
            })
        };
        let clients = (0..4).map(client).collect();
        Load { ended, clients }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            let _ = client.join();
        }
    }
}

/// The stacks of the only worker, and how often each was seen.
fn profile(server: &Process, args: &[&str]) -> BTreeMap<String, u64> {
    let args = [&["profile", "--seconds", "2"], args].concat();
    let told = ctl_json(server, &args);
    let workers = told["workers"].as_object().unwrap();
    let worker: &Value = workers.values().next().unwrap();
    let stacks: BTreeMap<String, u64> = serde_json::from_value(worker["stacks"].clone()).unwrap();
    assert_eq!(worker["samples"], stacks.values().sum::<u64>(), "{told:#}");
    stacks
}

/// The share of samples in whose stack there is such a function.
fn share(stacks: &BTreeMap<String, u64>, function: &str) -> f64 {
    let all: u64 = stacks.values().sum();
    let found: u64 = stacks
        .iter()
        .filter(|(stack, _)| stack.contains(function))
        .map(|(_, count)| count)
        .sum();
    found as f64 / all.max(1) as f64
}

/// Most of the samples are in the slow function; a path selects its requests.
fn find_slow(server: &Process) {
    assert_eq!(server.target().get("/fast").ok(), "done");
    let _load = Load::of(&server.target(), &["/slow", "/fast"]);
    let stacks = profile(server, &[]);
    assert!(share(&stacks, "slow (app.py:") > 0.5, "{stacks:#?}");
    let stacks = profile(server, &["--path", "/slow"]);
    assert!(share(&stacks, "slow (app.py:") > 0.8, "{stacks:#?}");
    let stacks = profile(server, &["--path", "/fast"]);
    assert_eq!(share(&stacks, "slow (app.py:"), 0.0, "{stacks:#?}");
}

fn a_slow_function_is_found_under_load(class: &[&str]) {
    let server = Start::server(class).cwd(app("slow")).spawn();
    find_slow(&server);
}

#[test]
fn a_slow_function_of_a_django_site_is_found() {
    let server = Start::server(["app:django()", "--venv"])
        .args([site::venv("stacks")])
        .cwd(app("slow"))
        .spawn();
    find_slow(&server);
}

#[test]
fn a_slow_function_in_a_greenlet_is_found() {
    let server = Start::server(["app:wsgi", "-k", "gevent", "--venv"])
        .args([site::venv("stacks")])
        .cwd(app("slow"))
        .spawn();
    find_slow(&server);
}

#[test]
fn an_idle_worker_has_no_samples() {
    for class in [&["app:wsgi"][..], &["-k", "asgi", "app:asgi"]] {
        let server = Start::server(class).cwd(app("slow")).spawn();
        assert_eq!(server.target().get("/fast").ok(), "done");
        let stacks = profile(&server, &[]);
        // The loop's own timer may run at the moment of a sample.
        assert!(stacks.values().sum::<u64>() < 20, "{stacks:#?}");
    }
}

#[test]
fn a_flame_graph_is_written() {
    let server = Start::server(["app:wsgi"]).cwd(app("slow")).spawn();
    assert_eq!(server.target().get("/fast").ok(), "done");
    let _load = Load::of(&server.target(), &["/slow"]);
    let dir = folder();
    let file = dir.path().join("flame.svg");
    let file = file.to_str().unwrap();
    ctl(&server, &["profile", "--seconds", "1", "-o", file]).expect_success();
    let graph = fs::read_to_string(file).unwrap();
    assert!(graph.contains("slow (app.py:"), "{graph}");
}

/// Each request leaves an object behind.
const LEAK: &str = "
class Leaked:
    def __init__(self):
        self.text = 'x' * (1000 + len(kept))
kept = []
def app(environ, start_response):
    kept.append(Leaked())
    start_response('200 OK', [])
    return [b'done']
";

#[test]
fn what_grows_is_told_with_its_place_and_type() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), LEAK).unwrap();
    let server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    assert_eq!(server.target().get("/").ok(), "done");
    let load = Load::of(&server.target(), &["/"]);
    let told = ctl_json(&server, &["memory", "--seconds", "2"]);
    let worker = told["workers"].as_object().unwrap().values().next();
    let worker = worker.unwrap();
    let allocations = worker["allocations"].as_array().unwrap();
    let place = allocations[0]["where"].as_str().unwrap();
    assert!(place.ends_with("app.py:4"), "{told:#}");
    let types = worker["types"].as_array().unwrap();
    let leaked = types.iter().find(|it| it["type"] == "app.Leaked");
    assert!(leaked.is_some(), "{told:#}");
    drop(load);
    let shown = ctl(&server, &["memory", "--seconds", "1"]).expect_success();
    assert!(shown.stdout.contains("GREW BY"), "{}", shown.stdout);
}

#[test]
fn a_worker_ends_in_the_middle_of_a_profile() {
    for class in [&["app:wsgi"][..], &["--threads", "2", "app:wsgi"]] {
        let mut server = Start::server(class).cwd(app("slow")).spawn();
        assert_eq!(server.target().get("/fast").ok(), "done");
        let pid = server.pid().to_string();
        let asked = ["ctl", "--pid", &pid, "profile", "--seconds", "60"];
        let mut profile = Start::new(asked).args(["--rate", "1000"]).spawn();
        let tasks = format!("/proc/{}/task", server.workers(1)[0]);
        wait_until("the profile has begun", || {
            let mut threads = fs::read_dir(&tasks).unwrap().flatten();
            threads.any(|it| {
                let name = fs::read_to_string(it.path().join("comm"));
                name.is_ok_and(|name| name == "profile\n")
            })
        });
        ctl(&server, &["stacks"]).expect_success();
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        let log = server.stderr.whole();
        assert!(log.contains("Worker exiting"), "{log}");
        assert!(!log.contains("SIG"), "{log}");
        profile.exit_code();
    }
}
