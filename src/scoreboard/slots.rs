//! The requests that the app has, so that they are known when the worker hangs
//! or was killed.
//!
//! A slot is written by one thread at a time, and read by the master while it
//! is written: its version is odd meanwhile, and the master reads again if the
//! version has changed (a seqlock).

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// How many requests of a worker are kept. More run unseen, but are counted.
pub const MOST_RUNNING: usize = 64;

/// How many bytes of a request's texts are kept.
const TEXT: usize = 256;

/// How many times a slot is read that changes meanwhile.
const TRIES: u32 = 8;

/// The slots of a worker.
#[derive(Debug)]
pub struct Slots([Slot; MOST_RUNNING]);

/// The texts of a request that are kept.
#[derive(Clone, Copy, Debug)]
pub struct RequestText<'a> {
    /// At most 16 bytes are kept.
    pub method: &'a [u8],
    /// The path and the query; as much is kept as has room.
    pub target: &'a [u8],
    /// The client's address, at most 46 bytes.
    pub client: &'a [u8],
    /// The request's id; at most 64 bytes are kept.
    pub id: &'a [u8],
}

/// A request that the app has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningRequest {
    pub method: Vec<u8>,
    pub target: Vec<u8>,
    pub client: Vec<u8>,
    pub id: Vec<u8>,
    /// When the app was called, in milliseconds of the monotonic clock.
    pub started: u64,
}

#[derive(Debug)]
struct Slot {
    /// Odd while the slot is written; 0 before that.
    version: AtomicU32,
    /// Each text's length in a byte of its own.
    lengths: AtomicU32,
    /// 0 while the slot is free.
    started: AtomicU64,
    text: UnsafeCell<[u8; TEXT]>,
}

// SAFETY: the text is copied through a pointer by all who use it. One thread
// writes at a time (see `begin`), and a reader drops what has changed meanwhile.
unsafe impl Sync for Slot {}

impl Slots {
    /// Keeps a request. The caller sees to it that no other thread writes to
    /// this slot at the same time. Slots that do not exist are ignored.
    pub fn begin(&self, slot: usize, request: &RequestText<'_>, started: u64) {
        let Some(slot) = self.0.get(slot) else { return };
        let version = slot.version.load(Ordering::Relaxed);
        slot.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let (mut used, mut lengths) = (0, 0_u32);
        let most = [16, 46, 64, TEXT];
        let texts = [request.method, request.client, request.id, request.target];
        for (text, most) in texts.into_iter().zip(most) {
            let length = text.len().min(most).min(TEXT - used).min(255);
            // SAFETY: `length` bytes fit after the bytes in use.
            unsafe {
                let start = slot.text.get().cast::<u8>().add(used);
                start.copy_from_nonoverlapping(text.as_ptr(), length);
            }
            used += length;
            lengths = lengths << 8 | length as u32;
        }
        slot.lengths.store(lengths, Ordering::Relaxed);
        slot.started.store(started.max(1), Ordering::Relaxed);
        slot.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// Frees the slot of a request that has ended.
    pub fn end(&self, slot: usize) {
        if let Some(slot) = self.0.get(slot) {
            slot.started.store(0, Ordering::Relaxed);
        }
    }

    /// The requests that are there now, in no order.
    pub fn running(&self) -> Vec<RunningRequest> {
        self.0.iter().filter_map(Slot::read).collect()
    }
}

impl Slot {
    fn read(&self) -> Option<RunningRequest> {
        for _ in 0..TRIES {
            let version = self.version.load(Ordering::Acquire);
            let started = self.started.load(Ordering::Relaxed);
            if started == 0 {
                return None;
            }
            let lengths = self.lengths.load(Ordering::Relaxed).to_be_bytes();
            let mut text = [0_u8; TEXT];
            // SAFETY: both arrays have this length, and any byte is a valid
            // value. Bytes that change meanwhile are dropped below.
            unsafe {
                let from = self.text.get().cast::<u8>();
                from.copy_to_nonoverlapping(text.as_mut_ptr(), TEXT);
            }
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                let mut left = &text[..];
                let mut next = |length: u8| {
                    let (part, rest) = left.split_at(usize::from(length).min(left.len()));
                    left = rest;
                    part.to_vec()
                };
                let [method, client, id, target] = lengths.map(&mut next);
                return Some(RunningRequest {
                    method,
                    target,
                    client,
                    id,
                    started,
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;
    use crate::system::Shared;
    use std::thread;

    fn text(target: &[u8]) -> RequestText<'_> {
        RequestText {
            method: b"GET",
            target,
            client: b"127.0.0.1",
            id: b"id-1",
        }
    }

    #[test]
    fn requests_are_seen_until_they_end() {
        let board = Shared::<Board>::new().unwrap();
        board.begin(3, &text(b"/slow?a=1"));
        board.begin(MOST_RUNNING, &text(b"/unseen"));
        let running = board.running();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].target, b"/slow?a=1");
        assert_eq!(
            (&*running[0].method, &*running[0].client, &*running[0].id),
            (&b"GET"[..], &b"127.0.0.1"[..], &b"id-1"[..])
        );
        board.end(3);
        assert_eq!(board.running(), []);
        board.begin(0, &text(&[b'x'; 5000]));
        let long = &board.running()[0].target;
        assert_eq!(long.len(), TEXT - "GET127.0.0.1id-1".len());
    }

    #[test]
    fn a_request_is_never_a_mixture_of_two() {
        let board = Shared::<Board>::new().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..200_000_u32 {
                    let letter = b'a' + (number % 26) as u8;
                    let target = [letter; 200];
                    board.begin(0, &text(&target[..100 + number as usize % 100]));
                }
            });
            for _ in 0..20_000 {
                for request in board.running() {
                    let first = request.target[0];
                    assert!(request.target.iter().all(|byte| *byte == first));
                    assert_eq!(request.method, b"GET");
                }
            }
        });
    }
}
