//! Deadlines of many connections. Each connection has an entry at or before its
//! deadline. A connection that is checked too early gets a new entry. So a
//! request costs no timer, only a check does.

use std::time::{Duration, Instant};

/// The precision of deadlines.
const TICK: Duration = Duration::from_millis(125);

/// How many ticks ahead an entry can be (32 s).
const SLOTS: usize = 256;

/// A time in ticks since the wheel was made.
type Tick = u64;

/// The indexes of connections, by the tick at which they are checked.
#[derive(Debug)]
pub struct TimerWheel {
    start: Instant,
    slots: Vec<Vec<u32>>,
    /// One bit for each slot, set if the slot is not empty.
    filled: [u64; SLOTS / 64],
    /// The first tick that was not processed.
    next: Tick,
    /// For each index the tick of its next check; its entries at other ticks
    /// are ignored.
    checks: Vec<Option<Tick>>,
}

impl TimerWheel {
    pub fn new(now: Instant) -> TimerWheel {
        TimerWheel {
            start: now,
            slots: vec![Vec::new(); SLOTS],
            filled: [0; SLOTS / 64],
            next: 1,
            checks: Vec::new(),
        }
    }

    /// Schedules a check of `index` at `deadline`, unless an earlier one is
    /// scheduled.
    pub fn schedule(&mut self, index: u32, deadline: Instant) {
        let tick = self.tick(deadline);
        let place = index as usize;
        if self.checks.len() <= place {
            self.checks.resize(place + 1, None);
        }
        if self.checks[place].is_none_or(|check| tick < check) {
            self.checks[place] = Some(tick);
            let slot = tick as usize % SLOTS;
            self.slots[slot].push(index);
            self.filled[slot / 64] |= 1 << (slot % 64);
        }
    }

    /// True if a check of `index` is scheduled.
    pub fn is_scheduled(&self, index: u32) -> bool {
        matches!(self.checks.get(index as usize), Some(Some(_)))
    }

    /// Replaces the content of `due` by the indexes of the next tick that has
    /// come; false if there is none.
    pub fn pop(&mut self, now: Instant, due: &mut Vec<u32>) -> bool {
        let Some(tick) = self.next_filled().filter(|tick| self.time_of(*tick) <= now) else {
            return false;
        };
        let slot = tick as usize % SLOTS;
        due.clear();
        std::mem::swap(due, &mut self.slots[slot]);
        self.filled[slot / 64] &= !(1 << (slot % 64));
        self.next = tick + 1;
        let checks = &mut self.checks;
        due.retain(|index| {
            checks[*index as usize]
                .take_if(|check| *check == tick)
                .is_some()
        });
        true
    }

    /// When the next check is due.
    pub fn next_check(&self) -> Option<Instant> {
        self.next_filled().map(|tick| self.time_of(tick))
    }

    /// Says that every tick before `now` was processed.
    pub fn forward(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_millis() / TICK.as_millis();
        if self.next_filled().is_none_or(|tick| tick > passed as u64) {
            self.next = self.next.max(passed as u64 + 1);
        }
    }

    /// The tick of a check for `deadline`: the first tick after it, or the last
    /// tick that an entry can have.
    fn tick(&self, deadline: Instant) -> Tick {
        let since = deadline.saturating_duration_since(self.start);
        let tick = (since.as_millis() / TICK.as_millis()) as u64 + 1;
        tick.clamp(self.next, self.next + SLOTS as u64 - 1)
    }

    fn time_of(&self, tick: Tick) -> Instant {
        self.start + TICK * u32::try_from(tick).unwrap_or(u32::MAX)
    }

    fn next_filled(&self) -> Option<Tick> {
        let first = self.next as usize % SLOTS;
        for step in 0..=SLOTS / 64 {
            let word = (first / 64 + step) % (SLOTS / 64);
            let mut bits = self.filled[word];
            if step == 0 {
                bits &= u64::MAX << (first % 64);
            } else if step == SLOTS / 64 {
                bits &= !(u64::MAX << (first % 64));
            }
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                return Some(self.next + ((slot + SLOTS - first) % SLOTS) as u64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds at which deadlines are checked, asked every 125 ms.
    fn checked(deadlines: &[f64]) -> Vec<(u32, f64)> {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        for (index, deadline) in deadlines.iter().enumerate() {
            wheel.schedule(index as u32, start + Duration::from_secs_f64(*deadline));
        }
        let (mut checked, mut due) = (Vec::new(), Vec::new());
        for step in 0..600 {
            let now = start + TICK * step;
            while wheel.pop(now, &mut due) {
                checked.extend(due.iter().map(|index| (*index, f64::from(step) / 8.0)));
            }
            wheel.forward(now);
        }
        assert_eq!(wheel.next_check(), None);
        checked
    }

    #[test]
    fn a_check_comes_right_after_the_deadline_or_early_if_that_is_far() {
        assert_eq!(
            checked(&[2.0, 0.0, 0.3, 40.0]),
            [(1, 0.125), (2, 0.375), (0, 2.125), (3, 32.0)]
        );
    }

    #[test]
    fn indexes_scheduled_later_are_checked_too() {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        let mut due = Vec::new();
        for round in 1..2000 {
            let now = start + TICK * round;
            wheel.forward(now);
            wheel.schedule(round, now + Duration::from_secs(1));
            if round > 9 {
                assert!(wheel.pop(now, &mut due), "{round}");
                assert_eq!(due, [round - 9]);
            }
            assert!(!wheel.pop(now, &mut due));
        }
    }
}
