//! The shared memory of one worker.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use super::counters::{AtomicCounters, Counter, Counters, Method};
use super::slots::{RequestText, RunningRequest, Slots};
use crate::system::Shareable;

/// How many bytes of the last sampled stacks are kept.
const SAMPLE: usize = 8 * 1024;

/// What a worker counts and measures. Any thread of it may call the methods, and
/// none of them waits.
#[derive(Debug)]
pub struct Board {
    counters: AtomicCounters,
    gauges: [AtomicU64; GAUGES],
    slots: Slots,
    /// Odd while the sample is written.
    sample_version: AtomicU32,
    sample_length: AtomicU32,
    sample: UnsafeCell<[u8; SAMPLE]>,
}

// SAFETY: zero is a valid value of all fields, and all are atomics but the
// sample, of which `keep_sample` says what guards it.
unsafe impl Shareable for Board {}
// SAFETY: as above.
unsafe impl Sync for Board {}

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

    /// Keeps the first 8 KiB of the stacks of all threads. One thread at a time
    /// calls it.
    pub fn keep_sample(&self, stacks: &str) {
        let length = stacks.floor_char_boundary(SAMPLE);
        self.sample_version.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        // SAFETY: the array has as many bytes. One thread writes; a reader
        // drops what has changed meanwhile.
        unsafe {
            let into = self.sample.get().cast::<u8>();
            into.copy_from_nonoverlapping(stacks.as_ptr(), length);
        }
        self.sample_length.store(length as u32, Ordering::Relaxed);
        self.sample_version.fetch_add(1, Ordering::Release);
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
        let version = self.sample_version.load(Ordering::Acquire);
        let length = self.sample_length.load(Ordering::Relaxed) as usize;
        let mut text = vec![0; length.min(SAMPLE)];
        // SAFETY: the array has at least as many bytes, and any byte is a valid
        // value. Bytes that change meanwhile are dropped below.
        unsafe {
            let from = self.sample.get().cast::<u8>();
            from.copy_to_nonoverlapping(text.as_mut_ptr(), text.len());
        }
        fence(Ordering::Acquire);
        let unchanged = self.sample_version.load(Ordering::Relaxed) == version;
        let is_whole = unchanged && version.is_multiple_of(2) && !text.is_empty();
        is_whole.then(|| String::from_utf8_lossy(&text).into_owned())
    }
}

/// Milliseconds of the monotonic clock, which all processes share. The coarse
/// clock is a few milliseconds behind, and is much cheaper to read.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).expect("Linux has this clock");
    Duration::from(now).as_millis() as u64
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
        board.keep_sample(&"é".repeat(SAMPLE));
        assert_eq!(board.sample().unwrap().len(), SAMPLE);
        board.keep_sample("Thread 2");
        assert_eq!(board.sample().unwrap(), "Thread 2");
    }
}
