//! The requests that the app has, so that they are known when the worker hangs
//! or was killed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::system::SharedText;

/// How many requests of a worker are kept. More run unseen, but are counted.
pub const MOST_RUNNING: usize = 64;

/// The size of a request's texts, in words of eight bytes.
const WORDS: usize = 32;

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

/// The texts one after the other, and their lengths in the bytes of its number:
/// method, client, id, target.
#[derive(Debug)]
struct Slot {
    text: SharedText<WORDS>,
    /// When the app was called; 0 while the slot is free.
    started: AtomicU64,
}

impl Slots {
    /// Keeps a request. The caller sees to it that no other thread writes to
    /// this slot at the same time. Slots that do not exist are ignored.
    pub fn begin(&self, slot: usize, request: &RequestText<'_>, started: u64) {
        let Some(slot) = self.0.get(slot) else { return };
        let mut texts = [0; WORDS * 8];
        let (mut used, mut lengths) = (0, 0);
        let parts = [
            (request.method, 16),
            (request.client, 46),
            (request.id, 64),
            (request.target, 255),
        ];
        for (part, most) in parts {
            let length = part.len().min(most).min(texts.len() - used);
            texts[used..used + length].copy_from_slice(&part[..length]);
            used += length;
            lengths = lengths << 8 | length as u64;
        }
        // A reader sees the slot as free while its text changes.
        slot.started.store(0, Ordering::Relaxed);
        slot.text.write(lengths, &texts[..used]);
        slot.started.store(started.max(1), Ordering::Release);
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
        let started = self.started.load(Ordering::Acquire);
        if started == 0 {
            return None;
        }
        let (lengths, text) = self.text.read()?;
        if self.started.load(Ordering::Acquire) != started {
            // That is the text of another request.
            return None;
        }
        let mut left = &text[..];
        let mut next = |place: u32| {
            let length = (lengths >> (8 * place)) as usize & 0xff;
            let (part, rest) = left.split_at(length.min(left.len()));
            left = rest;
            part.to_vec()
        };
        let [method, client, id, target] = [3, 2, 1, 0].map(&mut next);
        Some(RunningRequest {
            method,
            target,
            client,
            id,
            started,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Board;
    use super::*;
    use crate::system::Shared;

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
        assert_eq!(long.len(), WORDS * 8 - "GET127.0.0.1id-1".len());
    }
}
