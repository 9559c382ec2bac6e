//! What the master knows of its workers, for the thread that tells it: the
//! master keeps it up to date, and any [`Report`] is made of it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::process::{is_stopped, memory, process};
use super::recently::Recently;
use super::report::{Report, RequestReport, ServerState, WorkerReport, WorkerState};
use super::settings::without_arguments;
use crate::log;
use crate::scoreboard::{Counters, Gauge, RunningRequest, now};
use crate::worker::Heartbeat;

/// A worker that serves and has been silent for so long hangs. In its loop it
/// says at least once a second that it is alive.
const HANGING_AFTER: Duration = Duration::from_secs(3);

/// The time between two looks at the memory of the workers.
const MEMORY_PAUSE: Duration = Duration::from_secs(1);

/// What the master knows.
#[derive(Debug)]
pub struct View {
    pub facts: Facts,
    /// The settings that differ from their defaults, without secrets.
    pub settings: BTreeMap<String, String>,
    pub allows_control: bool,
    workers: Vec<Worker>,
    counts: Counts,
    started: Instant,
    /// The same in seconds since 1970.
    started_at: f64,
    recently: Recently,
    memory_seen: Option<Instant>,
}

/// What was counted, apart from the workers that are there, and what else the
/// master goes on with when it executes itself again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub reloads: u64,
    pub failed_reloads: u64,
    /// A person has asked to drain.
    pub drains: bool,
    /// The counters of the workers that have ended.
    ended: Counters,
    /// How many have ended, by the reason.
    reasons: BTreeMap<String, u64>,
    workers_started: u64,
    /// How long the server had run when it was executed again.
    uptime: Duration,
}

/// The server as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    pub worker_class: String,
    /// The URLs of the listeners, and their descriptors.
    pub listeners: Vec<(String, i32)>,
    pub target: usize,
    pub is_draining: bool,
    /// The master was told to end, and drains before that.
    pub drains_to_end: bool,
    pub is_stopping: bool,
    /// `drain_delay` in seconds.
    pub drain_delay: u32,
    /// Another master is to replace this one, and answers in its place.
    pub is_upgrading: bool,
    pub reloads: u64,
    pub failed_reloads: u64,
    pub backlog: Option<u64>,
}

/// A worker that is there.
#[derive(Debug)]
pub struct Worker {
    pub pid: i32,
    pub age: u64,
    pub generation: u64,
    pub heartbeat: Heartbeat,
    pub phase: Phase,
    started: Instant,
    recently: Recently,
    /// Bytes of memory when it began to serve, and at the last look.
    memory: Option<MemoryUse>,
}

/// What the master has told a worker to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Booting,
    Serving,
    Ending,
}

/// How much memory a worker used, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    pub at_start: u64,
    pub last: u64,
}

impl Facts {
    /// True once the master was told to end.
    pub fn is_ending(&self) -> bool {
        self.drains_to_end || self.is_stopping
    }
}

impl Default for View {
    fn default() -> Self {
        Self {
            facts: Facts::default(),
            settings: BTreeMap::new(),
            allows_control: false,
            workers: Vec::new(),
            counts: Counts::default(),
            started: Instant::now(),
            started_at: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0.0, |since| since.as_secs_f64()),
            recently: Recently::default(),
            memory_seen: None,
        }
    }
}

impl View {
    /// Adds a worker that was started.
    pub fn add(&mut self, pid: i32, age: u64, generation: u64, heartbeat: &Heartbeat) {
        let counts = &mut self.counts;
        counts.workers_started = counts.workers_started.max(age);
        self.workers.push(Worker {
            pid,
            age,
            generation,
            heartbeat: heartbeat.clone(),
            phase: Phase::default(),
            started: Instant::now(),
            recently: Recently::default(),
            memory: None,
        });
    }

    /// Removes a worker that has ended, and keeps its counters.
    pub fn remove(&mut self, age: u64, reason: &str) {
        let Some(place) = self.workers.iter().position(|worker| worker.age == age) else {
            return;
        };
        let worker = self.workers.remove(place);
        let mut counters = worker.heartbeat.board().counters();
        counters.upgrades_ended = counters.upgrades;
        let counts = &mut self.counts;
        counts.ended.add(&counters);
        *counts.reasons.entry(reason.to_owned()).or_default() += 1;
    }

    /// What was counted, apart from the workers that are there.
    pub fn counts(&self) -> Counts {
        Counts {
            uptime: self.uptime(),
            reloads: self.facts.reloads,
            failed_reloads: self.facts.failed_reloads,
            drains: self.facts.is_draining,
            ..self.counts.clone()
        }
    }

    /// Goes on from what was counted before.
    pub fn go_on_from(&mut self, counts: Counts) {
        self.counts = counts;
    }

    fn uptime(&self) -> Duration {
        self.counts.uptime + self.started.elapsed()
    }

    /// Forgets all workers, in a process that is not the master.
    pub fn forget_workers(&mut self) {
        self.workers.clear();
    }

    pub fn workers(&self) -> &[Worker] {
        &self.workers
    }

    /// The worker with this process id.
    pub fn worker(&self, pid: i32) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.pid == pid)
    }

    /// How much memory a worker used.
    pub fn memory_of(&self, age: u64) -> Option<MemoryUse> {
        self.workers.iter().find(|it| it.age == age)?.memory
    }

    /// Looks at what changes all the time. `phase` gives what the worker with
    /// this age was told.
    pub fn look(&mut self, phase: impl Fn(u64) -> Option<Phase>) {
        let now = Instant::now();
        if self.recently.is_due(now) {
            let totals = self.totals();
            self.recently.keep(now, totals);
        }
        let looks_at_memory = self
            .memory_seen
            .is_none_or(|seen| now - seen >= MEMORY_PAUSE);
        if looks_at_memory {
            self.memory_seen = Some(now);
        }
        for worker in &mut self.workers {
            worker.phase = phase(worker.age).unwrap_or(worker.phase);
            let board = worker.heartbeat.board();
            if worker.recently.is_due(now) {
                worker.recently.keep(now, board.counters());
            }
            if worker.phase != Phase::Booting && (looks_at_memory || worker.memory.is_none()) {
                let last = memory(worker.pid);
                let at_start = worker.memory.map_or(last, |memory| memory.at_start);
                worker.memory = Some(MemoryUse { at_start, last });
            }
        }
    }

    /// True if at least one worker serves and the server does not drain.
    pub fn is_ready(&self) -> bool {
        self.state() == ServerState::Serving
    }

    pub fn state(&self) -> ServerState {
        let mut serving = self.workers.iter().filter(|it| it.phase == Phase::Serving);
        if self.facts.is_stopping {
            ServerState::Stopping
        } else if self.facts.is_draining {
            ServerState::Draining
        } else if serving.next().is_some() {
            ServerState::Serving
        } else {
            ServerState::Starting
        }
    }

    /// The counters of all workers that ever were.
    pub fn totals(&self) -> Counters {
        let mut totals = self.counts.ended.clone();
        for worker in &self.workers {
            totals.add(&worker.heartbeat.board().counters());
        }
        totals
    }

    /// All of it.
    pub fn report(&self) -> Report {
        let facts = &self.facts;
        let totals = self.totals();
        let uptime = self.uptime();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            python: env!("RGUNICORN_PYTHON_VERSION").to_owned(),
            name: without_arguments(&facts.name),
            worker_class: facts.worker_class.clone(),
            listeners: facts.listeners.iter().map(|(url, _)| url.clone()).collect(),
            state: self.state(),
            started: self.started_at - self.counts.uptime.as_secs_f64(),
            uptime: uptime.as_secs_f64(),
            master: process(std::process::id().cast_signed()),
            target: facts.target,
            workers: self.workers.iter().map(Worker::report).collect(),
            workers_started: self.counts.workers_started,
            workers_ended: self.counts.reasons.clone(),
            reloads: facts.reloads,
            failed_reloads: facts.failed_reloads,
            backlog: facts.backlog,
            lately: self.recently.lately(&totals),
            totals,
            settings: self.settings.clone(),
            log: log::recent(),
            allows_control: self.allows_control,
        }
    }
}

impl Worker {
    fn report(&self) -> WorkerReport {
        let board = self.heartbeat.board();
        let counters = board.counters();
        let mut requests: Vec<_> = board
            .running()
            .into_iter()
            .map(|request| self.request(&request))
            .collect();
        requests.sort_by(|one, other| other.age.total_cmp(&one.age));
        let (connections, waiting) = (board.get(Gauge::Connections), board.get(Gauge::Waiting));
        let websockets = counters.upgrades.saturating_sub(counters.upgrades_ended);
        let busy = self.heartbeat.in_flight().saturating_sub(websockets);
        WorkerReport {
            process: process(self.pid),
            age: self.age,
            generation: self.generation,
            state: self.state(),
            uptime: self.started.elapsed().as_secs_f64(),
            silent: self.heartbeat.since_beat().map(|time| time.as_secs_f64()),
            connections,
            idle: connections.saturating_sub(waiting + busy),
            waiting,
            busy,
            capacity: board.get(Gauge::Capacity),
            websockets,
            memory_at_start: self.memory.map_or(0, |memory| memory.at_start),
            lately: self.recently.lately(&counters),
            counters,
            requests,
        }
    }

    fn state(&self) -> WorkerState {
        let silent = self.heartbeat.since_beat().unwrap_or_default();
        if is_stopped(self.pid) {
            WorkerState::Stopped
        } else if self.phase == Phase::Ending {
            WorkerState::Ending
        } else if !self.heartbeat.is_ready() {
            WorkerState::Booting
        } else if silent > HANGING_AFTER {
            WorkerState::Hanging
        } else if self.heartbeat.is_retiring() {
            WorkerState::Retiring
        } else {
            WorkerState::Serving
        }
    }

    fn request(&self, request: &RunningRequest) -> RequestReport {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        RequestReport {
            worker: self.pid,
            method: text(&request.method),
            target: text(&request.target),
            client: text(&request.client),
            id: text(&request.id),
            age: now().saturating_sub(request.started) as f64 / 1000.0,
        }
    }
}
