//! A text in shared memory, which one process may read while another writes it.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// How many times a text is read that changes meanwhile.
const TRIES: u32 = 8;

/// A text of at most `WORDS` times eight bytes, with a number.
///
/// Its version is odd while it is written, and a reader tries again if the
/// version has changed (a seqlock). Nobody waits.
#[derive(Debug)]
pub struct SharedText<const WORDS: usize> {
    version: AtomicU32,
    /// The length of the text in bytes.
    length: AtomicU32,
    number: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> SharedText<WORDS> {
    /// How many bytes have room.
    pub const ROOM: usize = WORDS * 8;

    /// Writes a number and a text; what has no room is cut off. If two write at
    /// the same moment, one of the texts or a mixture of both stays.
    pub fn write(&self, number: u64, text: &[u8]) {
        let version = self.version.load(Ordering::Relaxed);
        // The next odd number. It may be odd already: then a process was killed
        // while it wrote.
        let writing = version.wrapping_add(1) | 1;
        let order = (Ordering::Acquire, Ordering::Relaxed);
        let begun = self
            .version
            .compare_exchange(version, writing, order.0, order.1);
        if begun.is_err() {
            return;
        }
        fence(Ordering::Release);
        let text = &text[..text.len().min(Self::ROOM)];
        for (word, part) in self.words.iter().zip(text.chunks(8)) {
            let mut whole = [0; 8];
            whole[..part.len()].copy_from_slice(part);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
        self.length.store(text.len() as u32, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
        let written = writing.wrapping_add(1);
        self.version.store(written, Ordering::Release);
    }

    /// The number and the text; nothing before the first time, if the text
    /// changes all the time, and if its writer was killed.
    pub fn read(&self) -> Option<(u64, Vec<u8>)> {
        for _ in 0..TRIES {
            let version = self.version.load(Ordering::Acquire);
            let number = self.number.load(Ordering::Relaxed);
            let length = self.length.load(Ordering::Relaxed) as usize;
            let used = length.min(Self::ROOM).div_ceil(8);
            let words = self.words[..used].iter();
            let mut text: Vec<u8> = words
                .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
                .collect();
            text.truncate(length);
            fence(Ordering::Acquire);
            let is_same = self.version.load(Ordering::Relaxed) == version;
            if is_same && version > 0 && version.is_multiple_of(2) {
                return Some((number, text));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::shared_memory::{Shareable, Shared};
    use super::*;
    use std::thread;

    struct Text(SharedText<25>);

    // SAFETY: all fields are atomics, for which zero is a valid value.
    unsafe impl Shareable for Text {}

    #[test]
    fn a_text_is_never_a_mixture_of_two() {
        let shared = Shared::<Text>::new().unwrap();
        let text = &shared.0;
        assert_eq!(text.read(), None);
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..200_000_u64 {
                    let letter = b'a' + (number % 26) as u8;
                    text.write(letter.into(), &[letter; 200][..100 + number as usize % 100]);
                }
            });
            for _ in 0..20_000 {
                if let Some((number, read)) = text.read() {
                    assert!(read.iter().all(|byte| u64::from(*byte) == number));
                }
            }
        });
        text.write(7, &[b'x'; 1000]);
        assert_eq!(text.read(), Some((7, vec![b'x'; 200])));
    }

    #[test]
    fn a_writer_that_was_killed_hinders_nobody() {
        let shared = Shared::<Text>::new().unwrap();
        let text = &shared.0;
        text.write(1, b"one");
        text.version.fetch_add(1, Ordering::Relaxed);
        assert_eq!(text.read(), None);
        text.write(2, b"two");
        assert_eq!(text.read(), Some((2, b"two".to_vec())));
    }
}
