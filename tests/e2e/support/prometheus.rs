//! Prometheus and its tool, if Debian's package is installed.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use super::{Finished, Process, Start, Target, wait_until};

const SERVER: &str = "/usr/bin/prometheus";
const TOOL: &str = "/usr/bin/promtool";

/// A running Prometheus that asks one server, as job `rgunicorn`.
pub struct Prometheus {
    process: Process,
    target: Target,
}

/// A value, with its labels.
pub type Sample = (Value, f64);

/// Starts it in `folder`. It asks `/metrics` at `asked` every fifth of a second. If
/// there is no Prometheus, it prints a note and returns `None`.
pub fn start(folder: &Path, asked: SocketAddr) -> Option<Prometheus> {
    if !Path::new(SERVER).exists() {
        eprintln!("skipped: Prometheus is not installed");
        return None;
    }
    let config = format!(
        "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
         scrape_configs: [{{job_name: rgunicorn, static_configs: [{{targets: ['{asked}']}}]}}]\n"
    );
    fs::write(folder.join("prometheus.yml"), config).unwrap();
    let args = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.listen-address=127.0.0.1:0",
    ];
    let process = Start::program(SERVER, args).cwd(folder).spawn();
    let line = process.stderr.wait_for("msg=\"Listening on\"");
    let address = line.split("address=").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    let prometheus = Prometheus {
        process,
        target: Target::parse(address),
    };
    wait_until("Prometheus is ready", || {
        prometheus.target.get("/-/ready").status == 200
    });
    wait_until("Prometheus has asked the server", || {
        prometheus.value("up") == Some(1.0)
    });
    Some(prometheus)
}

/// Runs `promtool`. If there is none, it prints a note and returns `None`.
pub fn promtool(folder: &Path, args: &[&str]) -> Option<Finished> {
    if !Path::new(TOOL).exists() {
        eprintln!("skipped: promtool is not installed");
        return None;
    }
    Some(Start::program(TOOL, args).cwd(folder).run())
}

impl Prometheus {
    /// What it answers to a query.
    #[track_caller]
    pub fn query(&self, query: &str) -> Vec<Sample> {
        let answer = self.ask(query);
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let samples = answer["data"]["result"].as_array().unwrap();
        samples
            .iter()
            .map(|sample| {
                let value = sample["value"][1].as_str().unwrap();
                (sample["metric"].clone(), value.parse().unwrap())
            })
            .collect()
    }

    /// The only value of a query; `None` if there is none yet.
    #[track_caller]
    pub fn value(&self, query: &str) -> Option<f64> {
        let samples = self.query(query);
        assert!(samples.len() <= 1, "{query}: {samples:?}");
        samples.first().map(|(_, value)| *value)
    }

    /// Waits until it has asked the server anew, twice: the first of these may have
    /// begun earlier.
    pub fn wait_for_scrapes(&self) {
        for _ in 0..2 {
            let last = self.value("timestamp(up)");
            wait_until("Prometheus asks again", || {
                self.value("timestamp(up)") != last
            });
        }
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.process.stderr.so_far()
    }

    fn ask(&self, query: &str) -> Value {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = self.target.get(&format!("/api/v1/query?query={encoded}"));
        serde_json::from_slice(&answer.body).unwrap()
    }
}
