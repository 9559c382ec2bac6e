//! Prometheus's own tool reads the text, if Debian's package `prometheus` is installed.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{full, prometheus};
use crate::status::report::Report;

#[test]
fn promtool_has_nothing_to_say() {
    for report in [full(), Report::default()] {
        let started = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut tool) = started else {
            eprintln!("skipped: promtool is not installed");
            return;
        };
        let text = prometheus(&report);
        tool.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let said = tool.wait_with_output().unwrap();
        let words = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success() && words.is_empty(), "{words}\n{text}");
    }
}
