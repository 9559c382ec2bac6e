//! The page for people: what a report says, as HTML that needs no script. A script
//! of the same server keeps it up to date. Nothing comes from elsewhere.

mod html;
mod stacks;
mod tables;
mod units;

pub use stacks::stacks;

use include_dir::{Dir, include_dir};

use super::report::{Report, ServerState, WorkerReport, WorkerState};
use html::{escaped, filled};
use units::{duration, number, share};

/// What a browser may do with the pages (Content Security Policy 3): load the files
/// of this server, and nothing else.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'";

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/status/page/files");

/// The files that the pages load: the content type and the bytes of the file at
/// this path, which begins with a slash.
pub fn file(path: &str) -> Option<(&'static str, &'static [u8])> {
    let content_type = match path.rsplit_once('.')?.1 {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        // The others are templates.
        _ => return None,
    };
    let file = FILES.get_file(path.strip_prefix('/')?)?;
    Some((content_type, file.contents()))
}

/// The page of a server.
pub fn index(report: &Report) -> String {
    let lately = &report.lately;
    let sum = |field: fn(&WorkerReport) -> u64| number(report.workers.iter().map(field).sum());
    let serving = report
        .workers
        .iter()
        .filter(|it| it.state == WorkerState::Serving);
    let values = [
        ("name", escaped(&report.name)),
        ("state", state_name(report.state).to_owned()),
        ("about", about(report)),
        ("control", control(report)),
        ("notices", notices(report)),
        ("rate", units::rate(lately.requests_per_second)),
        ("median", units::latency(lately.median)),
        ("p90", units::latency(lately.p90)),
        ("p99", units::latency(lately.p99)),
        ("errors", share(lately.errors)),
        ("busy", sum(|worker| worker.busy)),
        ("waiting", waiting(report)),
        (
            "serving",
            format!("{} of {}", serving.count(), report.target),
        ),
        ("workers", tables::workers(&report.workers)),
        ("requests", tables::requests(&report.workers)),
        ("latency", tables::latency(report)),
        ("totals", tables::totals(report)),
        ("settings", tables::settings(&report.settings)),
        ("log", tables::log(&report.log)),
    ];
    filled(template("index.html"), &values)
}

fn template(name: &str) -> &'static str {
    let file = FILES.get_file(name).and_then(|file| file.contents_utf8());
    file.expect("the program carries its templates")
}

fn state_name(state: ServerState) -> &'static str {
    match state {
        ServerState::Starting => "starting",
        ServerState::Serving => "serving",
        ServerState::Draining => "draining",
        ServerState::Stopping => "stopping",
    }
}

/// The line below the name.
fn about(report: &Report) -> String {
    let python = &report.python;
    let mut parts = vec![
        format!("rgunicorn {} with Python {python}", report.version),
        format!("{} workers", report.worker_class),
        format!("up for {}", duration(report.uptime)),
        format!("master {}", report.master.pid),
    ];
    parts.extend(report.listeners.iter().cloned());
    let parts: Vec<_> = parts.iter().map(|part| escaped(part)).collect();
    parts.join(" · ")
}

/// The buttons, where the page may steer the server.
fn control(report: &Report) -> String {
    if !report.allows_control {
        return String::new();
    }
    let actions = [
        ("reload", "Reload"),
        ("workers/add", "Add a worker"),
        ("workers/remove", "Remove a worker"),
    ];
    let forms = actions.map(|(action, name)| {
        format!(
            "<form method=\"post\" action=\"control/{action}\">\
             <button>{name}</button></form>"
        )
    });
    forms.concat()
}

/// What a person should know first.
fn notices(report: &Report) -> String {
    let mut notices = Vec::new();
    for worker in &report.workers {
        let what = match worker.state {
            WorkerState::Hanging => "has not shown that it is alive for",
            WorkerState::Stopped => "is stopped by a signal, and has been silent for",
            _ => continue,
        };
        let time = duration(worker.silent.unwrap_or_default());
        let mut notice = format!("Worker {} {what} {time}.", worker.process.pid);
        if let Some(request) = worker.requests.first() {
            notice += &format!(
                " It has had {} {} for {}.",
                request.method,
                request.target,
                duration(request.age)
            );
        }
        notices.push(notice);
    }
    let notices = notices.iter();
    notices
        .map(|it| format!("<p>{}</p>", escaped(it)))
        .collect()
}

/// Requests that wait for the app, and clients that wait for a connection.
fn waiting(report: &Report) -> String {
    let requests: u64 = report.workers.iter().map(|worker| worker.waiting).sum();
    number(requests + report.backlog.unwrap_or_default())
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
