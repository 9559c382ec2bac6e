//! How much memory belongs to the master alone, and what the workers share.

use std::fs;

use nix::unistd::Pid;

use crate::support::{Start, app, folder, site};

const MIB: u64 = 1024;

/// KiB of memory that no other process shares.
fn private(pid: Pid) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .map(|number| number.parse::<u64>().unwrap())
        .sum()
}

#[test]
fn a_master_without_python_is_small() {
    let server = Start::server(["--workers", "2", "app"])
        .cwd(app("hello"))
        .spawn();
    server.workers(2);
    server.target().get("/").ok();
    let kib = private(server.pid());
    eprintln!("the master has {kib} KiB for itself");
    // Most of it is the code that only the master runs.
    assert!(kib <= 8 * MIB, "{kib} KiB");
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    // The second one is that of the status.
    assert_eq!(threads.count(), 2);
}

#[test]
fn preloaded_workers_share_a_django_site() {
    let dir = folder();
    site::copy_app("django_site", dir.path());
    let venv = site::venv("django_site");
    Start::new(["--venv"])
        .args([&venv])
        .args(["python", "manage.py", "migrate"])
        .cwd(dir.path())
        .run()
        .expect_success();
    // Django loads much of itself with the first request. Here the master makes this
    // request while it loads the site (docs/guide/deployment.md).
    let warm = "from mysite.wsgi import application\n\
                from django.db import connections\n\
                from django.test import Client\n\
                Client(headers={'host': 'testserver'}).get('/')\n\
                connections.close_all()\n";
    fs::write(dir.path().join("warm.py"), warm).unwrap();
    let server = Start::server(["--preload", "--workers", "3", "--venv"])
        .args([&venv])
        .args(["warm"])
        .cwd(dir.path())
        .spawn();
    let workers = server.workers(3);
    let target = server.target();
    for _ in 0..1000 {
        target.get("/").ok();
    }
    let sizes: Vec<_> = workers.iter().map(|pid| private(*pid)).collect();
    eprintln!("workers have {sizes:?} KiB for themselves");
    assert!(sizes.iter().all(|kib| *kib <= 10 * MIB), "{sizes:?} KiB");
}
