//! What was done in the last seconds: the difference between counters now and
//! counters a while ago.

use std::time::{Duration, Instant};

use super::report::Lately;
use crate::scoreboard::{Counters, STATUS_CLASSES};

/// The time between two copies of the counters. Rates are those of the last one
/// or two of these times.
const PAUSE: Duration = Duration::from_secs(5);

/// Two earlier copies of counters.
#[derive(Debug, Default)]
pub struct Recently {
    older: Option<(Instant, Counters)>,
    newer: Option<(Instant, Counters)>,
}

impl Recently {
    /// True if it is time to keep another copy of the counters.
    pub fn is_due(&self, now: Instant) -> bool {
        let newer = self.newer.as_ref();
        newer.is_none_or(|(time, _)| now.duration_since(*time) >= PAUSE)
    }

    /// Keeps a copy of the counters.
    pub fn keep(&mut self, now: Instant, counters: Counters) {
        self.older = self.newer.take();
        self.newer = Some((now, counters));
    }

    /// What was done between the older copy and now.
    pub fn lately(&self, counters: &Counters) -> Lately {
        let Some((time, before)) = self.older.as_ref().or(self.newer.as_ref()) else {
            return Lately::default();
        };
        let seconds = time.elapsed().as_secs_f64().max(0.001);
        let requests = counters
            .all_requests()
            .saturating_sub(before.all_requests());
        let class = STATUS_CLASSES.iter().position(|class| *class == "5xx");
        let errors = class.map_or(0, |class| {
            counters
                .of_class(class)
                .saturating_sub(before.of_class(class))
        });
        let mut duration = counters.duration.clone();
        duration.subtract(&before.duration);
        let quantile = |part| duration.quantile(part).map(|time| time.as_secs_f64());
        Lately {
            requests_per_second: requests as f64 / seconds,
            errors: errors as f64 / requests.max(1) as f64,
            median: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
        }
    }
}
