//! The command `stacks`: what all threads, tasks and greenlets are doing.

use std::process;

use serde::Serialize;

use super::worker::Worker;
use crate::control::Request;
use crate::python::{self, ServedRequest, Stacks};

/// The text of a worker whose threads run no Python.
const IDLE: &str = "No thread runs Python code: it waits for requests.\n";

#[derive(Serialize)]
struct Told {
    pid: u32,
    #[serde(flatten)]
    stacks: Stacks,
    /// All requests that the app has, the oldest first.
    requests: Vec<ServedRequest>,
    /// The same for people.
    text: String,
}

pub fn answer(worker: &Worker, request: &Request) {
    let in_flight = &worker.subject.in_flight;
    let stacks = python::stacks(in_flight.of_threads());
    let told = stacks.map(|stacks| Told {
        pid: process::id(),
        requests: in_flight.served(),
        text: match stacks.to_string() {
            text if text.is_empty() => IDLE.to_owned(),
            text => text,
        },
        stacks,
    });
    let none = || {
        let why = match python::is_started() {
            true => {
                "C code keeps the GIL, and the stacks cannot be read without it: no copy of \
                     the worker's process can be made"
            }
            false => "The worker's interpreter does not run yet, or has ended",
        };
        why.to_owned()
    };
    worker.replies.send(&request.id, told.ok_or_else(none));
}
