//! The master's end: no connection is accepted that would not be served, and
//! requests that have begun are finished.

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::sockets::Sockets;
use super::state::{Arbiter, TURN_AWAY, seconds};
use super::workers::graceful_end;

/// What workers get when a graceful stop has become a quick one.
const QUICK_STOP: Duration = Duration::from_secs(2);

/// How long the system may take to end a killed worker.
const KILLED: Duration = Duration::from_secs(5);

/// The pause between two checks of the queues of sockets that are to be closed.
const QUEUE_PAUSE: Duration = Duration::from_millis(50);

impl Arbiter {
    /// Ends the workers: asks them to, waits, and kills those that are left.
    pub fn stop(&mut self, mut graceful: bool) -> io::Result<()> {
        self.drop_preload_check();
        self.reload = None;
        self.notify.stopping("Stopping");
        self.stopping = true;
        self.publish();
        if let Some(child) = self.upgrade {
            self.notify.main_process(child);
        }
        // Another process goes on with the sockets.
        let shared = self.sockets.managed || self.upgrade.is_some() || self.parent.is_some();
        if graceful && !shared {
            self.sockets.turn_away();
            let end = Instant::now() + TURN_AWAY;
            graceful = !self.is_interrupted(end, &mut Sockets::default())?;
        }
        if shared {
            self.workers
                .iter()
                .for_each(|it| it.heartbeat.leave_queue());
        }
        // No other worker could take connections.
        for worker in self.workers.iter() {
            worker.heartbeat.hand_over(false);
        }
        self.workers.signal(if graceful {
            Signal::SIGTERM
        } else {
            Signal::SIGQUIT
        });
        let mut ports = std::mem::take(&mut self.sockets);
        if shared {
            ports = Sockets::default();
        }
        ports.unlink();
        let graceful_timeout = seconds(self.service.settings.workers.graceful_timeout);
        let mut limit = graceful_end(graceful_timeout);
        let end = Instant::now() + graceful_timeout;
        if self.is_interrupted(end, &mut ports)? {
            self.workers.signal(Signal::SIGQUIT);
            let quick = Instant::now() + QUICK_STOP;
            if quick < end {
                limit = format!("{} s of the quick shutdown", QUICK_STOP.as_secs());
            }
            while self.wait_for_workers(end.min(quick), &mut ports)? {}
        }
        for worker in self.workers.iter_mut() {
            worker.kill_late(&limit);
        }
        let end = Instant::now() + KILLED;
        while self.wait_for_workers(end, &mut ports)? {}
        Ok(())
    }

    /// As `wait_for_workers`; an interruption is logged.
    fn is_interrupted(&mut self, end: Instant, ports: &mut Sockets) -> io::Result<bool> {
        let interrupted = self.wait_for_workers(end, ports)?;
        if interrupted {
            ::log::info!("Quick shutdown requested");
        }
        Ok(interrupted)
    }

    /// Waits until no worker is left or this moment has come; `true` when INT
    /// or QUIT has interrupted it. Meanwhile `ports` are closed as soon as
    /// nobody waits at them any more.
    fn wait_for_workers(&mut self, end: Instant, ports: &mut Sockets) -> io::Result<bool> {
        loop {
            while self.reap().is_some() {}
            self.publish();
            ports.close_empty();
            let left = end.saturating_duration_since(Instant::now());
            if self.workers.is_empty() || left.is_zero() {
                return Ok(false);
            }
            let pause = if ports.listeners.is_empty() {
                left
            } else {
                left.min(QUEUE_PAUSE)
            };
            let signals = self.signals.wait(pause, &self.waker)?;
            if signals.contains(&Signal::SIGINT) || signals.contains(&Signal::SIGQUIT) {
                return Ok(true);
            }
        }
    }
}
