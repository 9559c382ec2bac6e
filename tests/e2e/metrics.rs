//! A typical config file with every hook, and Prometheus metrics that all workers
//! share.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Start, folder, site, wait_until};

/// All hooks.
const HOOKS: [&str; 15] = [
    "on_starting",
    "when_ready",
    "on_reload",
    "nworkers_changed",
    "pre_fork",
    "post_fork",
    "post_worker_init",
    "pre_request",
    "post_request",
    "worker_int",
    "worker_abort",
    "worker_exit",
    "child_exit",
    "pre_exec",
    "on_exit",
];

#[test]
fn a_long_config_file_counts_for_prometheus() {
    let dir = folder();
    site::copy_app("metrics", dir.path());
    let path = |name: &str| dir.path().join(name);
    let read = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
    let config = read("gunicorn.conf.py");
    assert!(config.lines().count() >= 60);

    let mut server = Start::new(["--venv"])
        .args([site::venv("metrics")])
        .cwd(dir.path())
        .spawn();
    let target = server.target();
    let value = |metric: &str| {
        let page = target.get("/metrics").ok();
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{metric} ")));
        line.map_or(0.0, |value| value.parse::<f64>().unwrap())
    };
    let live = || value("shop_workers");
    let sold = || value("shop_requests_total{path=\"/buy\"}");
    // Not by requesting the metrics: those of a starting worker cannot be read for a
    // moment.
    let wait_for = |count: usize, hook: &str| {
        wait_until(hook, || read("hooks.log").matches(hook).count() >= count);
    };
    wait_for(2, "post_worker_init");
    assert_eq!(live(), 2.0);
    for _ in 0..20 {
        assert_eq!(target.get("/buy").ok(), "sold\n");
    }
    assert_eq!(sold(), 20.0);
    assert!(value("shop_request_seconds_count") >= 20.0);

    // The counts of ended workers stay, but they are not listed as running.
    server.signal(Signal::SIGHUP);
    wait_for(4, "post_worker_init");
    wait_for(2, "child_exit");
    assert_eq!(live(), 2.0);
    assert_eq!(target.get("/buy").ok(), "sold\n");
    assert_eq!(sold(), 21.0);
    let new = server.workers(4);
    kill(new[2], Signal::SIGABRT).unwrap();
    wait_for(3, "child_exit");
    wait_for(5, "post_worker_init");
    assert_eq!(live(), 2.0);
    assert_eq!(sold(), 21.0);

    server.signal(Signal::SIGUSR2);
    wait_until("the second master is there", || path("shop.pid.2").exists());
    let second = read("shop.pid.2").trim().parse().unwrap();
    kill(Pid::from_raw(second), Signal::SIGTERM).unwrap();
    server
        .stderr
        .wait_for(&format!("The new master (pid:{second}) has ended"));
    server.signal(Signal::SIGINT);
    assert_eq!(server.exit_code(), 0);
    let told = read("hooks.log");
    for hook in HOOKS {
        let called = |line: &str| line.split(' ').next() == Some(hook);
        assert!(told.lines().any(called), "{hook} is missing in {told}");
    }
    let log = server.stderr.whole();
    assert!(
        log.contains("The shop is ready. Spawning 2 workers"),
        "{log}"
    );
    assert!(!log.contains("Traceback"), "{log}");
    let access = read("access.log");
    assert!(
        access.contains("127.0.0.1 \"GET /buy HTTP/1.1\" 200 5 "),
        "{access}"
    );
    assert!(!path("shop.pid").exists());
}
