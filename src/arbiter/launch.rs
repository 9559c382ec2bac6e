//! `--daemon`: when the command that was typed may end.

use std::time::{Duration, Instant};

use super::state::Arbiter;
use crate::process::daemon;

/// The longest time that the command waits for the first worker to serve. An app
/// may take long to load, and clients can connect meanwhile.
const FIRST_WORKER: Duration = Duration::from_secs(30);

impl Arbiter {
    /// Lets the command end, if it still waits, as soon as a worker serves. It also
    /// ends when that can take long, because one has ended and others are tried.
    pub fn report_launch(&self) {
        let now = Instant::now();
        if self.established
            || self.workers.target == 0
            || self.backoff.until() > now
            || now > self.opened + FIRST_WORKER
        {
            daemon::report_up();
        }
    }
}
