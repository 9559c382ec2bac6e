//! Limits how many requests are handled at a time (`limit_concurrency`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests that are being handled.
#[derive(Debug)]
pub struct Admissions {
    /// The largest number of them; 0 for no limit.
    max: usize,
    count: Arc<AtomicUsize>,
}

/// One counted request. Dropping it takes the request off the count.
#[derive(Debug)]
pub struct Admission(Option<Arc<AtomicUsize>>);

impl Admissions {
    pub fn new(max: usize) -> Admissions {
        Admissions {
            max,
            count: Arc::default(),
        }
    }

    /// Counts a request, or gives nothing if the limit is reached.
    pub fn admit(&self) -> Option<Admission> {
        if self.max == 0 {
            return Some(Admission(None));
        }
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        // Made also for a request over the limit: dropping it undoes the count.
        let admission = Admission(Some(Arc::clone(&self.count)));
        (before < self.max).then_some(admission)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
