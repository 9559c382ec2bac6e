//! Deadlines of many connections, kept cheaply: each connection has an entry
//! at or before its deadline, and what is looked at too early is put back.
//! So a request costs no timer, only each look does.

use std::time::{Duration, Instant};

/// How exact deadlines are.
const TICK: Duration = Duration::from_millis(125);

/// How many ticks the wheel sees ahead (32 s).
const SLOTS: usize = 256;

/// A moment in ticks since the wheel was made.
type Tick = u64;

/// Numbers of connections by the tick at which they are looked at.
#[derive(Debug)]
pub struct TimerWheel {
    start: Instant,
    slots: Vec<Vec<u32>>,
    /// One bit for each slot that holds something.
    filled: [u64; SLOTS / 64],
    /// The first tick that was not looked at.
    next: Tick,
    /// For each number the tick at which it is looked at next; its other
    /// entries are void.
    looks: Vec<Option<Tick>>,
}

impl TimerWheel {
    pub fn new(now: Instant) -> TimerWheel {
        TimerWheel {
            start: now,
            slots: vec![Vec::new(); SLOTS],
            filled: [0; SLOTS / 64],
            next: 1,
            looks: Vec::new(),
        }
    }

    /// Has `number` looked at by `deadline`, unless it is looked at sooner
    /// anyway.
    pub fn schedule(&mut self, number: u32, deadline: Instant) {
        let tick = self.tick(deadline);
        let index = number as usize;
        if self.looks.len() <= index {
            self.looks.resize(index + 1, None);
        }
        if self.looks[index].is_none_or(|look| tick < look) {
            self.looks[index] = Some(tick);
            let slot = tick as usize % SLOTS;
            self.slots[slot].push(number);
            self.filled[slot / 64] |= 1 << (slot % 64);
        }
    }

    /// True if `number` is going to be looked at.
    pub fn is_scheduled(&self, number: u32) -> bool {
        matches!(self.looks.get(number as usize), Some(Some(_)))
    }

    /// Moves the numbers whose tick has come into `due`, in place of what was
    /// there; false when none is left.
    pub fn pop(&mut self, now: Instant, due: &mut Vec<u32>) -> bool {
        let Some(tick) = self.next_filled().filter(|tick| self.moment(*tick) <= now) else {
            return false;
        };
        let slot = tick as usize % SLOTS;
        due.clear();
        std::mem::swap(due, &mut self.slots[slot]);
        self.filled[slot / 64] &= !(1 << (slot % 64));
        self.next = tick + 1;
        let looks = &mut self.looks;
        due.retain(|number| {
            looks[*number as usize]
                .take_if(|look| *look == tick)
                .is_some()
        });
        true
    }

    /// When there is something to look at.
    pub fn next_look(&self) -> Option<Instant> {
        self.next_filled().map(|tick| self.moment(tick))
    }

    /// Says that every tick before `now` was looked at.
    pub fn forward(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.start).as_millis() / TICK.as_millis();
        if self.next_filled().is_none_or(|tick| tick > passed as u64) {
            self.next = self.next.max(passed as u64 + 1);
        }
    }

    /// The tick of a look at `deadline`: the first after it, or the farthest
    /// that the wheel sees.
    fn tick(&self, deadline: Instant) -> Tick {
        let since = deadline.saturating_duration_since(self.start);
        let tick = (since.as_millis() / TICK.as_millis()) as u64 + 1;
        tick.clamp(self.next, self.next + SLOTS as u64 - 1)
    }

    fn moment(&self, tick: Tick) -> Instant {
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

    /// The seconds at which deadlines are seen, asked every 125 ms.
    fn seen(deadlines: &[f64]) -> Vec<(u32, f64)> {
        let start = Instant::now();
        let mut wheel = TimerWheel::new(start);
        for (number, deadline) in deadlines.iter().enumerate() {
            wheel.schedule(number as u32, start + Duration::from_secs_f64(*deadline));
        }
        let (mut seen, mut due) = (Vec::new(), Vec::new());
        for step in 0..600 {
            let now = start + TICK * step;
            while wheel.pop(now, &mut due) {
                seen.extend(due.iter().map(|number| (*number, f64::from(step) / 8.0)));
            }
            wheel.forward(now);
        }
        assert_eq!(wheel.next_look(), None);
        seen
    }

    #[test]
    fn a_look_comes_right_after_the_deadline_or_early_when_that_is_far() {
        assert_eq!(
            seen(&[2.0, 0.0, 0.3, 40.0]),
            [(1, 0.125), (2, 0.375), (0, 2.125), (3, 32.0)]
        );
    }

    #[test]
    fn numbers_put_in_later_are_seen_too() {
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
