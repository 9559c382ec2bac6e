//! The workers that are alive: what the master knows of them.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::WaitStatus;
use nix::unistd::{ForkResult, Pid, close};

use super::exit_report::{self, End, OomKills};
use super::inheritance::InheritedWorker;
use crate::net::Listener;
use crate::process::child;
use crate::process::exit_code::FAILED;
use crate::python::{self, hooks};
use crate::service::{Service, WorkerContext};
use crate::status::{Phase, Status};
use crate::worker::{Handover, Heartbeat, MasterWaker, WorkerTable};

/// The time in which an aborted worker can log what it was doing.
const ABORT_LIMIT: Duration = Duration::from_secs(1);

/// A worker that ends before it has served for so long has ended early.
const STABLE_AFTER: Duration = Duration::from_secs(2);

/// The workers that are alive.
#[derive(Debug)]
pub struct Workers {
    /// How many workers are wanted.
    pub target: usize,
    workers: Vec<Worker>,
    /// How many were ever started.
    started: u64,
    memory: OomKills,
    /// Nothing where no memory can be shared.
    table: Option<WorkerTable>,
}

/// A worker that is alive, or not reaped yet.
#[derive(Debug)]
pub struct Worker {
    pub pid: Pid,
    /// Counts up from 1 with every worker that is started.
    pub age: u64,
    /// Which reading of the settings it was started with.
    pub generation: u64,
    pub heartbeat: Heartbeat,
    /// The master's end of the socket through which the worker is asked what it
    /// does; it does not block. None if another one holds it, or none could be made.
    pub channel: Option<UnixStream>,
    started: Instant,
    /// When the master has noticed that it serves.
    serving: Option<Instant>,
    /// When it was told to end.
    ending: Option<Instant>,
    /// When it was aborted because it was silent.
    aborted: Option<Instant>,
    /// The last signal by which the master was to end it.
    sent: Option<Signal>,
}

/// A worker that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerExit {
    pub pid: Pid,
    pub generation: u64,
    /// Its exit code; none when a signal has ended it.
    pub code: Option<i32>,
    /// Whether it ever served.
    pub served: bool,
    /// Whether it was not told to end, and had not served for long.
    pub early: bool,
}

impl Workers {
    /// No workers yet. `handover` is how they hand connections over, if there are
    /// such sockets already.
    pub fn new(target: usize, handover: Option<Handover>) -> Self {
        Self {
            workers: Vec::new(),
            target,
            started: 0,
            memory: OomKills::watch(),
            table: WorkerTable::new(handover).ok(),
        }
    }

    /// Adds workers that this process has started before it executed itself again;
    /// they are of generation 0.
    pub fn adopt(
        &mut self,
        workers: Vec<InheritedWorker>,
        waker: &MasterWaker,
        status: &Status,
    ) -> io::Result<()> {
        for worker in workers {
            self.started = self.started.max(worker.age);
            let heartbeat = Heartbeat::adopt(worker.heartbeat, waker)?;
            let mut adopted = Worker::new(worker.pid, worker.age, 0, heartbeat);
            adopted.ending = worker.is_ending.then(Instant::now);
            adopted.sent = worker.is_ending.then_some(Signal::SIGTERM);
            adopted.channel = worker.channel.map(UnixStream::from);
            adopted.show(status);
            self.workers.push(adopted);
        }
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// How idle connections go from one worker to another.
    pub fn handover(&self) -> Option<&Handover> {
        self.table.as_ref()?.handover()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.workers.iter_mut()
    }

    /// The workers of a generation that were not told to end, the oldest first.
    pub fn of(&self, generation: u64) -> impl Iterator<Item = &Worker> {
        let ours = move |worker: &&Worker| worker.generation == generation && !worker.is_ending();
        self.workers.iter().filter(ours)
    }

    /// Starts a worker: in the new process the service does its work, and its
    /// result is the exit code. `others` are descriptors of the master that this
    /// worker does not need.
    pub fn start(
        &mut self,
        service: &Service,
        generation: u64,
        listeners: &[Listener],
        others: &[RawFd],
        waker: &MasterWaker,
        status: &Status,
    ) -> io::Result<()> {
        let mut heartbeat = Heartbeat::new(waker)?;
        if let Some(table) = &self.table {
            let others = self.workers.iter();
            heartbeat.slot = table.slot(others.filter_map(|it| it.heartbeat.slot.as_ref()));
        }
        let master = Pid::this();
        let age = self.started + 1;
        let facts = self.facts(listeners);
        let cloned = listeners.iter().map(Listener::try_clone);
        let cloned = cloned.collect::<io::Result<Vec<_>>>()?;
        let (ours, theirs) = channel()
            .inspect_err(|error| {
                ::log::warn!("The new worker cannot be asked what it does: {error}");
            })
            .ok()
            .unzip();
        let hooks = &service.hooks;
        hooks.pre_fork(&facts, age).map_err(io::Error::other)?;
        let held = status.hold();
        if let ForkResult::Parent { child } = python::fork()? {
            drop(held);
            self.started = age;
            hooks.forked(child.as_raw());
            let mut worker = Worker::new(child, age, generation, heartbeat);
            worker.channel = ours;
            worker.show(status);
            self.workers.push(worker);
            return Ok(());
        }
        held.close_in_child();
        // The channels would stay open here after the master has closed them, and
        // the memory of the others is not this worker's.
        drop(ours);
        self.workers.clear();
        for descriptor in others {
            // It is open: the master has it.
            let _ = close(*descriptor);
        }
        let context = WorkerContext {
            listeners: cloned,
            heartbeat,
            master,
            facts,
            age,
            channel: theirs,
        };
        // In the child, a panic must not unwind into the master's code.
        let code = catch_unwind(AssertUnwindSafe(|| service.run_worker(context)));
        process::exit(code.unwrap_or(FAILED));
    }

    /// What hooks can see of the master.
    pub fn facts(&self, listeners: &[Listener]) -> hooks::Master {
        let name = |listener: &Listener| (listener.as_fd().as_raw_fd(), listener.to_string());
        hooks::Master {
            pid: Pid::this().as_raw(),
            workers: self.target,
            listeners: listeners.iter().map(name).collect(),
        }
    }

    /// Sends a signal to every worker.
    pub fn signal(&self, signal: Signal) {
        for worker in &self.workers {
            worker.signal(signal);
        }
    }

    /// Looks at every worker's heartbeat. Those that have been silent for
    /// longer than `timeout` are aborted, and killed if this does not end
    /// them; likewise those that take longer than `boot_timeout` to serve.
    /// Those that were told to end are killed after `graceful_timeout`.
    pub fn watch(
        &mut self,
        timeout: Option<Duration>,
        boot_timeout: Option<Duration>,
        graceful_timeout: Duration,
    ) {
        for worker in &mut self.workers {
            if worker.serving.is_none() && worker.heartbeat.is_ready() {
                worker.serving = Some(Instant::now());
            }
            let pid = worker.pid;
            if let Some(since) = worker.aborted {
                if since.elapsed() >= ABORT_LIMIT {
                    worker.kill();
                }
                continue;
            }
            let silence = worker.heartbeat.since_beat().unwrap_or_default();
            let is_booting = !worker.is_serving();
            if timeout.is_some_and(|timeout| silence > timeout) {
                ::log::error!(target: "critical", "WORKER TIMEOUT (pid:{pid})");
                worker.abort();
            } else if let Some(limit) = boot_timeout.filter(|_| is_booting)
                && worker.started.elapsed() > limit
            {
                let limit = limit.as_secs();
                ::log::error!(
                    target: "critical",
                    "WORKER TIMEOUT (pid:{pid}): it has not come up within {limit} s \
                     (boot_timeout)"
                );
                worker.abort();
            } else if let Some(since) = worker.ending
                && since.elapsed() > graceful_timeout
                && worker.sent != Some(Signal::SIGKILL)
            {
                worker.kill_late(&graceful_end(graceful_timeout));
            }
        }
    }

    /// Takes the next worker that has ended, and logs how. For other children that
    /// have ended, `other` is called: the master has some, and as process 1 it
    /// inherits those of others.
    pub fn reap(
        &mut self,
        shown: &Status,
        mut other: impl FnMut(Pid, WaitStatus),
    ) -> Option<WorkerExit> {
        loop {
            let (pid, status) = child::reap()?;
            let Some(place) = self.workers.iter().position(|worker| worker.pid == pid) else {
                other(pid, status);
                continue;
            };
            let worker = self.workers.remove(place);
            if let Some(slot) = &worker.heartbeat.slot {
                slot.set_connections(None);
            }
            let end = End {
                status,
                expected: worker.sent,
                heartbeat: &worker.heartbeat,
                memory: shown.memory_of(worker.age),
            };
            let reason = exit_report::log_exit(pid, &end, &mut self.memory);
            shown.ended(pid.as_raw(), worker.age, reason);
            return Some(worker.death(status));
        }
    }
}

/// A pair of sockets: the master's end, which does not block, and the worker's.
fn channel() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

/// The time for a graceful end, as the log names it.
pub fn graceful_end(limit: Duration) -> String {
    format!("{} s (graceful_timeout)", limit.as_secs())
}

impl Worker {
    fn new(pid: Pid, age: u64, generation: u64, heartbeat: Heartbeat) -> Self {
        Self {
            pid,
            age,
            generation,
            heartbeat,
            channel: None,
            started: Instant::now(),
            serving: None,
            ending: None,
            aborted: None,
            sent: None,
        }
    }

    pub fn is_serving(&self) -> bool {
        self.serving.is_some() || self.heartbeat.is_ready()
    }

    /// Tells the status of it.
    fn show(&self, status: &Status) {
        let channel = self.channel.as_ref().and_then(|it| it.try_clone().ok());
        let pid = self.pid.as_raw();
        status.started(pid, self.age, self.generation, &self.heartbeat, channel);
    }

    /// What it was told to do, as the status shows it.
    pub fn phase(&self) -> Phase {
        match (self.is_ending(), self.is_serving()) {
            (true, _) => Phase::Ending,
            (false, true) => Phase::Serving,
            (false, false) => Phase::Booting,
        }
    }

    pub fn is_ending(&self) -> bool {
        self.ending.is_some() || self.aborted.is_some()
    }

    /// What the program needs to know of it that this process executes next.
    pub fn left(&self) -> InheritedWorker<BorrowedFd<'_>> {
        InheritedWorker {
            pid: self.pid,
            age: self.age,
            is_ending: self.is_ending(),
            heartbeat: self.heartbeat.file(),
            channel: self.channel.as_ref().map(AsFd::as_fd),
        }
    }

    /// Lets it finish its requests and then end. With `leaves_queue` it accepts no
    /// more connections; with `hands_over` it gives its idle connections to others.
    pub fn end(&mut self, leaves_queue: bool, hands_over: bool) {
        if leaves_queue {
            self.heartbeat.leave_queue();
        }
        self.heartbeat.hand_over(hands_over);
        self.ending.get_or_insert_with(Instant::now);
        self.send(Signal::SIGTERM);
    }

    /// Kills it, because it has not ended within this time.
    pub fn kill_late(&mut self, limit: &str) {
        ::log::warn!(
            "Worker (pid:{}) has not finished within {limit} and is killed",
            self.pid
        );
        self.kill();
    }

    fn abort(&mut self) {
        self.aborted = Some(Instant::now());
        self.send(Signal::SIGABRT);
    }

    fn kill(&mut self) {
        self.send(Signal::SIGKILL);
    }

    fn send(&mut self, signal: Signal) {
        self.sent = Some(signal);
        self.signal(signal);
    }

    fn signal(&self, signal: Signal) {
        // It may have ended already, and not be reaped yet.
        let _ = kill(self.pid, signal);
    }

    fn death(&self, status: WaitStatus) -> WorkerExit {
        let served = self.is_serving();
        let proved = self.serving.is_some_and(|it| it.elapsed() >= STABLE_AFTER);
        WorkerExit {
            pid: self.pid,
            generation: self.generation,
            code: match status {
                WaitStatus::Exited(_, code) => Some(code),
                _ => None,
            },
            served,
            early: !proved && self.ending.is_none(),
        }
    }
}
