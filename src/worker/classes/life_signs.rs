//! What every class of worker does besides serving: it shows the master that it
//! is alive, sees whether the master is, and keeps the time of its end.

use crate::worker::boot::Boot;
use crate::worker::network::{Reactor, Rules, Waiter};
use crate::worker::signals::Signals;
use crate::worker::watch::stop_notice;
use std::io;
use std::time::{Duration, Instant};

/// One worker's life signs. Where the loop is in Python, that keeps the
/// time, and calls [`Boot::beat`].
pub struct LifeSigns {
    boot: &'static Boot,
    signals: &'static Signals,
    /// When the parent was looked at.
    looked: Instant,
    /// When the worker ends, whatever it is doing.
    end: Option<Instant>,
}

/// What the worker is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    GoOn,
    /// The worker was asked to stop just now: it takes no new connections.
    Stop,
    /// The time for stopping is over.
    End,
    /// The master is gone.
    Orphaned,
}

impl LifeSigns {
    pub fn new(boot: &'static Boot, signals: &'static Signals) -> LifeSigns {
        LifeSigns {
            boot,
            signals,
            looked: Instant::now(),
            end: None,
        }
    }

    /// Says that the worker is alive, and whether it goes on. To be called at
    /// least once in every [`pulse`].
    pub fn next(&mut self) -> Next {
        self.boot.heartbeat.beat();
        let now = Instant::now();
        if self.signals.stop() && self.end.is_none() {
            let graceful = self.boot.settings.graceful_timeout;
            self.end = now.checked_add(Duration::from_secs(graceful.into()));
            return Next::Stop;
        }
        if self.end.is_some_and(|end| now >= end) {
            return Next::End;
        }
        if now.duration_since(self.looked) >= pulse(self.boot) {
            self.looked = now;
            if self.boot.is_orphan() {
                return Next::Orphaned;
            }
        }
        Next::GoOn
    }

    /// True if the worker was asked to stop and [`next`](LifeSigns::next) has
    /// not said so yet.
    pub fn has_stop(&self) -> bool {
        self.signals.stop() && self.end.is_none()
    }

    /// True after [`Next::Stop`].
    pub fn is_stopping(&self) -> bool {
        self.end.is_some()
    }
}

/// The longest time between two signs of life, and between two looks at the
/// parent.
pub fn pulse(boot: &Boot) -> Duration {
    match boot.settings.timeout {
        0 => Duration::from_secs(1),
        timeout => Duration::from_millis(u64::from(timeout) * 500).min(Duration::from_secs(1)),
    }
}

/// The network of a worker, whose clients are told when the worker ends.
///
/// # Errors
/// The process has no descriptors left.
pub fn network(
    boot: &'static Boot,
    signals: &Signals,
    rules: Rules,
    waiter: Box<dyn Waiter>,
) -> io::Result<Reactor> {
    let reactor = Reactor::new(&boot.listeners, signals, rules, waiter)?;
    let graceful = Duration::from_secs(boot.settings.graceful_timeout.into());
    stop_notice::prepare(reactor.registry(), signals, graceful);
    Ok(reactor)
}

/// What the settings say of the network.
pub fn rules(boot: &Boot) -> Rules {
    Rules::new(&boot.settings, &boot.heartbeat, boot.tls.as_ref())
}
