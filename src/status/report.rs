//! What is said of a server at one moment, as data: the metrics, the JSON, the
//! page and the command `ctl` are all made from it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scoreboard::Counters;

/// A server at one moment. All times are seconds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// The version of this program.
    pub version: String,
    /// The version of the CPython inside.
    pub python: String,
    /// The server's name in the list of processes (`proc_name`).
    pub name: String,
    pub worker_class: String,
    /// The URLs of the listeners.
    pub listeners: Vec<String>,
    pub state: ServerState,
    /// When the master was started, in seconds since 1970.
    pub started: f64,
    pub uptime: f64,
    pub master: ProcessReport,
    /// How many workers are wanted.
    pub target: usize,
    /// The workers that are there, the oldest first.
    pub workers: Vec<WorkerReport>,
    /// How many workers were ever started.
    pub workers_started: u64,
    /// How many workers have ended, by the reason.
    pub workers_ended: BTreeMap<String, u64>,
    /// How many times the settings were read again, and came into force.
    pub reloads: u64,
    /// How many times they did not.
    pub failed_reloads: u64,
    /// How many connections wait to be accepted; nothing where it is not known.
    pub backlog: Option<u64>,
    /// The sums of all workers that ever were.
    pub totals: Counters,
    /// What was done lately.
    pub lately: Lately,
    /// The settings that differ from their defaults, without secrets.
    pub settings: BTreeMap<String, String>,
    /// The last lines of the error log, the oldest first.
    pub log: Vec<String>,
    /// Whether the page may steer the server (`status_allow_control`).
    pub allows_control: bool,
}

/// What a server is doing as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// No worker serves yet, or none any more.
    #[default]
    Starting,
    /// At least one worker serves.
    Serving,
    /// It serves, and asks balancers to send no more clients.
    Draining,
    /// Requests that have begun are finished.
    Stopping,
}

/// A worker at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct WorkerReport {
    pub process: ProcessReport,
    /// Counts up from 1 with every worker that is started.
    pub age: u64,
    /// Which reading of the settings it was started with.
    pub generation: u64,
    pub state: WorkerState,
    pub uptime: f64,
    /// The time since it last said that it is alive; nothing before the first
    /// time.
    pub silent: Option<f64>,
    /// Open connections.
    pub connections: u64,
    /// Those of them that have no request.
    pub idle: u64,
    /// Requests that wait for the app to be called.
    pub waiting: u64,
    /// Requests that the app has.
    pub busy: u64,
    /// How many it can have at a time; 0 for no limit.
    pub capacity: u64,
    /// Open WebSockets.
    pub websockets: u64,
    /// Bytes of memory in use when it began to serve.
    pub memory_at_start: u64,
    pub counters: Counters,
    pub lately: Lately,
    /// The requests that the app has, the slowest first; at most 64.
    pub requests: Vec<RequestReport>,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WorkerState {
    /// It loads the app.
    #[default]
    Booting,
    Serving,
    /// It serves until its successor does.
    Retiring,
    /// It finishes its requests.
    Ending,
    /// It serves, but has been silent for longer than three seconds.
    Hanging,
    /// A signal has stopped the process (SIGSTOP), or a debugger.
    Stopped,
}

/// What the system knows of a process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ProcessReport {
    pub pid: i32,
    /// Seconds of processor time.
    pub cpu: f64,
    /// Bytes of memory in use (RSS).
    pub memory: u64,
    /// Bytes of address space.
    pub address_space: u64,
    pub threads: u64,
    /// Open descriptors; nothing where it may not be known.
    pub descriptors: Option<u64>,
    /// How many it may have.
    pub max_descriptors: Option<u64>,
}

/// What was done in the last ten seconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Lately {
    pub requests_per_second: f64,
    /// The part of answers that were errors of the server (5xx), 0 to 1.
    pub errors: f64,
    /// The time that half of the requests did not exceed; nothing without
    /// requests.
    pub median: Option<f64>,
    /// The same for 90 of 100.
    pub p90: Option<f64>,
    /// The same for 99 of 100.
    pub p99: Option<f64>,
}

/// A request that the app has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RequestReport {
    /// The worker's process id.
    pub worker: i32,
    pub method: String,
    /// The path and the query, cut off.
    pub target: String,
    /// The client's address; empty over a unix socket.
    pub client: String,
    /// The request's id; empty if requests have none.
    pub id: String,
    /// How long the app has had it.
    pub age: f64,
}
