//! Whether clients come one by one or many at once.

/// How many times in a row one client is accepted, at most, before there may be several
/// again.
const MOST_ALONE: u32 = 63;

/// Guesses whether several clients wait at a listener. Only a call that fails says that
/// there are no more, so it is made rarely while clients come one by one. If that is
/// wrong, epoll reports the others at once.
#[derive(Debug, Default)]
pub struct Bursts {
    /// How many more times one client is accepted.
    alone: u32,
    /// How many times it was since there were several.
    pause: u32,
}

impl Bursts {
    /// How many clients are accepted now, if `most` may be.
    pub fn most(&mut self, most: usize) -> usize {
        match self.alone.checked_sub(1) {
            Some(alone) => {
                self.alone = alone;
                1
            }
            None => most,
        }
    }

    /// Notes how many clients were `accepted` when there might have been `most`.
    pub fn note(&mut self, most: usize, accepted: usize) {
        if most > 1 {
            self.pause = match accepted {
                0 | 1 => (2 * self.pause + 1).min(MOST_ALONE),
                _ => 0,
            };
            self.alone = self.pause;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_by_one_is_believed_for_longer_and_longer_and_many_at_once() {
        let mut bursts = Bursts::default();
        let mut asked = Vec::new();
        for time in 0..200 {
            let most = bursts.most(64);
            if most > 1 {
                asked.push(time);
            }
            bursts.note(most, 1);
        }
        assert_eq!(asked, [0, 2, 6, 14, 30, 62, 126, 190]);
        while bursts.most(64) == 1 {}
        bursts.note(64, 5);
        assert_eq!(bursts.most(64), 64);
    }
}
