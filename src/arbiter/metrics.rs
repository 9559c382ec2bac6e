//! The metrics that the master sends to statsd.

use super::sockets::Sockets;
use crate::log::{self, Metric};

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
    pub fn backlog(&self, sockets: &Sockets) {
        if let Some(waiting) = sockets.waiting() {
            log::metric(Metric::Histogram, "gunicorn.backlog", &waiting);
        }
    }
}
