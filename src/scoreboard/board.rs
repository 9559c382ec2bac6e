//! The shared memory of one worker.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::counters::{AtomicCounters, Counter, Counters, Method};
use super::slots::{RequestText, RunningRequest, Slots};
use crate::system::{Shareable, SharedText};

/// How much of the last sampled stacks is kept, in words of eight bytes.
const SAMPLE: usize = 1024;

/// What a worker counts and measures. Any thread of it may call the methods, and
/// none of them waits.
#[derive(Debug)]
pub struct Board {
    counters: AtomicCounters,
    gauges: [AtomicU64; GAUGES],
    slots: Slots,
    sample: SharedText<SAMPLE>,
}

// SAFETY: all fields are atomics, for which zero is a valid value.
unsafe impl Shareable for Board {}

/// What is at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// Open connections.
    Connections,
    /// Requests that wait for the app to be called.
    Waiting,
    /// How many requests the app can have at a time; 0 for no limit.
    Capacity,
}

const GAUGES: usize = Gauge::Capacity as usize + 1;

/// The methods of the worker.
impl Board {
    pub fn count(&self, counter: Counter, more: u64) {
        self.counters.count(counter, more);
    }

    /// Counts an answered request. This is done before the answer is sent: when
    /// the worker is killed, no request is missing whose client has an answer.
    pub fn answered(&self, method: Method, status: u16) {
        self.counters.answered(method, status);
    }

    /// Keeps how long a request took, and how much of it it has waited for the
    /// app. One thread at a time calls it.
    pub fn took(&self, duration: Duration, queue: Duration) {
        self.counters.took(duration, queue);
    }

    pub fn set(&self, gauge: Gauge, value: u64) {
        self.gauges[gauge as usize].store(value, Ordering::Relaxed);
    }

    /// Keeps a request that the app gets, in this slot. The caller sees to it
    /// that no other thread writes to the slot at the same time.
    pub fn begin(&self, slot: usize, request: &RequestText<'_>) {
        self.slots.begin(slot, request, now());
    }

    /// The request in this slot has ended.
    pub fn end(&self, slot: usize) {
        self.slots.end(slot);
    }

    /// Keeps the first 8 KiB of the stacks of all threads.
    pub fn keep_sample(&self, stacks: &str) {
        let length = stacks.floor_char_boundary(SAMPLE * 8);
        self.sample.write(0, &stacks.as_bytes()[..length]);
    }
}

/// The methods of the master.
impl Board {
    pub fn counters(&self) -> Counters {
        self.counters.load()
    }

    pub fn get(&self, gauge: Gauge) -> u64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    /// The requests that the app has, as far as there are slots for them.
    pub fn running(&self) -> Vec<RunningRequest> {
        self.slots.running()
    }

    /// The stacks that were kept last; nothing before the first time, and if
    /// the worker was killed while it wrote them.
    pub fn sample(&self) -> Option<String> {
        let (_, text) = self.sample.read()?;
        (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
    }
}

/// Milliseconds of the monotonic clock, which all processes share; never 0. The coarse
/// clock is a few milliseconds behind, and is much cheaper to read.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("Linux has this clock");
    (Duration::from(now).as_millis() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::Shared;

    #[test]
    fn it_is_small() {
        assert!(size_of::<Board>() < 48 * 1024, "{}", size_of::<Board>());
    }

    #[test]
    fn the_last_sample_is_kept() {
        let board = Shared::<Board>::new().unwrap();
        assert_eq!(board.sample(), None);
        board.keep_sample("Thread 1");
        board.keep_sample(&"é".repeat(8 * SAMPLE));
        assert_eq!(board.sample().unwrap().len(), 8 * SAMPLE);
        board.keep_sample("Thread 2");
        assert_eq!(board.sample().unwrap(), "Thread 2");
    }
}
