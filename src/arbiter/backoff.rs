//! Pauses between starts, if workers keep ending early.

use std::time::{Duration, Instant};

/// The first pause; each further one is twice as long.
const FIRST: Duration = Duration::from_millis(500);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(30);

/// When the next worker may be started. One early exit may be chance, so the
/// pauses begin with the second early exit in a row.
#[derive(Debug)]
pub struct Backoff {
    early_exits: u32,
    until: Instant,
}

impl Default for Backoff {
    fn default() -> Self {
        let (early_exits, until) = (0, Instant::now());
        Self { early_exits, until }
    }
}

impl Backoff {
    /// No worker is to be started before this moment.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Counts a worker that ended before it had served for long.
    pub fn grow(&mut self) {
        self.early_exits += 1;
        let Some(doublings) = self.early_exits.checked_sub(2) else {
            return;
        };
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(doublings));
        let pause = pause.min(LONGEST);
        self.until = Instant::now() + pause;
        ::log::warn!(
            "{} workers in a row have died early; the next is started in {} s",
            self.early_exits,
            pause.as_secs_f32()
        );
    }

    /// Starts to count from zero.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut backoff = Backoff::default();
        backoff.grow();
        assert!(backoff.until() <= Instant::now(), "one exit is chance");
        let mut pauses = Vec::new();
        for _ in 0..40 {
            backoff.grow();
            pauses.push((backoff.until() - Instant::now()).as_secs_f32().round());
        }
        assert_eq!(pauses[1..5], [1.0, 2.0, 4.0, 8.0]);
        assert_eq!(pauses[39], 30.0);
        backoff.reset();
        assert!(backoff.until() <= Instant::now());
    }
}
