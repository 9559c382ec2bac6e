//! The number of requests after which a worker asks for a successor.

use crate::config::Settings;
use crate::worker::boot::Boot;
use crate::worker::shared::Heartbeat;
use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts requests up to that number.
#[derive(Debug)]
pub struct Quota {
    /// Nothing for no limit.
    max: Option<u64>,
    handled: AtomicU64,
}

impl Quota {
    /// The value that a hook has set, else the settings'.
    pub fn of(boot: &Boot) -> Quota {
        match boot.max_requests.get() {
            Some(max) => Quota {
                max: Some(*max),
                handled: AtomicU64::new(0),
            },
            None => Quota::new(&boot.settings),
        }
    }

    /// `max_requests`, and a random number up to `max_requests_jitter` more, so
    /// that not all workers are replaced at the same time.
    fn new(settings: &Settings) -> Quota {
        let random = RandomState::new().hash_one(process::id());
        let jitter = random % (u64::from(settings.workers.max_requests_jitter) + 1);
        let max = u64::from(settings.workers.max_requests);
        Quota {
            max: (max > 0).then_some(max + jitter),
            handled: AtomicU64::new(0),
        }
    }

    /// Counts a request that was handled. After the last one the worker asks
    /// for a successor, and serves on until the successor is ready.
    pub fn count(&self, heartbeat: &Heartbeat) {
        let Some(max) = self.max else { return };
        if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == max {
            ::log::info!("Autorestarting worker after current request.");
            heartbeat.retire();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::shared::MasterWaker;

    fn quota(max_requests: u32, max_requests_jitter: u32) -> Quota {
        let mut settings = Settings::default();
        settings.workers.max_requests = max_requests;
        settings.workers.max_requests_jitter = max_requests_jitter;
        Quota::new(&settings)
    }

    #[test]
    fn the_last_request_asks_for_a_successor() {
        let heartbeat = Heartbeat::new(&MasterWaker::new().unwrap()).unwrap();
        let two = quota(2, 0);
        two.count(&heartbeat);
        assert!(!heartbeat.is_retiring());
        two.count(&heartbeat);
        assert!(heartbeat.is_retiring());
        let heartbeat = Heartbeat::new(&MasterWaker::new().unwrap()).unwrap();
        (0..1000).for_each(|_| quota(0, 5).count(&heartbeat));
        assert!(!heartbeat.is_retiring());
    }

    #[test]
    fn chance_adds_up_to_the_jitter() {
        let all: Vec<_> = (0..200).map(|_| quota(10, 3).max.unwrap()).collect();
        assert!(all.iter().all(|max| (10..=13).contains(max)));
        assert!(all.contains(&10) && all.contains(&13));
    }
}
