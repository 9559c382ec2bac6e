//! The command `memory SECONDS`: what grows between two moments.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use serde::Serialize;

use super::worker::{End, Worker, claim, number};
use crate::control::Request;
use crate::python::{self, Visitor};
use crate::system::ProcessMemory;

const MOST_SECONDS: f64 = 3600.0;

/// The pause between two looks whether the worker ends.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct Told {
    pid: u32,
    seconds: f64,
    /// The resident memory in bytes.
    rss_before: u64,
    rss_after: u64,
    #[serde(flatten)]
    growth: Growth,
}

#[derive(Serialize, FromPyObject)]
#[pyo3(from_item_all)]
struct Growth {
    allocations: Vec<Allocation>,
    types: Vec<Type>,
}

/// What a line of code has allocated. Sizes are in bytes.
#[derive(Serialize, FromPyObject)]
#[pyo3(from_item_all)]
struct Allocation {
    /// `file:line`.
    r#where: String,
    size_diff: i64,
    count_diff: i64,
    size: u64,
}

/// How many objects of a type there were.
#[derive(Serialize, FromPyObject)]
#[pyo3(from_item_all)]
struct Type {
    r#type: String,
    before: u64,
    after: u64,
}

pub fn answer(worker: &Worker, request: &Request) {
    if let Err(error) = begin(worker, request) {
        worker.replies.error(&request.id, &error);
    }
}

fn begin(worker: &Worker, request: &Request) -> Result<(), String> {
    let seconds = number(request, 0, "seconds", None, MOST_SECONDS)?;
    if !python::is_started() {
        return Err("The worker's interpreter does not run yet, or has ended".to_owned());
    }
    let claim = claim(&worker.tracing)
        .ok_or("The memory of this worker is being watched; try again when it is done")?;
    let (replies, id) = (worker.replies.clone(), request.id.clone());
    let end = worker.end.clone();
    let visitor = Visitor::new();
    let measure = move || {
        crate::log::go_straight();
        let told = measure(Duration::from_secs_f64(seconds), &end);
        drop((claim, visitor));
        replies.send(&id, told);
    };
    let started = python::thread("memory growth").spawn(measure);
    started
        .map(drop)
        .map_err(|error| format!("The worker has no thread left for it: {error}"))
}

fn measure(duration: Duration, end: &End) -> Result<Told, String> {
    let rss_before = resident();
    let before = attach(|py| {
        let module = py.import("_rgunicorn.memory_growth")?;
        Ok(module.call_method0("Growth")?.unbind())
    })?;
    let begin = Instant::now();
    while begin.elapsed() < duration && !end.has_come() {
        thread::sleep(PAUSE.min(duration.saturating_sub(begin.elapsed())));
    }
    if end.has_come() {
        return Err("The worker ends".to_owned());
    }
    let seconds = begin.elapsed().as_secs_f64();
    let rss_after = resident();
    let growth = attach(|py| before.bind(py).call_method0("tell")?.extract())?;
    Ok(Told {
        pid: process::id(),
        seconds,
        rss_before,
        rss_after,
        growth,
    })
}

fn attach<T>(act: impl FnOnce(Python<'_>) -> PyResult<T>) -> Result<T, String> {
    let done = Python::try_attach(act).ok_or("The worker's interpreter has ended")?;
    done.map_err(|error| format!("The memory cannot be measured: {error}"))
}

/// The resident memory in bytes; 0 if it is not known.
fn resident() -> u64 {
    ProcessMemory::of(process::id()).map_or(0, |memory| memory.resident)
}
