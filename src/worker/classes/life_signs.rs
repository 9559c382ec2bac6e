//! What every worker class does in addition to serving: it tells the master
//! that the worker is alive, checks that the master is alive, and limits the
//! time for stopping.

use crate::worker::boot::Boot;
use crate::worker::boot::server_names;
use crate::worker::network::{Reactor, Rules, Waiter};
use crate::worker::signals::Signals;
use crate::worker::watch::stop_notice;
use std::io;
use std::time::{Duration, Instant};

/// These duties in a worker whose loop is in Rust. A loop in Python keeps the
/// time itself, and calls [`Boot::beat`].
pub struct LifeSigns {
    boot: &'static Boot,
    signals: &'static Signals,
    /// When the master was last checked.
    parent_checked: Instant,
    /// When the worker ends, even if requests are running.
    end_time: Option<Instant>,
}

/// What the worker must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    GoOn,
    /// The worker was asked to stop just now: it must take no new connections.
    Stop,
    /// The time for stopping is over.
    End,
    /// The master has ended.
    Orphaned,
}

impl LifeSigns {
    pub fn new(boot: &'static Boot, signals: &'static Signals) -> LifeSigns {
        LifeSigns {
            boot,
            signals,
            parent_checked: Instant::now(),
            end_time: None,
        }
    }

    /// Tells the master that the worker is alive, and tells the worker what to
    /// do. To be called at least once in every [`pulse`].
    pub fn next(&mut self) -> Next {
        self.boot.heartbeat.beat();
        let now = Instant::now();
        if self.signals.stop() && self.end_time.is_none() {
            let graceful = self.boot.settings.workers.graceful_timeout;
            self.end_time = now.checked_add(Duration::from_secs(graceful.into()));
            return if graceful == 0 { Next::End } else { Next::Stop };
        }
        if self.end_time.is_some_and(|end_time| now >= end_time) {
            return Next::End;
        }
        if now.duration_since(self.parent_checked) >= pulse(self.boot) {
            self.parent_checked = now;
            if self.boot.is_orphan() {
                return Next::Orphaned;
            }
        }
        Next::GoOn
    }

    /// True if the worker was asked to stop and [`next`](LifeSigns::next) has
    /// not reported it yet.
    pub fn has_stop(&self) -> bool {
        self.signals.stop() && self.end_time.is_none()
    }

    /// True after [`Next::Stop`].
    pub fn is_stopping(&self) -> bool {
        self.end_time.is_some()
    }
}

/// The longest time between two beats, and between two checks of the master.
pub fn pulse(boot: &Boot) -> Duration {
    match boot.settings.workers.timeout {
        0 => Duration::from_secs(1),
        timeout => Duration::from_millis(u64::from(timeout) * 500).min(Duration::from_secs(1)),
    }
}

/// The network of a worker. Its clients are told when the worker stops.
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
    let graceful = Duration::from_secs(boot.settings.workers.graceful_timeout.into());
    stop_notice::prepare(reactor.registry(), signals, graceful);
    Ok(reactor)
}

/// The network's rules from the settings.
pub fn rules(boot: &Boot) -> Rules {
    let mut rules = Rules::new(&boot.settings, &boot.heartbeat, boot.tls.as_ref());
    // The app was loaded, and may have changed the server's name.
    rules.exchange.server = server_names::server_header(&boot.settings);
    rules
}
