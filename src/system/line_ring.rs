//! The last lines of text that several processes have written, in shared memory.

use std::sync::atomic::{AtomicU64, Ordering};

use super::shared_memory::Shareable;
use super::shared_text::SharedText;

/// How many lines are kept.
const LINES: usize = 128;

/// A line of about a kilobyte.
type Line = SharedText<125>;

/// How many bytes of a line's start are kept if it is too long. The rest is its
/// end, where a traceback has its exception.
const START: usize = 300;

/// What stands between the start and the end.
const GAP: &str = "\n[...]\n";

/// The lines. Any process may add some while others read; nobody waits.
#[derive(Debug)]
pub struct LineRing {
    /// How many lines were ever added.
    added: AtomicU64,
    lines: [Line; LINES],
}

// SAFETY: all fields are atomics, for which zero is a valid value.
unsafe impl Shareable for LineRing {}

impl LineRing {
    /// Adds a line. Of one that is too long, the start and the end are kept.
    pub fn add(&self, text: &str) {
        let number = self.added.fetch_add(1, Ordering::Relaxed);
        let line = &self.lines[(number % LINES as u64) as usize];
        match text.len() <= Line::ROOM {
            true => line.write(number + 1, text.as_bytes()),
            false => line.write(number + 1, shortened(text).as_bytes()),
        }
    }

    /// The lines that are kept, the oldest first.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.lines.iter().filter_map(Line::read).collect();
        lines.sort_unstable();
        let text = |(_, text): (u64, Vec<u8>)| String::from_utf8_lossy(&text).into_owned();
        lines.into_iter().map(text).collect()
    }
}

fn shortened(text: &str) -> String {
    let start = &text[..text.floor_char_boundary(START)];
    let left = Line::ROOM - start.len() - GAP.len();
    let end = &text[text.ceil_char_boundary(text.len() - left)..];
    [start, GAP, end].concat()
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
    }

    #[test]
    fn of_a_long_line_the_start_and_the_end_are_kept() {
        let ring = Shared::<LineRing>::new().unwrap();
        ring.add(&format!(
            "Traceback\n{}\nValueError: é",
            "  é\n".repeat(1000)
        ));
        let line = ring.lines().pop().unwrap();
        assert!(
            line.len() <= Line::ROOM && line.len() > Line::ROOM - 8,
            "{line}"
        );
        assert!(line.starts_with("Traceback\n") && line.ends_with("\nValueError: é"));
        assert!(line.contains(GAP));
    }
}
