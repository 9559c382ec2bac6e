//! What the workers of a master have in common: how many connections each has,
//! so that one that has many more than another lets others accept first; and
//! the way of idle connections from one that ends to the others.

use super::handover::Handover;
use super::shared::{Plain, Shared};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a worker leaves those that arrive to others. They may all be busy,
/// so then it takes them.
pub const AFTER_YOU: Duration = Duration::from_millis(20);

/// How often in a row a worker that serves one request at a time leaves those
/// that arrive to one that has nothing to do. That one comes as soon as the
/// system lets it, which may take a while on a busy machine.
const PATIENCE: u32 = 50;

/// How many workers are counted; those beyond are not, and never wait.
const SEATS: usize = 256;

/// The workers of one master. It makes this before it forks them.
#[derive(Clone, Debug)]
pub struct Crowd(Arc<Members>);

#[derive(Debug)]
struct Members {
    seats: Shared<Seats>,
    /// Written to when one that sleeps is to accept.
    call: EventFd,
    /// Nothing where the system does not have it.
    handover: Option<Handover>,
}

/// For each worker its connections and one more; 0 for none that accepts.
#[derive(Debug)]
struct Seats([AtomicU32; SEATS]);

// SAFETY: it is made of atomics, whose zeros are values.
unsafe impl Plain for Seats {}

/// A worker's place in the crowd.
#[derive(Clone, Debug)]
pub struct Seat {
    crowd: Crowd,
    number: usize,
}

/// Whether a worker lets others go first.
#[derive(Debug, Default)]
pub struct Courtesy {
    /// How many times in a row it did so for one that has nothing to do.
    waited: u32,
    /// How many times it did so and the others did not come forward.
    in_vain: u32,
    /// How many connections it takes before it does so again.
    takes: u32,
    /// The fewest connections that a worker had then.
    fewest: u32,
}

impl Crowd {
    /// Whose workers hand connections over by `handover`, if there is one
    /// already.
    ///
    /// # Errors
    /// The system has no memory left to share, or no descriptor.
    pub fn new(handover: Option<Handover>) -> io::Result<Crowd> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Crowd(Arc::new(Members {
            seats: Shared::anonymous()?,
            call: EventFd::from_flags(flags)?,
            handover: handover.or_else(|| Handover::new().ok()),
        })))
    }

    /// How idle connections go from one worker to another.
    pub fn handover(&self) -> Option<&Handover> {
        self.0.handover.as_ref()
    }

    /// A seat that none of `others` has, empty; nothing when all are taken.
    pub fn seat<'a>(&self, others: impl Iterator<Item = &'a Seat> + Clone) -> Option<Seat> {
        let taken = |number: &usize| others.clone().any(|seat| seat.number == *number);
        let seat = Seat {
            crowd: self.clone(),
            number: (0..SEATS).find(|number| !taken(number))?,
        };
        seat.has(None);
        Some(seat)
    }
}

impl Seat {
    /// Says how many connections the worker has; nothing when it does not
    /// accept any more.
    pub fn has(&self, connections: Option<usize>) {
        let count = connections.map_or(0, |count| count.saturating_add(1));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.crowd.0.seats.0[self.number].store(count, Ordering::Relaxed);
    }

    /// Has one of the workers that sleep accept, if there is one.
    pub fn call(&self) {
        // It fails only when billions of calls were not heard.
        let _ = self.crowd.0.call.write(1);
    }

    /// How idle connections go to the other workers, and come from them.
    pub fn handover(&self) -> Option<&Handover> {
        self.crowd.handover()
    }

    fn count(&self, number: usize) -> u32 {
        self.crowd.0.seats.0[number].load(Ordering::Relaxed)
    }

    /// The fewest connections that a worker has.
    fn fewest(&self) -> u32 {
        let counts = (0..SEATS).map(|number| self.count(number));
        counts.filter(|count| *count > 0).min().unwrap_or(1) - 1
    }
}

impl AsFd for Seat {
    /// Readable, anew with each [`call`](Seat::call).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.crowd.0.call.as_fd()
    }
}

impl Courtesy {
    /// True if the worker is to leave those that arrive to others for a while,
    /// [`AFTER_YOU`]. Then it takes one, and each time that nobody else did,
    /// twice as many: who does not accept holds nobody up. One that was
    /// `called` by another takes them. But one that `serves_one` request at a
    /// time leaves them to whoever has no connection at all: the request of its
    /// own may be on the way, and keep it for long. It does so [`PATIENCE`] times
    /// before it takes them after all.
    pub fn waits(&mut self, seat: &Seat, called: bool, serves_one: bool) -> bool {
        let own = seat.count(seat.number).saturating_sub(1);
        let fewest = seat.fewest();
        let most = match fewest {
            0 if serves_one => 0,
            _ if called => return false,
            fewest => fewest + fewest / 4 + 2,
        };
        if own <= most {
            *self = Courtesy::default();
            return false;
        }
        if self.takes > 0 {
            self.takes -= 1;
            return false;
        }
        if serves_one && fewest == 0 && self.waited < PATIENCE {
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

    fn crowd(counts: &[Option<usize>]) -> Vec<Seat> {
        let crowd = Crowd::new(None).unwrap();
        let mut seats = Vec::new();
        for count in counts {
            let seat = crowd.seat(seats.iter()).unwrap();
            seat.has(*count);
            seats.push(seat);
        }
        seats
    }

    #[test]
    fn a_seat_is_free_again_after_its_worker() {
        let mut seats = crowd(&[Some(1), Some(100), Some(2)]);
        seats.remove(1);
        let again = seats[0].crowd.seat(seats.iter()).unwrap();
        assert_eq!((again.number, again.count(1)), (1, 0));
        let next = seats[0].crowd.seat(seats.iter().chain([&again]));
        assert_eq!(next.unwrap().number, 3);
    }

    #[test]
    fn only_who_has_clearly_more_than_another_waits() {
        let waits = |seat: &Seat| Courtesy::default().waits(seat, false, false);
        let seats = crowd(&[Some(16), Some(22), Some(23), None]);
        let waiting: Vec<_> = seats.iter().map(waits).collect();
        assert_eq!(waiting, [false, false, true, false]);
        assert!(!waits(&crowd(&[Some(1000), None])[0]), "it is alone");
        assert!(waits(&crowd(&[Some(3), Some(0)])[0]));
    }

    #[test]
    fn who_serves_one_at_a_time_waits_for_who_has_nothing_to_do() {
        for called in [false, true] {
            let waits = |counts: &[Option<usize>]| {
                Courtesy::default().waits(&crowd(counts)[0], called, true)
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
        let seats = crowd(&[Some(1), Some(0)]);
        let mut courtesy = Courtesy::default();
        let waits = (0..).take_while(|_| courtesy.waits(&seats[0], true, true));
        // It takes one, and two the next time.
        assert_eq!(waits.count() as u32, PATIENCE + 1);
    }

    #[test]
    fn who_waits_in_vain_waits_less_often() {
        let seats = crowd(&[Some(100), Some(1)]);
        let mut courtesy = Courtesy::default();
        let mut takes = || {
            (0..)
                .take_while(|_| !courtesy.waits(&seats[0], false, false))
                .count()
        };
        assert_eq!([takes(), takes(), takes()], [0, 1, 2]);
        seats[1].has(Some(2));
        assert_eq!([takes(), takes(), takes()], [4, 1, 2]);
    }
}
