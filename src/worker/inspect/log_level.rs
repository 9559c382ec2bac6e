//! The command `log-level LEVEL`: what is logged from now on.

use serde_json::json;

use super::worker::Worker;
use crate::control::Request;
use crate::log;
use crate::python::{self, Visitor, logger};

pub fn answer(worker: &Worker, request: &Request) {
    let Some(level) = request.arg(0) else {
        let error = "'log-level' needs a level, such as 'debug'";
        return worker.replies.error(&request.id, error);
    };
    let set = log::set_level(&level).map_err(|error| error.to_string());
    if set.is_ok() && python::is_started() {
        // Python's loggers need the GIL, and this thread does not wait for it.
        let visitor = Visitor::new();
        let followed = python::thread("log level").spawn(move || {
            let _visitor = visitor;
            logger::follow_level();
        });
        if let Err(error) = followed {
            ::log::warn!("Loggers in Python keep their level: {error}");
        }
    }
    let told = set.map(|()| json!({ "level": level.to_ascii_lowercase() }));
    worker.replies.send(&request.id, told);
}
