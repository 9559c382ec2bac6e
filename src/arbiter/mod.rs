//! The master: binds the sockets, keeps the workers alive, minds the signals.
//!
//! It has one thread, and runs no Python unless the settings ask for it. Its
//! life is [`run`]: get ready, then [`Master::keep`] the workers going until
//! something ends that, then [`Master::stop`] them. Each turn of its loop
//! handles the signals that came, buries the dead, and then looks at what is
//! and what ought to be: [`Master::adjust_workers`].

mod backoff;
mod exit_report;
mod inheritance;
mod launch;
mod metrics;
mod notify;
mod pidfile;
mod reexec;
mod reload;
pub mod service;
mod signals;
mod sockets;
mod stop;
mod upgrade;
mod workers;

pub use inheritance::{Inheritance, VARIABLES};
pub use reexec::retry_reexec;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::config::Settings;
use crate::net::Listener;
use crate::process::exit_code::{APP_LOAD_ERROR, FAILED, WORKER_BOOT_ERROR};
use crate::process::{Program, Title};
use crate::python::{Hooks, hooks};
use crate::worker::{Handover, Heartbeat, MasterWaker};

use backoff::Backoff;
use metrics::Metrics;
use notify::Notify;
use pidfile::Pidfile;
use reexec::PreloadCheck;
use reload::Reload;
use signals::Signals;
use sockets::Sockets;
use workers::{Worker, WorkerExit, Workers};

/// The longest pause of the master's loop.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Between turning new clients away and telling the workers to end: handshakes
/// that have begun come to their end meanwhile, so that workers find those
/// clients in the queue.
const DRAIN: Duration = Duration::from_millis(100);

/// What the workers do, as one reading of the settings has it.
pub trait Service: Sized {
    /// The settings that were read.
    fn settings(&self) -> &Settings;

    /// The name that the title shows.
    fn name(&self) -> &str;

    /// The hooks of the config file that was read.
    fn hooks(&self) -> &Hooks;

    /// Takes over what the settings say of this process: its folder, its
    /// environment, its logs.
    ///
    /// # Errors
    /// What cannot be had.
    fn enter(&self) -> anyhow::Result<()>;

    /// Opens the log files anew, so that workers can do the same.
    fn reopen_logs(&self);

    /// Does a worker's work, in the worker's process. Gives its exit code.
    /// The master's signals are blocked until the worker has its own handlers.
    fn work(&self, context: WorkerContext) -> i32;
}

/// What a worker is given by the master.
#[derive(Debug)]
pub struct WorkerContext {
    /// The sockets to take connections from.
    pub listeners: Vec<Listener>,
    /// What the master watches.
    pub heartbeat: Heartbeat,
    /// The master; a worker whose parent is another one stops.
    pub master: Pid,
    /// What hooks can see of it.
    pub facts: hooks::Master,
    /// How many workers there were, with this one.
    pub age: u64,
}

/// Why the master stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Halt {
    code: u8,
    /// Whether workers may finish what they do.
    graceful: bool,
    reason: Option<&'static str>,
}

impl Halt {
    const TERM: Self = Self {
        code: 0,
        graceful: true,
        reason: None,
    };
    const QUICK: Self = Self {
        code: 0,
        graceful: false,
        reason: None,
    };
    const BOOT: Self = Self {
        code: WORKER_BOOT_ERROR as u8,
        graceful: true,
        reason: Some("Worker failed to boot."),
    };
    const APP: Self = Self {
        code: APP_LOAD_ERROR as u8,
        graceful: true,
        reason: Some("App failed to load."),
    };
    const BROKEN: Self = Self {
        code: FAILED as u8,
        graceful: false,
        reason: None,
    };
}

/// How the master came to be, and what it needs to begin again.
pub struct Origin<'a, S> {
    pub program: &'a Program,
    pub inheritance: Inheritance,
    /// Where its title goes.
    pub title: Option<&'static Title>,
    /// Reads the settings once more, for HUP.
    pub renew: &'a dyn Fn() -> anyhow::Result<S>,
}

/// Runs the master until it is told to stop, and gives the exit code: 0 after
/// TERM, INT or QUIT, 1 when an address cannot be had, 3 or 4 when the first
/// workers do not come up or find no app.
///
/// # Errors
/// Another master runs already, or the system refuses something that this one
/// cannot do without.
pub fn run<S: Service>(service: S, origin: Origin<'_, S>) -> anyhow::Result<u8> {
    let mut inheritance = origin.inheritance;
    let is_reexec = !inheritance.workers.is_empty();
    if !is_reexec {
        ::log::info!("Starting rgunicorn {}", env!("CARGO_PKG_VERSION"));
    }
    let signals = Signals::block()?;
    let waker = match inheritance.waker.take() {
        Some(waker) => MasterWaker::adopt(waker),
        None => MasterWaker::new()?,
    };
    let mut workers = Workers::new(inheritance.handover.take().map(Handover::adopt));
    workers.wanted = service.settings().workers.workers as usize;
    if !is_reexec {
        let facts = workers.facts(&[]);
        let hooks = service.hooks();
        hooks.nworkers_changed(&facts, workers.wanted, None);
        match hooks.on_starting(&facts) {
            Ok(wanted) => workers.wanted = wanted.unwrap_or(workers.wanted),
            Err(error) => {
                ::log::error!("{error}");
                return Ok(1);
            }
        }
    }
    workers.adopt(std::mem::take(&mut inheritance.workers), &waker)?;
    let mut master = Master {
        target: workers.wanted,
        service,
        program: origin.program,
        renew: origin.renew,
        title: origin.title,
        sockets: Sockets::default(),
        signals,
        waker,
        workers,
        notify: Notify::from_environment(),
        pidfile: None,
        parent: inheritance.parent,
        upgrade: inheritance.child,
        generation: 1,
        generations: 1,
        reload: None,
        preload_check: None,
        established: is_reexec,
        opened: Instant::now(),
        not_before: Instant::now(),
        backoff: Backoff::default(),
        metrics: Metrics::default(),
    };
    master.show_title();
    let former = inheritance.pidfile.take();
    if is_reexec {
        master.pidfile = former;
        master.write_pidfile();
    } else if let Some(path) = master.pidfile_path() {
        Pidfile::check(&path)?;
    }
    match Sockets::open(master.settings(), &inheritance, is_reexec) {
        Ok(sockets) => master.sockets = sockets,
        Err(error) => {
            ::log::error!("{error}");
            master.remove_pidfile();
            return Ok(1);
        }
    }
    // Not before the sockets: a server that has them may be one that locks no
    // pid file, and keeps its own.
    if !is_reexec && let Some(path) = master.pidfile_path() {
        let created = Pidfile::create(&path).inspect_err(|_| {
            if inheritance.sockets.is_empty() {
                master.sockets.unlink();
            }
        });
        master.pidfile = Some(created?);
    }
    master.opened = Instant::now();
    ::log::debug!("Arbiter booted");
    ::log::info!("Listening at: {} ({})", master.sockets, Pid::this());
    let class = master.settings().workers.worker_class.clone();
    // Else the first worker says it.
    if !class.depends_on_app() {
        let built_in = class.to_string();
        let shown = master.service.hooks().own_class().unwrap_or(&built_in);
        ::log::info!("Using worker: {shown}");
    }
    master.notify.ready("Gunicorn arbiter booted");

    let (hooks, facts) = (master.service.hooks(), master.facts());
    if is_reexec {
        let serving = master.workers.iter().filter(|it| !it.is_ending()).count();
        hooks.nworkers_changed(&facts, master.target, Some(serving));
        if let Some(wanted) = hooks.on_reload(&facts) {
            master.set_target(wanted);
        }
    } else {
        match hooks.when_ready(&facts) {
            Ok(Some(wanted)) => master.set_target(wanted),
            Ok(None) => {}
            Err(error) => {
                ::log::error!("{error}");
                master.remove_pidfile();
                return Ok(1);
            }
        }
    }

    let halt = master.keep().unwrap_or_else(|error| {
        ::log::error!("Unhandled error in main loop: {error}");
        Halt::BROKEN
    });
    master.stop(halt.graceful)?;
    master.remove_pidfile();

    let level = match halt.code {
        0 => ::log::Level::Info,
        _ => ::log::Level::Error,
    };
    ::log::log!(level, "Shutting down: Master");
    if let Some(reason) = halt.reason {
        ::log::log!(level, "Reason: {reason}");
    }
    master.service.hooks().on_exit(&master.facts());
    Ok(halt.code)
}

struct Master<'a, S> {
    /// What new workers are made from.
    service: S,
    program: &'a Program,
    renew: &'a dyn Fn() -> anyhow::Result<S>,
    title: Option<&'static Title>,
    sockets: Sockets,
    signals: Signals,
    waker: MasterWaker,
    workers: Workers,
    notify: Notify,
    pidfile: Option<Pidfile>,
    /// The master that this one is to replace (USR2).
    parent: Option<Pid>,
    /// The master that is to replace this one.
    upgrade: Option<Pid>,
    /// How many workers there ought to be.
    target: usize,
    /// The number of `service` among all that there were.
    generation: u64,
    /// How many there were.
    generations: u64,
    /// The generation that is being tried.
    reload: Option<Reload<S>>,
    /// The child that tries whether the app can be loaded anew.
    preload_check: Option<PreloadCheck>,
    /// Whether any worker has ever served.
    established: bool,
    /// Since when the sockets are open.
    opened: Instant,
    /// No worker of an older generation is ended before.
    not_before: Instant,
    backoff: Backoff,
    metrics: Metrics,
}

impl<S: Service> Master<'_, S> {
    fn settings(&self) -> &Settings {
        self.service.settings()
    }

    /// Keeps as many workers going as there ought to be.
    fn keep(&mut self) -> io::Result<Halt> {
        loop {
            self.check_promotion();
            self.watch_preload_check();
            self.adjust_workers();
            self.report_launch();
            let pause = self.pause();
            for signal in self.signals.wait(pause, &self.waker)? {
                if let Some(halt) = self.handle(signal) {
                    return Ok(halt);
                }
            }
            while let Some(exit) = self.reap() {
                if let Some(halt) = self.handle_exit(exit) {
                    return Ok(halt);
                }
            }
            let settings = self.service.settings();
            self.workers.watch(
                limit(settings.workers.timeout),
                limit(settings.limits.boot_timeout),
                seconds(settings.workers.graceful_timeout),
            );
            self.metrics.workers(self.workers.iter().count());
            if settings.logging.enable_backlog_metric {
                self.metrics.backlog(&self.sockets.listeners);
            }
        }
    }

    /// How long the loop may sleep when nothing happens.
    fn pause(&mut self) -> Duration {
        let now = Instant::now();
        let next = [self.backoff.until(), self.not_before];
        let ahead = next.into_iter().filter(|it| *it > now).map(|it| it - now);
        ahead
            .chain(self.notify.beat())
            .fold(LONGEST_PAUSE, Duration::min)
    }

    /// Takes the next worker that has died, and those children that are none.
    fn reap(&mut self) -> Option<WorkerExit> {
        let mut others = Vec::new();
        let exit = self.workers.reap(|pid, status| others.push((pid, status)));
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
            let hooks = self.service.hooks();
            if let Some(wanted) = hooks.child_exit(&self.facts(), exit.pid.as_raw()) {
                self.set_target(wanted);
            }
        }
        exit
    }

    /// Draws the consequences of a worker's exit, for the master at least:
    /// before any worker has served, one that does not come up ends it all.
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
    fn handle(&mut self, signal: Signal) -> Option<Halt> {
        if signal == Signal::SIGCHLD {
            ::log::debug!("Handling signal: chld");
            return None;
        }
        let name = signal.as_str().trim_start_matches("SIG");
        ::log::info!("Handling signal: {}", name.to_ascii_lowercase());
        match signal {
            Signal::SIGTERM => return Some(Halt::TERM),
            Signal::SIGINT | Signal::SIGQUIT => return Some(Halt::QUICK),
            Signal::SIGHUP => self.begin_reload(),
            Signal::SIGTTIN => self.set_target(self.target + 1),
            Signal::SIGTTOU if self.target > 1 => self.set_target(self.target - 1),
            Signal::SIGUSR1 => {
                self.service.reopen_logs();
                self.workers.signal(Signal::SIGUSR1);
            }
            Signal::SIGUSR2 => self.begin_upgrade(),
            Signal::SIGWINCH if self.settings().mechanics.daemon => {
                ::log::info!("graceful stop of workers");
                self.set_target(0);
            }
            Signal::SIGWINCH => ::log::debug!("SIGWINCH ignored. Not daemonized"),
            _ => {}
        }
        None
    }

    /// What hooks can see of the master.
    fn facts(&self) -> hooks::Master {
        self.workers.facts(&self.sockets.listeners)
    }

    fn set_target(&mut self, target: usize) {
        let old = self.target;
        self.target = target;
        self.workers.wanted = target;
        let hooks = self.service.hooks();
        hooks.nworkers_changed(&self.facts(), target, Some(old));
        // Who asks for workers wants to see them come up.
        self.backoff.reset();
    }

    /// Where the pid file is, if there is to be one: beside that of the master
    /// that this one is to replace.
    fn pidfile_path(&self) -> Option<PathBuf> {
        let path = self.settings().mechanics.pidfile.clone()?;
        if self.parent.is_none() {
            return Some(path);
        }
        let mut name = path.into_os_string();
        name.push(".2");
        Some(name.into())
    }

    /// Writes the pid file, in place of one that was elsewhere.
    fn write_pidfile(&mut self) {
        let path = self.pidfile_path();
        if self.pidfile.as_ref().map(Pidfile::path) == path.as_deref() {
            return;
        }
        // There is one at any time.
        let created = path.map(|path| Pidfile::create(&path)).transpose();
        self.remove_pidfile();
        match created {
            Ok(file) => self.pidfile = file,
            Err(error) => ::log::error!("{error}"),
        }
    }

    fn remove_pidfile(&mut self) {
        if let Some(file) = self.pidfile.take() {
            file.remove();
        }
    }

    fn show_title(&self) {
        if let Some(title) = self.title {
            let number = if self.parent.is_some() { ".2" } else { "" };
            title.set(&format!(
                "gunicorn: master{number} [{}]",
                self.service.name()
            ));
        }
    }

    /// Compares what is with what ought to be, and takes the next steps:
    /// workers are started that are missing or that retire, and once all are
    /// served, those that are too many are told to end.
    fn adjust_workers(&mut self) {
        self.established |= self.workers.iter().any(|worker| worker.is_serving());
        self.advance_reload();
        let (mut kept, mut retiring, mut booting) = (0, 0, 0);
        for worker in self.workers.of(self.generation) {
            match worker.heartbeat.is_retiring() {
                true => retiring += 1,
                false => kept += 1,
            }
            booting += usize::from(!worker.is_serving());
        }
        let absent = self.target.saturating_sub(kept + retiring);
        // Those that retire serve on meanwhile, so there is no hurry: one
        // successor after the other leaves the processors to the requests.
        let successors = usize::from(kept < self.target && booting == 0);
        if self.backoff.until() <= Instant::now() {
            self.start(absent.max(successors));
        }
        self.end_surplus();
    }

    fn start(&mut self, count: usize) {
        for _ in 0..count {
            let others = self.reload.iter().flat_map(|it| it.sockets.descriptors());
            let others = others.chain(self.pidfile.as_ref().and_then(Pidfile::descriptor));
            let others: Vec<_> = others.collect();
            let started = self.workers.start(
                &self.service,
                self.generation,
                &self.sockets.listeners,
                &others,
                &self.waker,
            );
            if let Err(error) = started {
                ::log::error!("A worker cannot be started: {error}.");
                self.backoff.grow();
                return;
            }
        }
    }

    /// Ends workers that are one too many: those of older generations first,
    /// then those that retire, then the oldest; and none before there are
    /// enough that serve without it.
    fn end_surplus(&mut self) {
        let generation = self.generation;
        let mut serving = self
            .workers
            .iter()
            .filter(|it| it.generation <= generation && it.is_serving() && !it.is_ending())
            .count();
        let stays =
            |worker: &Worker| worker.generation == generation && !worker.heartbeat.is_retiring();
        let mut kept = self.workers.iter().filter(|it| stays(it)).count();
        let may_end_older = self.not_before <= Instant::now();
        let target = self.target;
        let mut candidates: Vec<_> = self
            .workers
            .iter_mut()
            .filter(|worker| worker.generation <= generation && !worker.is_ending())
            .collect();
        candidates.sort_by_key(|worker| {
            let is_old = worker.generation < generation;
            (!is_old, !worker.heartbeat.is_retiring(), worker.age)
        });
        for worker in candidates {
            let is_old = worker.generation < generation;
            let is_enough = if worker.is_serving() {
                serving > target && (!is_old || may_end_older)
            } else {
                is_old || (kept > target && serving >= target)
            };
            if is_enough {
                serving -= usize::from(worker.is_serving());
                kept -= usize::from(stays(worker));
                worker.end(!is_old, target > 0);
            }
        }
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// A limit in seconds, of which 0 is none.
fn limit(limit: u32) -> Option<Duration> {
    (limit > 0).then(|| seconds(limit))
}
