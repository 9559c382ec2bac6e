//! How many requests are under way at a time (`limit_concurrency`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests that are under way.
#[derive(Debug)]
pub struct Admissions {
    /// 0 for any number.
    max: usize,
    count: Arc<AtomicUsize>,
}

/// A request's share in the number, until it is dropped.
#[derive(Debug)]
pub struct Admission(Option<Arc<AtomicUsize>>);

impl Admissions {
    pub fn new(max: usize) -> Admissions {
        Admissions {
            max,
            count: Arc::default(),
        }
    }

    /// Admits a request, unless there are as many as may be.
    pub fn admit(&self) -> Option<Admission> {
        if self.max == 0 {
            return Some(Admission(None));
        }
        let before = self.count.fetch_add(1, Ordering::Relaxed);
        // Dropped, it is not counted any more.
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
