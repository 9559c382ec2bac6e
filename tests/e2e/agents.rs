//! Monitoring agents that are started by their own command, or by the first lines of
//! the app.

use crate::support::{Process, Start, app, site, wait_until};

/// An agent's name, its command, and variables that keep it from connecting to
/// anything.
type Agent = (&'static str, &'static [&'static str], Variables);
type Variables = &'static [(&'static str, &'static str)];

const AGENTS: [Agent; 3] = [
    (
        "ddtrace",
        &["ddtrace-run"],
        &[
            ("DD_TRACE_AGENT_URL", "http://127.0.0.1:1"),
            ("DD_INSTRUMENTATION_TELEMETRY_ENABLED", "false"),
            ("DD_REMOTE_CONFIGURATION_ENABLED", "false"),
        ],
    ),
    (
        "newrelic",
        &["newrelic-admin", "run-program"],
        &[
            ("NEW_RELIC_DEVELOPER_MODE", "true"),
            ("NEW_RELIC_APP_NAME", "test"),
            (
                "NEW_RELIC_LICENSE_KEY",
                "0123456789012345678901234567890123456789",
            ),
        ],
    ),
    (
        "opentelemetry",
        &["opentelemetry-instrument"],
        &[
            ("OTEL_TRACES_EXPORTER", "console"),
            ("OTEL_METRICS_EXPORTER", "none"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ],
    ),
];

/// Some agents start watching shortly after the first request.
#[track_caller]
fn expect_watched(server: &Process) {
    let target = server.target();
    wait_until("the agent watches", || target.get("/").ok() == "True");
}

#[test]
fn agents_started_by_their_command_watch_requests() {
    let venv = site::venv("agents");
    for (name, command, variables) in AGENTS {
        for more in [&[][..], &["--threads", "2"], &["--preload"]] {
            let program = venv.join("bin").join(command[0]);
            let mut start = Start::program(program, &command[1..])
                .args([crate::support::program()])
                .args(["--bind", "127.0.0.1:0", "app:app", "--venv"])
                .args([&venv])
                .args(more)
                .cwd(app("agents"));
            for (variable, value) in variables {
                start = start.env(variable, value);
            }
            if more.is_empty() {
                let server = start.spawn();
                assert_eq!(server.target().get("/").ok(), "no agent", "{name}");
                server.stderr.wait_for("PYTHONPATH is set and not read: ");
                continue;
            }
            expect_watched(&start.args(["--read-pythonpath"]).spawn());
        }
    }
}

#[test]
fn agents_that_the_app_starts_watch_requests() {
    for (name, _, variables) in AGENTS {
        let mut start = Start::server(["--app-zip"])
            .args([site::zip("agents")])
            .env("INITIALIZE", name);
        for (variable, value) in variables {
            start = start.env(variable, value);
        }
        expect_watched(&start.spawn());
    }
}
