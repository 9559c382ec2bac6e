//! The mark by which a task's request is found (`_rgunicorn.served`).

use crate::exchange::{Exchange, Names};
use crate::python::ServedRequest;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// A request that the app serves, for the log and for the stacks of tasks.
pub struct Serving {
    /// `METHOD target`, also the name of its task.
    pub request: String,
    pub names: Names,
    started: Instant,
    /// True once the app has returned.
    ended: AtomicBool,
}

impl Serving {
    pub fn new(exchange: &Exchange) -> Serving {
        let head = &exchange.head;
        let words = [head.method(), head.target()];
        let words = words.map(|word| String::from_utf8_lossy(word));
        Serving {
            request: words.join(" "),
            names: exchange.names.clone(),
            started: exchange.started,
            ended: AtomicBool::new(false),
        }
    }

    /// The app has returned.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// The request, until the app has returned.
    pub fn served(&self) -> Option<ServedRequest> {
        if self.ended.load(Ordering::Relaxed) {
            return None;
        }
        let (method, target) = self.request.split_once(' ')?;
        Some(ServedRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            id: self.names.id().map(str::to_owned),
            age: self.started.elapsed().as_secs_f64(),
        })
    }
}
