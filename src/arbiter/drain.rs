//! Draining: the server serves on, and asks balancers to send no more clients. That
//! is how a stop begins (`drain_delay`), and people can ask for it without a stop.

use std::time::Instant;

use super::state::{Arbiter, seconds};

impl Arbiter {
    /// Drains without a stop, or ends that. It does not shorten or lengthen the
    /// time before a stop that was begun.
    pub fn set_draining(&mut self, asked: bool) {
        if self.drain.asked != asked {
            let what = if asked { "begins" } else { "ends" };
            ::log::info!("Draining {what}");
        }
        self.drain.asked = asked;
        self.tell_draining();
    }

    /// Handles TERM: begins to drain for `drain_delay`. True if the master is to
    /// stop now, since there is no such time or this is a second TERM.
    pub fn ends_now(&mut self) -> bool {
        let delay = seconds(self.service.settings.status.drain_delay);
        // Another master serves at the same addresses, so balancers are to go on.
        let is_one_of_two = self.upgrade.is_some() || self.parent.is_some();
        if delay.is_zero() || is_one_of_two || self.drain.ends.is_some() {
            return true;
        }
        ::log::info!("Draining for {} s before the stop", delay.as_secs());
        self.drop_preload_check();
        self.drop_reload();
        self.drain.ends = Some(Instant::now() + delay);
        self.tell_draining();
        // The stop has begun: the service manager measures its time from here.
        self.notify.stopping("Draining");
        false
    }

    /// True once the time of draining before a stop is over.
    pub fn has_drained(&self) -> bool {
        self.drain.ends.is_some_and(|ends| ends <= Instant::now())
    }

    /// Tells all workers whether the server drains, those that have just been
    /// started, too.
    pub fn tell_draining(&self) {
        for worker in self.workers.iter() {
            worker.heartbeat.drain(self.drain.is_on());
        }
    }
}
