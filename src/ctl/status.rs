//! `ctl status`: a server and its workers, as a table.

use std::process::ExitCode;

use anyhow::Result;

use super::client::{Client, SOON};
use super::output::{self, bytes, line, seconds, signed_bytes, table, word};
use crate::status::report::{Lately, Report, WorkerReport};

/// Prints how the server is.
///
/// # Errors
/// The server does not answer, or the output is closed.
pub fn print(client: &mut Client, json: bool) -> Result<ExitCode> {
    if json {
        output::json(&client.ask("status", &[], SOON)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let report: Report = client.ask_for("status", SOON)?;
    for text in head(&report) {
        line(text)?;
    }
    line("")?;
    table(&workers(&report))?;
    let requests = requests(&report);
    if requests.len() > 1 {
        line("")?;
        table(&requests)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The lines about the server as a whole.
pub fn head(report: &Report) -> Vec<String> {
    let waits = match report.backlog {
        Some(count @ 1..) => format!(", {count} connections wait to be accepted"),
        _ => String::new(),
    };
    vec![
        format!(
            "{} is {} at {}",
            report.name,
            word(&report.state),
            report.listeners.join(" ")
        ),
        format!(
            "rgunicorn {}, CPython {}, worker class {}, master {}, up {}",
            report.version,
            report.python,
            report.worker_class,
            report.master.pid,
            seconds(report.uptime)
        ),
        format!("{}{waits}", speed(&report.lately)),
    ]
}

/// How many requests there were lately, and how long they took.
fn speed(lately: &Lately) -> String {
    if lately.requests_per_second == 0.0 && lately.median.is_none() {
        return "no requests lately".to_owned();
    }
    format!(
        "{:.1} requests/s, {:.1} % errors, half within {}, 90 % within {}, 99 % within {}",
        lately.requests_per_second,
        lately.errors * 100.0,
        time(lately.median),
        time(lately.p90),
        time(lately.p99),
    )
}

/// The rows of the workers. GREW is by how much the memory has grown since the
/// worker began to serve.
pub fn workers(report: &Report) -> Vec<[String; 11]> {
    let head = [
        "PID", "STATE", "UP", "MEMORY", "GREW", "CONNS", "BUSY", "WAITING", "REQUESTS", "REQ/S",
        "99 %",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for worker in &report.workers {
        let Lately {
            requests_per_second,
            p99,
            ..
        } = worker.lately;
        let busy = match worker.capacity {
            0 => worker.busy.to_string(),
            capacity => format!("{}/{capacity}", worker.busy),
        };
        rows.push([
            worker.process.pid.to_string(),
            word(&worker.state),
            seconds(worker.uptime),
            bytes(worker.process.memory),
            grown(worker),
            worker.connections.to_string(),
            busy,
            worker.waiting.to_string(),
            worker.counters.all_requests().to_string(),
            format!("{requests_per_second:.1}"),
            time(p99),
        ]);
    }
    rows
}

/// The rows of the requests in flight, the slowest first.
pub fn requests(report: &Report) -> Vec<[String; 5]> {
    let head = ["FOR", "WORKER", "CLIENT", "REQUEST", "ID"];
    let mut rows = vec![head.map(str::to_owned)];
    let all = report.workers.iter().flat_map(|worker| &worker.requests);
    let mut all: Vec<_> = all.collect();
    all.sort_by(|one, other| other.age.total_cmp(&one.age));
    for request in all {
        rows.push([
            seconds(request.age),
            request.worker.to_string(),
            request.client.clone(),
            format!("{} {}", request.method, request.target),
            request.id.clone(),
        ]);
    }
    rows
}

fn grown(worker: &WorkerReport) -> String {
    match worker.memory_at_start {
        // It does not serve yet.
        0 => "-".to_owned(),
        first => signed_bytes(worker.process.memory.cast_signed() - first.cast_signed()),
    }
}

fn time(time: Option<f64>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_server_has_no_dashes() {
        let mut report = Report {
            backlog: Some(2),
            ..Report::default()
        };
        let line = "no requests lately, 2 connections wait to be accepted";
        assert_eq!(head(&report)[2], line);
        report.lately.requests_per_second = 0.5;
        report.lately.median = Some(0.02);
        assert!(head(&report)[2].starts_with("0.5 requests/s, 0.0 % errors, half within 20.0 ms"));
    }

    #[test]
    fn growth_counts_from_the_start() {
        let mut worker = WorkerReport::default();
        worker.process.memory = 30 << 20;
        assert_eq!(grown(&worker), "-");
        worker.memory_at_start = 18 << 20;
        assert_eq!(grown(&worker), "12 MiB");
        worker.memory_at_start = 31 << 20;
        assert_eq!(grown(&worker), "-1024 KiB");
    }
}
