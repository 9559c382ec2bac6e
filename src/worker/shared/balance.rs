//! A table in shared memory: how many connections each worker has. A worker
//! that has many more than another lets the others accept first. The table also
//! has the socket pair through which idle connections go from worker to worker.

use crate::system::{Shareable, Shared};
use crate::worker::shared::handover::Handover;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a worker lets the others accept first. They may all be busy; after
/// this time the worker accepts.
pub const DEFER_TIME: Duration = Duration::from_millis(20);

/// How many times in a row a worker that serves one request at a time lets an
/// idle worker accept first. On a busy machine it may take a while until the
/// system runs the idle worker.
const MOST_DEFERRALS: u32 = 50;

/// The size of the table. Workers without a slot are not counted, and never let
/// others go first.
const MOST_WORKERS: usize = 256;

/// The workers of one master, which makes the table before it forks them.
#[derive(Clone, Debug)]
pub struct WorkerTable(Arc<TableData>);

#[derive(Debug)]
struct TableData {
    counts: Shared<Counts>,
    /// Written to when a waiting worker should accept.
    accept_event: EventFd,
    /// Nothing if the system cannot make it.
    handover: Option<Handover>,
}

/// For each slot the number of connections plus one; 0 if the slot is free or
/// its worker does not accept.
#[derive(Debug)]
struct Counts([AtomicU32; MOST_WORKERS]);

// SAFETY: all fields are atomics, for which zero is a valid value.
unsafe impl Shareable for Counts {}

/// A worker's entry in the table.
#[derive(Clone, Debug)]
pub struct WorkerSlot {
    table: WorkerTable,
    number: usize,
}

/// Decides whether a worker lets others accept first.
#[derive(Debug, Default)]
pub struct Deferral {
    /// How many times in a row the worker let an idle worker accept first.
    deferrals: u32,
    /// How many times in a row no other worker accepted instead.
    unsuccessful: u32,
    /// How many times the worker accepts before it lets others go first again.
    accepts: u32,
    /// The fewest connections that any worker had the last time.
    fewest: u32,
}

impl WorkerTable {
    /// An empty table. `handover` is the socket pair of a master that was
    /// upgraded; without it, a new pair is made.
    ///
    /// # Errors
    /// The system has no memory left to share, or no descriptor.
    pub fn new(handover: Option<Handover>) -> io::Result<WorkerTable> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(WorkerTable(Arc::new(TableData {
            counts: Shared::anonymous()?,
            accept_event: EventFd::from_flags(flags)?,
            handover: handover.or_else(|| Handover::new().ok()),
        })))
    }

    /// The socket pair for idle connections.
    pub fn handover(&self) -> Option<&Handover> {
        self.0.handover.as_ref()
    }

    /// A free slot, which none of `others` has; nothing when all are taken.
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
    /// Sets how many connections the worker has; nothing when it does not
    /// accept any more.
    pub fn set_connections(&self, connections: Option<usize>) {
        let count = connections.map_or(0, |count| count.saturating_add(1));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.table.0.counts.0[self.number].store(count, Ordering::Relaxed);
    }

    /// Wakes a worker that waits for events, if there is one, so that it
    /// accepts.
    pub fn ask_another(&self) {
        // It fails only when billions of writes were not read.
        let _ = self.table.0.accept_event.write(1);
    }

    /// The socket pair for idle connections.
    pub fn handover(&self) -> Option<&Handover> {
        self.table.handover()
    }

    fn count(&self, number: usize) -> u32 {
        self.table.0.counts.0[number].load(Ordering::Relaxed)
    }

    /// The fewest connections that any worker has.
    fn fewest(&self) -> u32 {
        let counts = (0..MOST_WORKERS).map(|number| self.count(number));
        counts.filter(|count| *count > 0).min().unwrap_or(1) - 1
    }
}

impl AsFd for WorkerSlot {
    /// Becomes readable with each [`ask_another`](WorkerSlot::ask_another).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.table.0.accept_event.as_fd()
    }
}

impl Deferral {
    /// True if the worker should let others accept first, for [`DEFER_TIME`]:
    /// if it has more than 5/4 of the fewest connections that any worker has,
    /// plus 2. After that it accepts at least once before it lets others go
    /// first again; and each time that no other worker accepted instead, twice
    /// as often, so that idle workers that do not accept hold up no client. A
    /// worker that was `asked` by another accepts at once.
    ///
    /// A worker that `serves_one` request at a time also defers when it was
    /// asked, if another has no connection at all: the next request on its own
    /// connection may be coming, and may take long. After [`MOST_DEFERRALS`]
    /// times in a row it goes on as other workers do.
    pub fn defers(&mut self, slot: &WorkerSlot, asked: bool, serves_one: bool) -> bool {
        let own = slot.count(slot.number).saturating_sub(1);
        let fewest = slot.fewest();
        let most = match fewest {
            0 if serves_one => 0,
            _ if asked => return false,
            fewest => fewest + fewest / 4 + 2,
        };
        if own <= most {
            *self = Deferral::default();
            return false;
        }
        if self.accepts > 0 {
            self.accepts -= 1;
            return false;
        }
        if serves_one && fewest == 0 && self.deferrals < MOST_DEFERRALS {
            self.deferrals += 1;
            return true;
        }
        self.deferrals = 0;
        self.unsuccessful = match fewest > self.fewest {
            true => 0,
            false => (self.unsuccessful + 1).min(16),
        };
        self.accepts = 1 << self.unsuccessful;
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
    fn only_a_worker_with_clearly_more_than_another_defers() {
        let waits = |slot: &WorkerSlot| Deferral::default().defers(slot, false, false);
        let slots = table(&[Some(16), Some(22), Some(23), None]);
        let waiting: Vec<_> = slots.iter().map(waits).collect();
        assert_eq!(waiting, [false, false, true, false]);
        assert!(!waits(&table(&[Some(1000), None])[0]), "it is alone");
        assert!(waits(&table(&[Some(3), Some(0)])[0]));
    }

    #[test]
    fn a_worker_with_one_request_at_a_time_waits_for_an_idle_one() {
        for asked in [false, true] {
            let waits = |counts: &[Option<usize>]| {
                Deferral::default().defers(&table(counts)[0], asked, true)
            };
            assert!(waits(&[Some(1), Some(0), Some(2)]));
            assert!(!waits(&[Some(0), Some(0)]));
            assert!(!waits(&[Some(1), Some(1)]));
            assert!(!waits(&[Some(1), None]));
            assert_eq!(waits(&[Some(9), Some(1)]), !asked);
        }
    }

    #[test]
    fn a_worker_with_one_request_at_a_time_does_not_wait_for_ever() {
        let slots = table(&[Some(1), Some(0)]);
        let mut deferral = Deferral::default();
        let waits = (0..).take_while(|_| deferral.defers(&slots[0], true, true));
        // It takes one, and two the next time.
        assert_eq!(waits.count() as u32, MOST_DEFERRALS + 1);
    }

    #[test]
    fn a_worker_that_defers_without_success_defers_less_often() {
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
