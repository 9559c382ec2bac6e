//! `--daemon`: in the background, with nobody to read what it prints.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};

use crate::support::{Start, Target, app, folder, wait_until};

#[test]
fn it_goes_on_in_the_background() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let socket = format!("unix:{}", path("sock"));
    let started = Start::new(["--daemon", "--bind", &socket, "--pid", &path("pid")])
        .args(["--error-logfile", &path("log"), "app"])
        .cwd(app("hello"))
        .run();
    assert_eq!(started.code, 0, "{}", started.stderr);
    let log = || fs::read_to_string(path("log")).unwrap_or_default();
    wait_until("it serves", || log().contains("Booting worker"));
    let pid = fs::read_to_string(path("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    assert_eq!(Target::parse(&socket).get("/").ok(), "Hello, world!\n");
    assert_ne!(getsid(Some(pid)), getsid(None));
    let stdout = fs::read_link(format!("/proc/{pid}/fd/1")).unwrap();
    assert_eq!(stdout.to_str(), Some("/dev/null"));

    kill(pid, Signal::SIGWINCH).unwrap();
    wait_until("no worker is left", || log().contains("Worker exiting"));
    assert!(log().contains("graceful stop of workers"), "{}", log());
    kill(pid, Signal::SIGHUP).unwrap();
    let count = || log().matches("Booting worker").count();
    wait_until("HUP brings one back", || count() == 2);
    kill(pid, Signal::SIGTERM).unwrap();
    wait_until("it has ended", || log().contains("Shutting down: Master"));
    wait_until("its pid file is gone", || {
        fs::metadata(path("pid")).is_err()
    });
    assert!(fs::metadata(path("sock")).is_err());
}
