//! The server's own metrics.

use std::collections::BTreeMap;

use super::family::{Family, Kind, Sample};
use super::places::Places;
use super::text::number;
use crate::scoreboard::{Histogram, METHODS, STATUS_CLASSES};
use crate::status::report::{Report, ServerState, WorkerReport, WorkerState};

/// The bounds of histograms are these powers of two of microseconds: 256 µs to 67 s.
/// A power of two is the end of a bucket on the scoreboard, so the numbers are exact.
const BOUNDS: std::ops::RangeInclusive<u32> = 8..=26;

/// The name in the metrics, the help, and the value; nothing if it is not known.
type Row<T> = (Kind, &'static str, &'static str, fn(&T) -> Option<f64>);

/// What is said once for the server.
const OF_SERVER: &[Row<Report>] = &[
    (
        Kind::Counter,
        "rgunicorn_app_seconds",
        "Time that the app has worked on requests, in seconds.",
        |it| Some(seconds(it.totals.app_micros())),
    ),
    (
        Kind::Counter,
        "rgunicorn_requests_given_up",
        "Requests whose app took too long, and which were answered without it.",
        |it| Some(it.totals.given_up as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_received_bytes",
        "Bytes received from clients, without TLS.",
        |it| Some(it.totals.bytes_received as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_sent_bytes",
        "Bytes sent to clients, without TLS.",
        |it| Some(it.totals.bytes_sent as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_connections",
        "Connections accepted.",
        |it| Some(it.totals.connections as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_connections_refused",
        "Connections that were turned away when they were accepted.",
        |it| Some(it.totals.connections_refused as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_tls_handshakes",
        "TLS handshakes that were finished.",
        |it| Some(it.totals.tls_handshakes as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_tls_handshake_failures",
        "TLS handshakes that have failed.",
        |it| Some(it.totals.tls_failures as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_upgrades",
        "Connections that became WebSockets or other protocols.",
        |it| Some(it.totals.upgrades as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_workers_target",
        "Workers that there should be.",
        |it| Some(it.target as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_workers_started",
        "Workers started since the server was started.",
        |it| Some(it.workers_started as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_reloads",
        "Reloads of the settings that came into force.",
        |it| Some(it.reloads as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_failed_reloads",
        "Reloads of the settings that failed, so that the old ones stayed in force.",
        |it| Some(it.failed_reloads as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_backlog_connections",
        "Connections that wait to be accepted.",
        |it| it.backlog.map(|count| count as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_ready",
        "1 if the server is ready for new clients, as /ready says.",
        |it| Some(truth(it.state == ServerState::Serving)),
    ),
    (
        Kind::Gauge,
        "rgunicorn_draining",
        "1 if the server asks balancers to send no more clients.",
        |it| Some(truth(it.state == ServerState::Draining)),
    ),
    (
        Kind::Counter,
        "process_cpu_seconds",
        "Processor time of the master, in seconds.",
        |it| Some(it.master.cpu),
    ),
    (
        Kind::Gauge,
        "process_resident_memory_bytes",
        "Memory that the master has in use (RSS), in bytes.",
        |it| Some(it.master.memory as f64),
    ),
    (
        Kind::Gauge,
        "process_virtual_memory_bytes",
        "Address space of the master, in bytes.",
        |it| Some(it.master.address_space as f64),
    ),
    (
        Kind::Gauge,
        "process_open_fds",
        "Open file descriptors of the master.",
        |it| it.master.descriptors.map(|count| count as f64),
    ),
    (
        Kind::Gauge,
        "process_max_fds",
        "File descriptors that the master may open.",
        |it| it.master.max_descriptors.map(|count| count as f64),
    ),
    (
        Kind::Gauge,
        "process_threads",
        "Threads of the master.",
        |it| Some(it.master.threads as f64),
    ),
    (
        Kind::Gauge,
        "process_start_time_seconds",
        "When the master was started, in seconds since 1970.",
        |it| Some(it.started),
    ),
];

/// What is said of each worker, with a label `worker`.
const OF_WORKER: &[Row<WorkerReport>] = &[
    (
        Kind::Gauge,
        "rgunicorn_worker_connections",
        "Open connections of a worker.",
        |it| Some(it.connections as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_idle_connections",
        "Open connections of a worker that have no request.",
        |it| Some(it.idle as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_websockets",
        "Open WebSockets of a worker.",
        |it| Some(it.websockets as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_waiting_requests",
        "Requests of a worker that wait for the app to be called.",
        |it| Some(it.waiting as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_busy_requests",
        "Requests of a worker that the app has.",
        |it| Some(it.busy as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_capacity_requests",
        "Requests that the app can have at a time in a worker; absent if there is no limit.",
        |it| (it.capacity > 0).then_some(it.capacity as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_oldest_request_seconds",
        "How long the app has had the oldest request of a worker, in seconds; 0 without requests.",
        |it| {
            Some(
                it.requests
                    .iter()
                    .map(|request| request.age)
                    .fold(0.0, f64::max),
            )
        },
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_silence_seconds",
        "Time since a worker last said that it is alive, in seconds.",
        |it| it.silent,
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_resident_memory_bytes",
        "Memory that a worker has in use (RSS), in bytes.",
        |it| Some(it.process.memory as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_start_memory_bytes",
        "Memory that a worker had in use when it began to serve, in bytes.",
        |it| (it.memory_at_start > 0).then_some(it.memory_at_start as f64),
    ),
    (
        Kind::Counter,
        "rgunicorn_worker_cpu_seconds",
        "Processor time of a worker, in seconds.",
        |it| Some(it.process.cpu),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_threads",
        "Threads of a worker.",
        |it| Some(it.process.threads as f64),
    ),
    (
        Kind::Gauge,
        "rgunicorn_worker_open_fds",
        "Open file descriptors of a worker.",
        |it| it.process.descriptors.map(|count| count as f64),
    ),
];

/// Why workers end, as `exit_report` of the arbiter says it.
const REASONS: [&str; 8] = [
    "done",
    "error",
    "killed",
    "memory",
    "out_of_memory",
    "signal",
    "timeout",
    "unknown",
];

/// The states of a worker, as they are called in a label.
const STATES: [(WorkerState, &str); 6] = [
    (WorkerState::Booting, "booting"),
    (WorkerState::Serving, "serving"),
    (WorkerState::Retiring, "retiring"),
    (WorkerState::Ending, "ending"),
    (WorkerState::Hanging, "hanging"),
    (WorkerState::Stopped, "stopped"),
];

/// The metrics of a server.
pub fn families(report: &Report, places: &Places) -> Vec<Family> {
    let totals = &report.totals;
    let mut all = vec![
        build(report),
        requests(report),
        histogram(
            "rgunicorn_request_duration_seconds",
            "From the moment when a request could be given to the app, to the end of the response, \
             in seconds.",
            &totals.duration,
        ),
        histogram(
            "rgunicorn_request_queue_seconds",
            "How long requests have waited for the app to be called, in seconds.",
            &totals.queue,
        ),
    ];
    for (kind, name, help, value) in OF_SERVER {
        let mut family = Family::new(*kind, name, help);
        if let Some(value) = value(report) {
            family.add(&[], value);
        }
        all.push(family);
    }
    all.extend([workers(report), ended(report), worker_info(report, places)]);
    for (kind, name, help, value) in OF_WORKER {
        let mut family = Family::new(*kind, name, help);
        for worker in &report.workers {
            if let (Some(place), Some(value)) = (places.of(worker.age), value(worker)) {
                family.add(&[("worker", &place.to_string())], value);
            }
        }
        all.push(family);
    }
    all
}

fn build(report: &Report) -> Family {
    let help = "The version of this program, and of the CPython inside.";
    let mut family = Family::new(Kind::Info, "rgunicorn_build", help);
    let labels = [
        ("version", report.version.as_str()),
        ("python", report.python.as_str()),
    ];
    family.add(&labels, 1.0);
    family
}

/// All combinations are there from the start: of a series that begins with 1, nobody
/// sees that it has grown.
fn requests(report: &Report) -> Family {
    let help = "Answered requests, also those that the server has answered itself.";
    let mut family = Family::new(Kind::Counter, "rgunicorn_requests", help);
    for (method, row) in METHODS.iter().zip(&report.totals.requests) {
        for (class, count) in STATUS_CLASSES.iter().zip(row) {
            family.add(&[("method", method), ("status", class)], *count as f64);
        }
    }
    family
}

fn histogram(name: &str, help: &str, times: &Histogram) -> Family {
    let mut family = Family::new(Kind::Histogram, name, help);
    let mut add = |suffix, labels, value| {
        family.samples.push(Sample {
            suffix,
            labels,
            value,
        });
    };
    let le = |bound: f64| vec![("le".to_owned(), number(bound))];
    for power in BOUNDS {
        let micros = 1 << power;
        let below = times.below(micros) as f64;
        add("_bucket", le(seconds(micros)), below);
    }
    let count = times.count() as f64;
    add("_bucket", le(f64::INFINITY), count);
    add("_sum", Vec::new(), seconds(times.sum));
    add("_count", Vec::new(), count);
    family
}

fn workers(report: &Report) -> Family {
    let mut family = Family::new(Kind::Gauge, "rgunicorn_workers", "Workers by their state.");
    for (state, name) in STATES {
        let workers = report.workers.iter();
        let count = workers.filter(|worker| worker.state == state).count();
        family.add(&[("state", name)], count as f64);
    }
    family
}

fn ended(report: &Report) -> Family {
    let help = "Workers that have ended, by the reason.";
    let mut family = Family::new(Kind::Counter, "rgunicorn_workers_ended", help);
    // All are there from the start, as those of the requests.
    let mut counts: BTreeMap<_, _> = REASONS.map(|reason| (reason, 0)).into();
    counts.extend(
        report
            .workers_ended
            .iter()
            .map(|(it, count)| (&**it, *count)),
    );
    for (reason, count) in counts {
        family.add(&[("reason", reason)], count as f64);
    }
    family
}

fn worker_info(report: &Report, places: &Places) -> Family {
    let help = "Which process has a place among the workers: its process id, which worker since \
                the server was started, and which reading of the settings it has.";
    let mut family = Family::new(Kind::Info, "rgunicorn_worker", help);
    for worker in &report.workers {
        let Some(place) = places.of(worker.age) else {
            continue;
        };
        let labels = [
            ("worker", place.to_string()),
            ("pid", worker.process.pid.to_string()),
            ("age", worker.age.to_string()),
            ("generation", worker.generation.to_string()),
        ];
        family.add(
            &labels
                .each_ref()
                .map(|(name, value)| (*name, value.as_str())),
            1.0,
        );
    }
    family
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
