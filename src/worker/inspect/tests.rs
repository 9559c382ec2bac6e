//! The commands, over a pair of sockets.

use std::io::Write;
use std::sync::{Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::control::Reply;
use crate::exchange::tests::{TestStream, Wire, parse};
use crate::python;
use crate::worker::request::in_flight::{InFlight, ServedBy};
use crate::worker::shared::{Heartbeat, MasterWaker};

/// The master of this process, as a worker.
struct Master {
    channel: UnixStream,
    subject: Subject,
    inspector: Inspector,
}

impl Master {
    fn new(sampling: Option<Duration>) -> Master {
        python::start_once();
        let heartbeat = Heartbeat::new(&MasterWaker::new().unwrap()).unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let subject = Subject {
            in_flight: Arc::new(InFlight::new(&heartbeat)),
            heartbeat,
            sampling,
        };
        let inspector = Inspector::start(&theirs, subject.clone()).unwrap();
        Master {
            channel: ours,
            subject,
            inspector,
        }
    }

    fn send<'a>(&mut self, id: u64, command: &str, args: impl IntoIterator<Item = &'a str>) {
        let request = Request::new(id, command, args);
        control::write(&mut self.channel, &request).unwrap();
    }

    fn receive(&mut self) -> Reply {
        control::read(&mut self.channel).unwrap().unwrap()
    }

    fn ask<'a>(
        &mut self,
        command: &str,
        args: impl IntoIterator<Item = &'a str>,
    ) -> Result<Value, String> {
        self.send(1, command, args);
        let reply = self.receive();
        assert_eq!(reply.id, 1);
        reply.result
    }

    /// Serves a request in a thread of its own: it calls `view` of this code, which
    /// gets a function that says whether to go on.
    fn serve(&self, target: &str, code: &'static str) -> Served {
        let in_flight = Arc::clone(&self.subject.in_flight);
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (begun, begins) = mpsc::channel();
        let goes_on = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&goes_on);
        let thread = python::thread("served").spawn(move || {
            let wire = Arc::new(Mutex::new(Wire::default()));
            let exchange = TestStream::exchange(&wire, parse(&head).0, Some("id-7"));
            let _tracked = in_flight.begin(&exchange, ServedBy::Thread, Instant::now());
            Python::attach(|py| {
                let names = PyDict::new(py);
                let code = std::ffi::CString::new(code).unwrap();
                py.run(&code, Some(&names), None).unwrap();
                let goes_on = pyo3::types::PyCFunction::new_closure(py, None, None, move |_, _| {
                    let _ = begun.send(());
                    flag.load(Ordering::Relaxed)
                });
                let view = names.get_item("view").unwrap().unwrap();
                view.call1((goes_on.unwrap(),)).unwrap();
            });
            exchange.finish(false);
        });
        begins.recv().unwrap();
        Served {
            goes_on,
            thread: thread.ok(),
        }
    }
}

/// A request that is served until this value is dropped.
struct Served {
    goes_on: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

const BUSY: &str = "
def view(goes_on):
    while goes_on(): busy()
def busy():
    for _ in range(1000): pass
";

/// C code that does not release the GIL, for two seconds at a time.
const HOLDING: &str = "
import ctypes
def view(goes_on):
    while goes_on(): ctypes.PyDLL(None).usleep(2_000_000)
";

fn functions(thread: &Value) -> Vec<&str> {
    let frames = thread["frames"].as_array().unwrap();
    frames
        .iter()
        .map(|it| it["function"].as_str().unwrap())
        .collect()
}

fn serving<'a>(told: &'a Value, target: &str) -> &'a Value {
    let mut threads = told["threads"].as_array().unwrap().iter();
    let found = threads.find(|it| it["request"]["target"] == target);
    found.unwrap_or_else(|| panic!("no thread serves {target}: {told:#}"))
}

#[test]
fn the_stack_of_a_busy_thread_is_told_with_its_request() {
    let mut master = Master::new(None);
    let _served = master.serve("/busy?a=1", BUSY);
    // Another test may keep the GIL for a while.
    let told = loop {
        let told = master.ask("stacks", []).unwrap();
        if told["complete"] == true {
            break told;
        }
    };
    assert_eq!(told["pid"], std::process::id());
    let thread = serving(&told, "/busy?a=1");
    assert_eq!(functions(thread)[0], "view");
    assert_eq!(thread["request"]["method"], "GET");
    assert_eq!(thread["request"]["id"], "id-7");
    assert!(thread["request"]["age"].as_f64().unwrap() > 0.0);
    assert_eq!(told["requests"][0]["target"], "/busy?a=1");
    let text = told["text"].as_str().unwrap();
    assert!(
        text.contains("serves GET /busy?a=1 (id id-7) for"),
        "{text}"
    );
}

#[test]
fn c_code_that_keeps_the_gil_is_seen_without_it() {
    let mut master = Master::new(None);
    let _served = master.serve("/holding", HOLDING);
    let told = loop {
        let told = master.ask("stacks", []).unwrap();
        if told["complete"] == false {
            break told;
        }
    };
    assert_eq!(functions(serving(&told, "/holding")), ["view"]);
    assert_eq!(told["tasks"], json!([]));
}

#[test]
fn a_profile_finds_what_is_busy_and_the_stacks_are_told_meanwhile() {
    let mut master = Master::new(None);
    let _served = master.serve("/busy", BUSY);
    master.send(1, "profile", ["1", "200"]);
    master.send(2, "profile", ["1"]);
    let refused = master.receive();
    assert_eq!(refused.id, 2);
    assert!(refused.result.unwrap_err().contains("being taken"));
    master.send(3, "stacks", []);
    let stacks = master.receive();
    assert_eq!(stacks.id, 3);
    serving(&stacks.result.unwrap(), "/busy");
    let profile = master.receive();
    assert_eq!(profile.id, 1);
    let told = profile.result.unwrap();
    assert!(told["samples"].as_u64().unwrap() > 0, "{told:#}");
    assert!(told["seconds"].as_f64().unwrap() >= 1.0);
    let stacks = told["stacks"].as_object().unwrap();
    let found = stacks
        .keys()
        .any(|it| it.contains("view (<string>:2);busy (<string>:4)"));
    assert!(found, "{told:#}");

    let told = master.ask("profile", ["0.2", "100", "/other"]).unwrap();
    assert_eq!(told["samples"], 0);
    let error = master.ask("profile", ["301"]).unwrap_err();
    assert!(error.contains("at most 300"), "{error}");
}

#[test]
fn memory_that_grows_is_told_with_its_place_and_type() {
    let mut master = Master::new(None);
    // It leaks all the time, also between the two looks.
    let code = "from time import sleep
class Leaked: pass
kept = []
def view(goes_on):
    while goes_on(): kept.extend(Leaked() for _ in range(20)); sleep(0.001)
";
    master.send(1, "memory", ["0.5"]);
    while !tracing() {
        std::thread::sleep(Duration::from_millis(1));
    }
    let _served = master.serve("/leak", code);
    let told = master.receive().result.unwrap();
    let types = told["types"].as_array().unwrap();
    let leaked = types.iter().find(|it| it["type"] == "builtins.Leaked");
    let leaked = leaked.unwrap_or_else(|| panic!("{told:#}"));
    assert!(leaked["after"].as_u64() > leaked["before"].as_u64());
    let allocations = told["allocations"].as_array().unwrap();
    let found = allocations.iter().find(|it| it["where"] == "<string>:5");
    assert!(
        found.unwrap()["size_diff"].as_i64().unwrap() > 0,
        "{told:#}"
    );
    assert!(told["rss_after"].as_u64().unwrap() > 0);
    assert!(!tracing());
}

fn tracing() -> bool {
    Python::attach(|py| {
        let module = py.import("tracemalloc").unwrap();
        let tracing = module.call_method0("is_tracing").unwrap();
        tracing.extract().unwrap()
    })
}

#[test]
fn the_level_of_the_log_is_changed() {
    let mut master = Master::new(None);
    let error = master.ask("log-level", ["loud"]).unwrap_err();
    assert!(error.contains("no log level 'loud'"), "{error}");
    let told = master.ask("log-level", ["DEBUG"]).unwrap();
    assert_eq!(told, json!({ "level": "debug" }));
    assert_eq!(::log::max_level(), ::log::LevelFilter::Debug);
}

#[test]
fn what_is_no_request_is_answered_and_survived() {
    let mut master = Master::new(None);
    for text in ["{", "[]", r#"{"id": 5}"#] {
        let length = (text.len() as u32).to_be_bytes();
        let bytes = [&length[..], text.as_bytes()].concat();
        master.channel.write_all(&bytes).unwrap();
        assert!(master.receive().result.is_err());
    }
    let error = master.ask("dance", []).unwrap_err();
    assert_eq!(error, "A worker has no command 'dance'");
    let error = master.ask("profile", ["a"]).unwrap_err();
    assert_eq!(
        error,
        "'profile' needs a number of seconds above 0, at most 300"
    );
    assert!(master.ask("stacks", []).is_ok());
}

#[test]
fn samples_are_kept_on_the_scoreboard() {
    let master = Master::new(Some(Duration::from_millis(20)));
    let _served = master.serve("/sampled", BUSY);
    let sampled = || master.subject.heartbeat.board().sample();
    while !sampled().is_some_and(|text| text.contains("serves GET /sampled")) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn it_ends_with_the_masters_end() {
    let master = Master::new(None);
    let end = master.inspector.0.clone();
    drop(master.channel);
    while !end.has_come() {
        std::thread::sleep(Duration::from_millis(1));
    }
}
