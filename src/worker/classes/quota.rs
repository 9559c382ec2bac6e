//! After how many requests a worker asks for its successor.

use crate::config::Settings;
use crate::worker::boot::Boot;
use crate::worker::shared::Heartbeat;
use std::hash::{BuildHasher, RandomState};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

/// The requests that a worker handles before it is replaced.
#[derive(Debug)]
pub struct Quota {
    /// None for as many as there are.
    most: Option<u64>,
    handled: AtomicU64,
}

impl Quota {
    /// What a hook has set, else what the settings say.
    pub fn of(boot: &Boot) -> Quota {
        match boot.max_requests.get() {
            Some(most) => Quota {
                most: Some(*most),
                handled: AtomicU64::new(0),
            },
            None => Quota::new(&boot.settings),
        }
    }

    /// `max_requests`, and up to `max_requests_jitter` more by chance, so that
    /// not all workers are replaced at the same time.
    fn new(settings: &Settings) -> Quota {
        let chance = RandomState::new().hash_one(process::id());
        let more = chance % (u64::from(settings.max_requests_jitter) + 1);
        let most = u64::from(settings.max_requests);
        Quota {
            most: (most > 0).then_some(most + more),
            handled: AtomicU64::new(0),
        }
    }

    /// Counts a request that was handled; with the last one the worker asks
    /// for a successor. It goes on until that is ready.
    pub fn count(&self, heartbeat: &Heartbeat) {
        let Some(most) = self.most else { return };
        if self.handled.fetch_add(1, Ordering::Relaxed) + 1 == most {
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
        Quota::new(&Settings {
            max_requests,
            max_requests_jitter,
            ..Settings::default()
        })
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
        let all: Vec<_> = (0..200).map(|_| quota(10, 3).most.unwrap()).collect();
        assert!(all.iter().all(|most| (10..=13).contains(most)));
        assert!(all.contains(&10) && all.contains(&13));
    }
}
