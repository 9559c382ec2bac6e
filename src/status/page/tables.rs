//! The rows of the page's tables.

use std::collections::BTreeMap;

use super::html::escaped;
use super::units::{bytes, duration, latency as time, number, rate};
use crate::scoreboard::{Histogram, STATUS_CLASSES};
use crate::status::report::{Report, RequestReport, WorkerReport, WorkerState};

/// How many requests are shown.
const MOST_REQUESTS: usize = 50;

/// A request of this age in seconds stands out.
const SLOW: f64 = 5.0;

pub fn workers(workers: &[WorkerReport]) -> String {
    let rows = workers.iter().map(|worker| {
        let pid = worker.process.pid;
        let state = state_name(worker.state);
        let silent = match (worker.state, worker.silent) {
            (WorkerState::Hanging | WorkerState::Stopped, Some(silent)) => {
                format!(" for {}", duration(silent))
            }
            _ => String::new(),
        };
        let lately = &worker.lately;
        let memory = worker.process.memory;
        let numbers = [
            duration(worker.uptime),
            rate(lately.requests_per_second),
            time(lately.median),
            time(lately.p99),
            busy(worker),
            number(worker.waiting),
            connections(worker),
            bytes(memory),
            growth(worker.memory_at_start, memory),
            duration(worker.process.cpu),
        ];
        let numbers = numbers.map(|it| format!("<td class=\"n\">{it}</td>"));
        format!(
            "<tr data-key=\"{}\"><th scope=\"row\">{}</th>\
             <td><span class=\"state {state}\">{state}</span>{silent}</td>{}</tr>\n",
            worker.age,
            stacks_link(pid),
            numbers.concat()
        )
    });
    or_note(rows.collect(), 12, "There are no workers.")
}

pub fn requests(workers: &[WorkerReport]) -> String {
    let mut requests: Vec<&RequestReport> = workers.iter().flat_map(|it| &it.requests).collect();
    requests.sort_by(|one, other| other.age.total_cmp(&one.age));
    let rows = requests.iter().take(MOST_REQUESTS).map(|request| {
        let slow = if request.age >= SLOW { " slow" } else { "" };
        let text = |text: &str, none: &str| match text {
            "" => none.to_owned(),
            text => escaped(text),
        };
        format!(
            "<tr><th scope=\"row\" class=\"long mono\"><bdi>{} {}</bdi></th>\
             <td class=\"n{slow}\">{}</td><td>{}</td><td class=\"mono\">{}</td><td>{}</td></tr>\n",
            escaped(&request.method),
            escaped(&request.target),
            age(request.age),
            text(&request.client, "unix socket"),
            text(&request.id, "–"),
            stacks_link(request.worker)
        )
    });
    let mut rows: String = rows.collect();
    if requests.len() > MOST_REQUESTS {
        let more = requests.len() - MOST_REQUESTS;
        rows += &note(5, &format!("And {more} more."));
    }
    or_note(rows, 5, "No request is in the app.")
}

pub fn latency(report: &Report) -> String {
    let totals = &report.totals;
    let lately = &report.lately;
    let recent = [lately.median, lately.p90, lately.p99, None];
    let all = |histogram: &Histogram| {
        [0.5, 0.9, 0.99, 0.999].map(|part| histogram.quantile(part).map(|it| it.as_secs_f64()))
    };
    let rows = [
        ("The last ten seconds", recent),
        ("Since the start", all(&totals.duration)),
        ("Waiting for the app", all(&totals.queue)),
    ];
    let rows = rows.map(|(name, times)| {
        let times = times.map(|it| format!("<td class=\"n\">{}</td>", time(it)));
        format!("<tr><th scope=\"row\">{name}</th>{}</tr>\n", times.concat())
    });
    rows.concat()
}

pub fn totals(report: &Report) -> String {
    let totals = &report.totals;
    let of_class = |class: usize| totals.requests.iter().map(|row| row[class]).sum::<u64>();
    let mut answers = Vec::new();
    for (class, name) in STATUS_CLASSES.iter().enumerate() {
        match of_class(class) {
            0 => {}
            count => answers.push(format!("{} {name}", number(count))),
        }
    }
    let mut ended: Vec<_> = report.workers_ended.iter().collect();
    ended.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let ended = ended.into_iter();
    let ended = ended.map(|(reason, count)| format!("{} ({reason})", number(*count)));
    let (received, sent) = (bytes(totals.bytes_received), bytes(totals.bytes_sent));
    let rows = [
        ("Answers", answers.join(", ")),
        ("Given up", number(totals.given_up)),
        ("Bytes", format!("{received} received, {sent} sent")),
        (
            "Connections",
            format!(
                "{}, {} turned away",
                number(totals.connections),
                number(totals.connections_refused)
            ),
        ),
        ("Workers started", number(report.workers_started)),
        ("Workers ended", ended.collect::<Vec<_>>().join(", ")),
        (
            "Reloads",
            format!("{}, {} failed", report.reloads, report.failed_reloads),
        ),
    ];
    let rows = rows.iter().map(|(name, value)| row(name, value));
    rows.collect()
}

pub fn settings(settings: &BTreeMap<String, String>) -> String {
    let rows = settings.iter().map(|(name, value)| row(name, value));
    or_note(rows.collect(), 2, "All settings have their defaults.")
}

pub fn log(lines: &[String]) -> String {
    match lines {
        [] => "Nothing was logged yet.".to_owned(),
        lines => escaped(&lines.join("\n")),
    }
}

/// A name and what belongs to it; a dash for nothing.
fn row(name: &str, value: &str) -> String {
    let value = if value.is_empty() { "–" } else { value };
    format!(
        "<tr data-key=\"{0}\"><th scope=\"row\">{0}</th><td class=\"long\"><bdi>{1}</bdi></td></tr>\n",
        escaped(name),
        escaped(value)
    )
}

fn or_note(rows: String, columns: usize, text: &str) -> String {
    match rows.is_empty() {
        true => note(columns, text),
        false => rows,
    }
}

fn note(columns: usize, text: &str) -> String {
    format!("<tr><td colspan=\"{columns}\" class=\"quiet\">{text}</td></tr>\n")
}

fn state_name(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Booting => "booting",
        WorkerState::Serving => "serving",
        WorkerState::Retiring => "retiring",
        WorkerState::Ending => "ending",
        WorkerState::Hanging => "hanging",
        WorkerState::Stopped => "stopped",
    }
}

fn stacks_link(pid: i32) -> String {
    format!("<a href=\"stacks/{pid}\" data-stacks>{pid}</a>")
}

/// How many requests the app has, and how many it can have as a bar.
fn busy(worker: &WorkerReport) -> String {
    let WorkerReport { busy, capacity, .. } = *worker;
    if capacity == 0 {
        return number(busy);
    }
    let part = (busy.min(capacity) as f64) / (capacity as f64) * 100.0;
    format!(
        "{} of {}<svg class=\"share\" viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\"><rect width=\"{part:.1}\" height=\"10\"/></svg>",
        number(busy),
        number(capacity)
    )
}

fn connections(worker: &WorkerReport) -> String {
    let mut text = number(worker.connections);
    if worker.websockets > 0 {
        text += &format!(" ({} WebSockets)", number(worker.websockets));
    }
    text
}

/// The age of a request in seconds. The clock has steps of a few milliseconds.
fn age(seconds: f64) -> String {
    match seconds < 0.01 {
        true => "&lt; 10 ms".to_owned(),
        false => duration(seconds),
    }
}

fn growth(start: u64, now: u64) -> String {
    match (start, now.cmp(&start)) {
        (0, _) => "–".to_owned(),
        (_, std::cmp::Ordering::Less) => format!("−{}", bytes(start - now)),
        _ => format!("+{}", bytes(now - start)),
    }
}
