//! `ctl status`: a server and its workers, as a table.

use std::process::ExitCode;

use anyhow::Result;

use super::client::{Client, SOON};
use super::output::{self, bytes, line, seconds, table, word};
use crate::status::report::{Lately, Report};

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
    let lately = &report.lately;
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
        format!(
            "{:.1} requests/s, {:.1} % errors, half within {}, 90 % within {}, 99 % within {}{waits}",
            lately.requests_per_second,
            lately.errors * 100.0,
            time(lately.median),
            time(lately.p90),
            time(lately.p99),
        ),
    ]
}

/// The rows of the workers.
pub fn workers(report: &Report) -> Vec<[String; 10]> {
    let head = [
        "PID", "STATE", "UP", "MEMORY", "CONNS", "BUSY", "WAITING", "REQUESTS", "REQ/S", "99 %",
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

fn time(time: Option<f64>) -> String {
    time.map_or_else(|| "-".to_owned(), seconds)
}
