//! The command `profile SECONDS HZ [PATH]`: samples of the stacks.

use std::collections::BTreeMap;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::worker::{Worker, claim, number};
use crate::control::Request;
use crate::python::{self, Profile, ProfileOptions, Visitor};

const MOST_SECONDS: f64 = 300.0;

/// Samples per second.
const USUAL_HZ: f64 = 100.0;
const MOST_HZ: f64 = 1000.0;

#[derive(Serialize)]
struct Told {
    pid: u32,
    samples: u64,
    seconds: f64,
    /// The seconds between two samples.
    interval: f64,
    /// A sentence if there were fewer samples than was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    stacks: BTreeMap<String, u64>,
}

pub fn answer(worker: &Worker, request: &Request) {
    if let Err(error) = begin(worker, request) {
        worker.replies.error(&request.id, &error);
    }
}

fn begin(worker: &Worker, request: &Request) -> Result<(), String> {
    let seconds = number(request, 0, "seconds", None, MOST_SECONDS)?;
    let hz = number(request, 1, "samples per second", Some(USUAL_HZ), MOST_HZ)?.max(1.0);
    let interval = Duration::from_secs_f64(1.0 / hz);
    if !python::is_started() {
        return Err("The worker's interpreter does not run yet, or has ended".to_owned());
    }
    let claim = claim(&worker.profiling)
        .ok_or("A profile of this worker is being taken; try again when it is done")?;
    let (in_flight, end) = (worker.subject.in_flight.clone(), worker.end.clone());
    let options = Arc::new(ProfileOptions {
        duration: Duration::from_secs_f64(seconds),
        interval,
        path: request.arg(2),
        serving: Box::new(move || in_flight.targets_of_threads()),
        goes_on: Box::new(move || !end.has_come()),
    });
    let (replies, id) = (worker.replies.clone(), request.id.clone());
    let visitor = Visitor::new();
    let sample = move || {
        crate::log::go_straight();
        let profile = python::profile(&options);
        drop((claim, visitor));
        replies.send(&id, profile.map(|profile| told(profile, interval)));
    };
    let started = python::thread("profile").spawn(sample);
    started
        .map(drop)
        .map_err(|error| format!("The worker has no thread left for it: {error}"))
}

fn told(profile: Profile, asked: Duration) -> Told {
    let interval = profile.interval;
    let note = (interval > asked).then(|| {
        let ms = interval.as_secs_f64() * 1e3;
        format!("A sample took long, so there was one every {ms:.0} ms only")
    });
    Told {
        pid: process::id(),
        samples: profile.samples,
        seconds: profile.elapsed.as_secs_f64(),
        interval: interval.as_secs_f64(),
        note,
        stacks: profile.stacks,
    }
}
