//! The last lines of text that several processes have written, in shared memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::shared_memory::Shareable;

/// How many lines are kept.
const LINES: usize = 128;

/// How many words of eight bytes are kept of each line.
const WORDS: usize = 62;

/// The lines. Any process may add some while others read; nobody waits.
#[derive(Debug)]
pub struct LineRing {
    /// How many lines were ever added.
    added: AtomicU64,
    lines: [Line; LINES],
}

#[derive(Debug)]
struct Line {
    /// Odd while the line is written.
    version: AtomicU32,
    /// Its length in bytes.
    length: AtomicU32,
    /// Which of all lines it is, counted from 1.
    number: AtomicU64,
    words: [AtomicU64; WORDS],
}

// SAFETY: all fields are atomics, for which zero is a valid value.
unsafe impl Shareable for LineRing {}

impl LineRing {
    /// Adds a line; what is longer than 496 bytes is cut off. If another process
    /// writes at the same place, which happens only when 128 lines are written
    /// at once, the line is dropped.
    pub fn add(&self, text: &str) {
        let number = self.added.fetch_add(1, Ordering::Relaxed);
        let line = &self.lines[(number % LINES as u64) as usize];
        let version = line.version.load(Ordering::Relaxed);
        let is_free = version.is_multiple_of(2);
        let exchange = |new| {
            let order = (Ordering::Acquire, Ordering::Relaxed);
            line.version
                .compare_exchange(version, new, order.0, order.1)
        };
        if !is_free || exchange(version.wrapping_add(1)).is_err() {
            return;
        }
        fence(Ordering::Release);
        let bytes = &text.as_bytes()[..text.floor_char_boundary(WORDS * 8)];
        for (word, part) in line.words.iter().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..part.len()].copy_from_slice(part);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
        line.length.store(bytes.len() as u32, Ordering::Relaxed);
        line.number.store(number + 1, Ordering::Relaxed);
        line.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// The lines that are kept, the oldest first.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.lines.iter().filter_map(Line::read).collect();
        lines.sort_unstable();
        lines.into_iter().map(|(_, text)| text).collect()
    }
}

impl Line {
    /// Its number and its text; nothing if there is none, or if it changes at
    /// the moment.
    fn read(&self) -> Option<(u64, String)> {
        let version = self.version.load(Ordering::Acquire);
        let number = self.number.load(Ordering::Relaxed);
        let length = self.length.load(Ordering::Relaxed) as usize;
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_ne_bytes).collect();
        bytes.truncate(length);
        fence(Ordering::Acquire);
        let is_whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (is_whole && number > 0).then_some((number, text))
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared_memory::Shared;
    use super::*;

    #[test]
    fn the_last_lines_are_kept_in_their_order() {
        let ring = Shared::<LineRing>::new().unwrap();
        assert_eq!(ring.lines(), Vec::<String>::new());
        for number in 0..300 {
            ring.add(&format!("line {number}"));
        }
        let lines = ring.lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!((&*lines[0], &*lines[LINES - 1]), ("line 172", "line 299"));
        ring.add(&"é".repeat(1000));
        assert_eq!(ring.lines().pop().unwrap().len(), WORDS * 8);
    }
}
