//! How long something took, as numbers of times in buckets.
//!
//! The buckets are log-linear: four of equal width in each power of two of
//! microseconds. So any time is known to a quarter, from one microsecond to half
//! an hour, in a kilobyte.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many buckets there are: the last one also has all longer times.
pub const BUCKETS: usize = 124;

/// The times, in memory that processes share.
#[derive(Debug)]
pub struct AtomicHistogram {
    buckets: [AtomicU64; BUCKETS],
    /// The sum of all times in microseconds.
    sum: AtomicU64,
}

/// A copy of the times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many times fell into each bucket; see [`Histogram::end_of`].
    pub buckets: Vec<u64>,
    /// The sum of all times in microseconds.
    pub sum: u64,
}

impl AtomicHistogram {
    /// Adds a time. One thread at a time calls it: to read and to store costs
    /// less than an atomic addition.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let add = |counter: &AtomicU64, more: u64| {
            let count = counter.load(Ordering::Relaxed);
            counter.store(count.wrapping_add(more), Ordering::Relaxed);
        };
        add(&self.buckets[bucket(micros)], 1);
        add(&self.sum, micros);
    }

    pub fn load(&self) -> Histogram {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Histogram {
            buckets: self.buckets.iter().map(load).collect(),
            sum: load(&self.sum),
        }
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            sum: 0,
        }
    }
}

impl Histogram {
    /// The end of a bucket in microseconds: its times are shorter. The last
    /// bucket has no end.
    pub fn end_of(bucket: usize) -> Option<u64> {
        match bucket + 1 {
            BUCKETS.. => None,
            next @ 0..4 => Some(next as u64),
            next => {
                let power = next as u32 / 4 - 1;
                Some((4 + next as u64 % 4) << power)
            }
        }
    }

    /// How many times were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// How many times were shorter than this number of microseconds, which is
    /// the end of a bucket.
    pub fn below(&self, micros: u64) -> u64 {
        let within =
            |bucket: &(usize, &u64)| Self::end_of(bucket.0).is_some_and(|end| end <= micros);
        self.buckets
            .iter()
            .enumerate()
            .filter(within)
            .map(|(_, count)| count)
            .sum()
    }

    /// The time that this part of all times (0 to 1) did not exceed: the end of
    /// its bucket. Nothing if no time was recorded.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let count = self.count();
        let wanted = ((count as f64 * part).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        for (bucket, times) in self.buckets.iter().enumerate() {
            seen += times;
            if seen >= wanted {
                let longest = Self::end_of(BUCKETS - 2).unwrap_or(u64::MAX);
                return Some(Duration::from_micros(
                    Self::end_of(bucket).unwrap_or(longest),
                ));
            }
        }
        None
    }

    /// Adds the times of another.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// Takes away the times of an earlier copy.
    pub fn subtract(&mut self, earlier: &Self) {
        for (count, less) in self.buckets.iter_mut().zip(&earlier.buckets) {
            *count = count.saturating_sub(*less);
        }
        self.sum = self.sum.saturating_sub(earlier.sum);
    }
}

/// The bucket of a number of microseconds.
fn bucket(micros: u64) -> usize {
    if micros < 4 {
        return micros as usize;
    }
    let power = micros.ilog2() - 2;
    let quarter = (micros >> power) as usize - 4;
    (power as usize * 4 + 4 + quarter).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_begins_where_the_one_before_ends() {
        for number in 0..BUCKETS - 1 {
            let end = Histogram::end_of(number).unwrap();
            assert_eq!(bucket(end - 1), number, "{end}");
            assert_eq!(bucket(end), number + 1, "{end}");
        }
        assert_eq!(Histogram::end_of(BUCKETS - 1), None);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_known_to_a_quarter() {
        let mut times = Histogram::default();
        assert_eq!(times.quantile(0.5), None);
        for micros in 1..=1000 {
            times.buckets[bucket(micros)] += 1;
        }
        let micros = |part| times.quantile(part).unwrap().as_micros();
        assert!((500..=640).contains(&micros(0.5)), "{}", micros(0.5));
        assert!((990..=1280).contains(&micros(0.99)), "{}", micros(0.99));
        assert_eq!(micros(0.0), 2);
        assert_eq!((times.count(), times.below(512)), (1000, 511));
    }
}
