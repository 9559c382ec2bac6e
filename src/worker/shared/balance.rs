//! What the workers of a master have in common: how many connections each has,
//! so that one that has many more than another lets others accept first; and
//! the way of idle connections from one that ends to the others.

use crate::worker::shared::handover::Handover;
use crate::worker::shared::memory::{Plain, Shared};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a worker leaves those that arrive to others. They may all be busy,
/// so then it takes them.
pub const DEFER_TIME: Duration = Duration::from_millis(20);

/// How often in a row a worker that serves one request at a time leaves those
/// that arrive to one that has nothing to do. That one comes as soon as the
/// system lets it, which may take a while on a busy machine.
const MOST_DEFERRALS: u32 = 50;

/// How many workers are counted; those beyond are not, and never wait.
const MOST_WORKERS: usize = 256;

/// The workers of one master. It makes this before it forks them.
#[derive(Clone, Debug)]
pub struct WorkerTable(Arc<Members>);

#[derive(Debug)]
struct Members {
    counts: Shared<Counts>,
    /// Written to when one that sleeps is to accept.
    call: EventFd,
    /// Nothing where the system does not have it.
    handover: Option<Handover>,
}

/// For each worker its connections and one more; 0 for none that accepts.
#[derive(Debug)]
struct Counts([AtomicU32; MOST_WORKERS]);

// SAFETY: it is made of atomics, whose zeros are values.
unsafe impl Plain for Counts {}

/// A worker's entry in the table.
#[derive(Clone, Debug)]
pub struct WorkerSlot {
    table: WorkerTable,
    number: usize,
}

/// Whether a worker lets others go first.
#[derive(Debug, Default)]
pub struct Deferral {
    /// How many times in a row it did so for one that has nothing to do.
    waited: u32,
    /// How many times it did so and the others did not come forward.
    in_vain: u32,
    /// How many connections it takes before it does so again.
    takes: u32,
    /// The fewest connections that a worker had then.
    fewest: u32,
}

impl WorkerTable {
    /// Whose workers hand connections over by `handover`, if there is one
    /// already.
    ///
    /// # Errors
    /// The system has no memory left to share, or no descriptor.
    pub fn new(handover: Option<Handover>) -> io::Result<WorkerTable> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(WorkerTable(Arc::new(Members {
            counts: Shared::anonymous()?,
            call: EventFd::from_flags(flags)?,
            handover: handover.or_else(|| Handover::new().ok()),
        })))
    }

    /// How idle connections go from one worker to another.
    pub fn handover(&self) -> Option<&Handover> {
        self.0.handover.as_ref()
    }

    /// A slot that none of `others` has, empty; nothing when all are taken.
    pub fn slot<'a>(
        &self,
        others: impl Iterator<Item = &'a WorkerSlot> + Clone,
    ) -> Option<WorkerSlot> {
        let taken = |number: &usize| others.clone().any(|slot| slot.number == *number);
        let slot = WorkerSlot {
            table: self.clone(),
            number: (0..MOST_WORKERS).find(|number| !taken(number))?,
        };
        slot.set_connections(None);
        Some(slot)
    }
}

impl WorkerSlot {
    /// Says how many connections the worker has; nothing when it does not
    /// accept any more.
    pub fn set_connections(&self, connections: Option<usize>) {
        let count = connections.map_or(0, |count| count.saturating_add(1));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.table.0.counts.0[self.number].store(count, Ordering::Relaxed);
    }

    /// Has one of the workers that sleep accept, if there is one.
    pub fn call_another(&self) {
        // It fails only when billions of calls were not heard.
        let _ = self.table.0.call.write(1);
    }

    /// How idle connections go to the other workers, and come from them.
    pub fn handover(&self) -> Option<&Handover> {
        self.table.handover()
    }

    fn count(&self, number: usize) -> u32 {
        self.table.0.counts.0[number].load(Ordering::Relaxed)
    }

    /// The fewest connections that a worker has.
    fn fewest(&self) -> u32 {
        let counts = (0..MOST_WORKERS).map(|number| self.count(number));
        counts.filter(|count| *count > 0).min().unwrap_or(1) - 1
    }
}

impl AsFd for WorkerSlot {
    /// Readable, anew with each [`call`](WorkerSlot::call_another).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.table.0.call.as_fd()
    }
}

impl Deferral {
    /// True if the worker is to leave those that arrive to others for a while,
    /// [`DEFER_TIME`]. Then it takes one, and each time that nobody else did,
    /// twice as many: who does not accept holds nobody up. One that was
    /// `called` by another takes them. But one that `serves_one` request at a
    /// time leaves them to whoever has no connection at all: the request of its
    /// own may be on the way, and keep it for long. It does so [`MOST_DEFERRALS`] times
    /// before it takes them after all.
    pub fn defers(&mut self, slot: &WorkerSlot, called: bool, serves_one: bool) -> bool {
        let own = slot.count(slot.number).saturating_sub(1);
        let fewest = slot.fewest();
        let most = match fewest {
            0 if serves_one => 0,
            _ if called => return false,
            fewest => fewest + fewest / 4 + 2,
        };
        if own <= most {
            *self = Deferral::default();
            return false;
        }
        if self.takes > 0 {
            self.takes -= 1;
            return false;
        }
        if serves_one && fewest == 0 && self.waited < MOST_DEFERRALS {
            self.waited += 1;
            return true;
        }
        self.waited = 0;
        self.in_vain = match fewest > self.fewest {
            true => 0,
            false => (self.in_vain + 1).min(16),
        };
        self.takes = 1 << self.in_vain;
        self.fewest = fewest;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(counts: &[Option<usize>]) -> Vec<WorkerSlot> {
        let table = WorkerTable::new(None).unwrap();
        let mut slots = Vec::new();
        for count in counts {
            let slot = table.slot(slots.iter()).unwrap();
            slot.set_connections(*count);
            slots.push(slot);
        }
        slots
    }

    #[test]
    fn a_slot_is_free_again_after_its_worker() {
        let mut slots = table(&[Some(1), Some(100), Some(2)]);
        slots.remove(1);
        let again = slots[0].table.slot(slots.iter()).unwrap();
        assert_eq!((again.number, again.count(1)), (1, 0));
        let next = slots[0].table.slot(slots.iter().chain([&again]));
        assert_eq!(next.unwrap().number, 3);
    }

    #[test]
    fn only_who_has_clearly_more_than_another_waits() {
        let waits = |slot: &WorkerSlot| Deferral::default().defers(slot, false, false);
        let slots = table(&[Some(16), Some(22), Some(23), None]);
        let waiting: Vec<_> = slots.iter().map(waits).collect();
        assert_eq!(waiting, [false, false, true, false]);
        assert!(!waits(&table(&[Some(1000), None])[0]), "it is alone");
        assert!(waits(&table(&[Some(3), Some(0)])[0]));
    }

    #[test]
    fn who_serves_one_at_a_time_waits_for_who_has_nothing_to_do() {
        for called in [false, true] {
            let waits = |counts: &[Option<usize>]| {
                Deferral::default().defers(&table(counts)[0], called, true)
            };
            assert!(waits(&[Some(1), Some(0), Some(2)]));
            assert!(!waits(&[Some(0), Some(0)]));
            assert!(!waits(&[Some(1), Some(1)]));
            assert!(!waits(&[Some(1), None]));
            assert_eq!(waits(&[Some(9), Some(1)]), !called);
        }
    }

    #[test]
    fn who_serves_one_at_a_time_is_patient_and_not_for_ever() {
        let slots = table(&[Some(1), Some(0)]);
        let mut deferral = Deferral::default();
        let waits = (0..).take_while(|_| deferral.defers(&slots[0], true, true));
        // It takes one, and two the next time.
        assert_eq!(waits.count() as u32, MOST_DEFERRALS + 1);
    }

    #[test]
    fn who_waits_in_vain_waits_less_often() {
        let slots = table(&[Some(100), Some(1)]);
        let mut deferral = Deferral::default();
        let mut takes = || {
            (0..)
                .take_while(|_| !deferral.defers(&slots[0], false, false))
                .count()
        };
        assert_eq!([takes(), takes(), takes()], [0, 1, 2]);
        slots[1].set_connections(Some(2));
        assert_eq!([takes(), takes(), takes()], [4, 1, 2]);
    }
}
