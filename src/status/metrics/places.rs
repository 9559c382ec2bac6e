//! Places of workers, for labels.
//!
//! Workers come and go, and Prometheus keeps each label value that it has ever seen.
//! So a worker is not labelled with its pid, but with its place: the smallest number
//! that no other living worker has. Its successor gets it.

use std::collections::BTreeMap;

/// The places of the workers that live.
#[derive(Debug, Default)]
pub struct Places {
    /// By the worker's age.
    taken: BTreeMap<u64, u64>,
}

impl Places {
    /// Takes note of the workers that live now, given by their ages.
    pub fn update(&mut self, ages: impl IntoIterator<Item = u64>) {
        let before = std::mem::take(&mut self.taken);
        let mut newcomers = Vec::new();
        for age in ages {
            match before.get(&age) {
                Some(place) => drop(self.taken.insert(age, *place)),
                None => newcomers.push(age),
            }
        }
        for age in newcomers {
            let is_free = |place: &u64| self.taken.values().all(|other| other != place);
            let place = (1..).find(is_free).unwrap_or_default();
            self.taken.insert(age, place);
        }
    }

    /// The place of a worker, counted from 1.
    pub fn of(&self, age: u64) -> Option<u64> {
        self.taken.get(&age).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_gets_the_place() {
        let mut places = Places::default();
        places.update([1, 2, 3]);
        assert_eq!(
            [1, 2, 3].map(|age| places.of(age)),
            [Some(1), Some(2), Some(3)]
        );
        places.update([1, 3, 4, 5]);
        assert_eq!(
            [1, 3, 4, 5].map(|age| places.of(age).unwrap()),
            [1, 3, 2, 4]
        );
        assert_eq!(places.of(2), None);
        places.update([6]);
        assert_eq!(places.of(6), Some(1));
    }
}
