//! What statsd is told by the master.

use crate::log::{self, Metric};
use crate::net::Listener;

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct Metrics {
    workers: Option<usize>,
}

impl Metrics {
    /// Tells how many workers there are, when it has changed.
    pub fn workers(&mut self, count: usize) {
        if self.workers.replace(count) != Some(count) {
            log::metric(Metric::Gauge, "gunicorn.workers", &count);
        }
    }

    /// Tells how many connections wait to be accepted.
    pub fn backlog(&self, listeners: &[Listener]) {
        let waiting: Vec<u32> = listeners.iter().filter_map(Listener::waiting).collect();
        if !waiting.is_empty() {
            let all: u32 = waiting.iter().sum();
            log::metric(Metric::Histogram, "gunicorn.backlog", &all);
        }
    }
}
