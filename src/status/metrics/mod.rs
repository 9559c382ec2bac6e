//! The metrics of a server as text: Prometheus's format and OpenMetrics.
//!
//! [`Metrics`] is what the status thread has. The app's own metrics are merged in if
//! the app writes them with Python's package `prometheus_client`
//! ([`AppMetrics`]).

mod app;
mod family;
mod format;
mod places;
mod server;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::ffi::OsString;

pub use format::Format;

use crate::status::report::Report;
use app::AppMetrics;
use places::Places;

/// Makes the metrics. It remembers which worker has which place.
#[derive(Debug, Default)]
pub struct Metrics {
    places: Places,
    app: Option<AppMetrics>,
}

impl Metrics {
    /// Finds the folder of the app's own metrics. `variable` looks up a variable in
    /// the app's environment.
    pub fn configure(&mut self, variable: impl Fn(&str) -> Option<OsString>) {
        let folder = app::folder(variable);
        if folder.as_deref() != self.app.as_ref().map(AppMetrics::folder) {
            self.app = folder.map(AppMetrics::new);
        }
    }

    /// A worker has ended: those of the app's metrics that only count living
    /// processes forget it.
    pub fn worker_ended(&self, pid: i32) {
        if let Some(app) = &self.app
            && let Err(error) = app.forget(pid)
        {
            let folder = app.folder().display();
            ::log::warn!("Metrics of worker (pid: {pid}) cannot be removed from {folder}: {error}");
        }
    }

    /// The server's metrics, then the app's, in this format. An app's metric with
    /// the name of one of the server's is left out.
    pub fn text(&mut self, report: &Report, format: Format) -> String {
        let workers = report.workers.iter();
        self.places.update(workers.map(|worker| worker.age));
        let mut families = server::families(report, &self.places);
        if let Some(app) = &mut self.app {
            let own: BTreeSet<_> = families.iter().map(|it| it.name.clone()).collect();
            let others = app.families().into_iter();
            families.extend(others.filter(|it| !own.contains(base(&it.name))));
        }
        text::write(&families, format)
    }
}

/// A name without the suffixes of counters and infos, as families have it.
fn base(name: &str) -> &str {
    let base = name.strip_suffix("_total").or(name.strip_suffix("_info"));
    base.unwrap_or(name)
}
