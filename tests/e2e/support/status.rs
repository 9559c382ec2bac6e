//! What a server says of itself: at its status address, and through `ctl`.

use std::io::Write;

use serde_json::Value;

use super::http::{Response, Target};
use super::process::{Finished, Process, Start};

/// The status address of a server.
#[track_caller]
pub fn status_target(server: &Process) -> Target {
    let line = server.stderr.wait_for("Status at: ");
    Target::parse(line.split_once("Status at: ").unwrap().1.trim())
}

/// The state of a server.
#[track_caller]
pub fn report(status: &Target) -> Value {
    let json = status.get("/status.json").ok();
    serde_json::from_str(&json).unwrap()
}

/// All requests that a report has counted.
pub fn requests(report: &Value) -> u64 {
    let methods = report["totals"]["requests"].as_object().unwrap();
    let classes = methods
        .values()
        .flat_map(|it| it.as_object().unwrap().values());
    classes.map(|count| count.as_u64().unwrap()).sum()
}

/// Runs `rgunicorn ctl` for a server.
pub fn ctl(server: &Process, args: &[&str]) -> Finished {
    let pid = server.pid().to_string();
    Start::new(["ctl", "--pid", &pid]).args(args).run()
}

/// What `rgunicorn ctl --json` says.
#[track_caller]
pub fn ctl_json(server: &Process, args: &[&str]) -> Value {
    let args = [&["--json"], args].concat();
    serde_json::from_str(&ctl(server, &args).expect_success().stdout).unwrap()
}

/// Sends a request with these fields.
#[track_caller]
pub fn ask(status: &Target, line: &str, fields: &[&str]) -> Response {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let mut stream = status.connect().unwrap();
    write!(stream, "{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n").unwrap();
    Response::read(&mut stream, line.starts_with("HEAD")).unwrap()
}
