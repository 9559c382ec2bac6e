//! The master: binds the sockets, keeps the workers alive, handles the signals.
//!
//! It has one thread, and a second one for its status (`src/status`). It runs no
//! Python unless the settings ask for it. Its life is [`run`]: start, then the
//! loop until something ends it, then stop. Each turn of the loop handles the
//! signals that came and the workers that ended, and then starts and ends workers
//! until there are as many as wanted (`scaling.rs`).

mod backoff;
mod drain;
mod exit_report;
mod inheritance;
mod launch;
mod metrics;
mod notify;
mod orders;
mod pidfile;
mod reexec;
mod reload;
mod scaling;
mod signals;
mod sockets;
mod start;
mod state;
mod stop;
mod upgrade;
mod workers;

pub use inheritance::Inheritance;
pub use reexec::retry_reexec;

use std::io;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::process::Program;
use crate::process::exit_code::{APP_LOAD_ERROR, FAILED, WORKER_BOOT_ERROR};
use crate::service::Service;
use state::{Arbiter, limit, seconds};
use workers::WorkerExit;

/// The longest pause of the loop.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Why the master stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Halt {
    code: u8,
    /// Whether workers may finish what they do.
    graceful: bool,
    reason: Option<&'static str>,
}

impl Halt {
    const TERM: Self = Self::new(0, true, None);
    const QUICK: Self = Self::new(0, false, None);
    const BOOT: Self = Self::new(WORKER_BOOT_ERROR, true, Some("Worker failed to boot."));
    const APP: Self = Self::new(APP_LOAD_ERROR, true, Some("App failed to load."));
    const BROKEN: Self = Self::new(FAILED, false, None);

    const fn new(code: i32, graceful: bool, reason: Option<&'static str>) -> Self {
        let code = code as u8;
        Self {
            code,
            graceful,
            reason,
        }
    }
}

/// Runs the master until it is told to stop, and gives the exit code: 0 after
/// TERM, INT or QUIT, 1 when an address cannot be had or a hook forbids the
/// start, 3 or 4 when the first workers do not come up or find no app.
///
/// # Errors
/// Another master runs already, or the system refuses something that this one
/// cannot do without.
pub fn run(
    service: Service,
    program: &'static Program,
    inheritance: Inheritance,
) -> anyhow::Result<u8> {
    let Some(mut arbiter) = Arbiter::start(service, program, inheritance)? else {
        return Ok(1);
    };
    let halt = arbiter.run_loop().unwrap_or_else(|error| {
        ::log::error!("Unhandled error in main loop: {error}");
        Halt::BROKEN
    });
    arbiter.stop(halt.graceful)?;
    let is_shared = arbiter.upgrade.is_some() || arbiter.parent.is_some();
    arbiter.status.close(is_shared);
    arbiter.remove_pidfile();
    let level = match halt.code {
        0 => ::log::Level::Info,
        _ => ::log::Level::Error,
    };
    ::log::log!(level, "Shutting down: Master");
    if let Some(reason) = halt.reason {
        ::log::log!(level, "Reason: {reason}");
    }
    arbiter.service.hooks.on_exit(&arbiter.facts());
    Ok(halt.code)
}

impl Arbiter {
    /// Keeps as many workers as are wanted, until something ends that.
    fn run_loop(&mut self) -> io::Result<Halt> {
        loop {
            self.check_promotion();
            self.watch_preload_check();
            self.adjust_workers();
            self.tell_draining();
            self.report_launch();
            self.publish();
            let pause = self.pause();
            for signal in self.signals.wait(pause, &self.waker)? {
                if let Some(halt) = self.handle_signal(signal) {
                    return Ok(halt);
                }
            }
            self.obey_orders();
            if self.has_drained() {
                return Ok(Halt::TERM);
            }
            while let Some(exit) = self.reap() {
                if let Some(halt) = self.handle_exit(exit) {
                    return Ok(halt);
                }
            }
            let settings = &self.service.settings;
            self.workers.watch(
                limit(settings.workers.timeout),
                limit(settings.limits.boot_timeout),
                seconds(settings.workers.graceful_timeout),
            );
            self.metrics.workers(self.workers.iter().count());
            if settings.logging.enable_backlog_metric {
                self.metrics.backlog(&self.sockets);
            }
        }
    }

    /// How long the loop may sleep when nothing happens.
    fn pause(&mut self) -> Duration {
        let now = Instant::now();
        let next = [self.backoff.until(), self.not_before];
        let next = next.into_iter().chain(self.drain.ends);
        let ahead = next.filter(|it| *it > now).map(|it| it - now);
        ahead
            .chain(self.notify.beat())
            .fold(LONGEST_PAUSE, Duration::min)
    }

    /// Takes the next worker that has ended. Other children that have ended are
    /// handled on the way.
    fn reap(&mut self) -> Option<WorkerExit> {
        let mut others = Vec::new();
        let other = |pid, status| others.push((pid, status));
        let exit = self.workers.reap(&self.status, other);
        for (pid, status) in others {
            if self.upgrade == Some(pid) {
                ::log::warn!("The new master (pid:{pid}) has ended; this one goes on");
                self.upgrade = None;
                self.notify.main_process(Pid::this());
            } else if let Some(preload_check) = self.preload_check.take_if(|it| it.pid == pid) {
                self.end_preload_check(preload_check, status);
            } else {
                ::log::debug!("Reaped unknown child (pid:{pid})");
            }
        }
        if let Some(exit) = &exit {
            let hooks = &self.service.hooks;
            if let Some(wanted) = hooks.child_exit(&self.facts(), exit.pid.as_raw()) {
                self.set_target(wanted);
            }
        }
        exit
    }

    /// Decides what a worker's exit means for the master: before any worker has
    /// served, a worker that does not come up stops the master.
    fn handle_exit(&mut self, exit: WorkerExit) -> Option<Halt> {
        self.established |= exit.served;
        if self.reload_worker_exited(exit) {
            return None;
        }
        match exit.code {
            Some(WORKER_BOOT_ERROR) if !self.established => return Some(Halt::BOOT),
            Some(APP_LOAD_ERROR) if !self.established => return Some(Halt::APP),
            _ => {}
        }
        if exit.early {
            self.backoff.grow();
        } else if exit.served {
            self.backoff.reset();
        }
        None
    }

    /// Handles a signal; gives why the master stops, if it does.
    fn handle_signal(&mut self, signal: Signal) -> Option<Halt> {
        if signal == Signal::SIGCHLD {
            ::log::debug!("Handling signal: chld");
            return None;
        }
        let name = signal.as_str().trim_start_matches("SIG");
        ::log::info!("Handling signal: {}", name.to_ascii_lowercase());
        match signal {
            Signal::SIGTERM => return self.ends_now().then_some(Halt::TERM),
            Signal::SIGINT | Signal::SIGQUIT => return Some(Halt::QUICK),
            Signal::SIGHUP | Signal::SIGUSR2 if self.drain.ends.is_some() => {
                ::log::warn!("{name} signal ignored. The server is about to stop.");
            }
            Signal::SIGHUP => self.begin_reload(),
            Signal::SIGTTIN => self.set_target(self.workers.target + 1),
            Signal::SIGTTOU if self.workers.target > 1 => self.set_target(self.workers.target - 1),
            Signal::SIGUSR1 => {
                self.service.reopen_logs();
                self.workers.signal(Signal::SIGUSR1);
            }
            Signal::SIGUSR2 => self.begin_upgrade(),
            Signal::SIGWINCH if self.service.settings.mechanics.daemon => {
                ::log::info!("graceful stop of workers");
                self.set_target(0);
            }
            Signal::SIGWINCH => ::log::debug!("SIGWINCH ignored. Not daemonized"),
            _ => {}
        }
        None
    }
}
