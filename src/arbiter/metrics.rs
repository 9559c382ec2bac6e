//! The metrics that the master sends to statsd.

use crate::log::{self, Metric};
use crate::net::Listener;

/// What was sent last.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: Option<usize>,
}

impl Metrics {
    /// Sends how many workers there are, when the number has changed.
    pub fn workers(&mut self, count: usize) {
        if self.workers.replace(count) != Some(count) {
            log::metric(Metric::Gauge, "gunicorn.workers", &count);
        }
    }

    /// Sends how many connections wait to be accepted.
    pub fn backlog(&self, listeners: &[Listener]) {
        let waiting: Vec<u32> = listeners.iter().filter_map(Listener::waiting).collect();
        if !waiting.is_empty() {
            let all: u32 = waiting.iter().sum();
            log::metric(Metric::Histogram, "gunicorn.backlog", &all);
        }
    }
}
