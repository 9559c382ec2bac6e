//! USR2: a second master takes over from the first.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Process, Start, Target, app, folder, wait_until};

fn hello(args: &[&str]) -> Process {
    Start::server(args).args(["app"]).cwd(app("hello")).spawn()
}

fn read_pid(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    Some(Pid::from_raw(text.trim().parse().ok()?))
}

#[test]
fn the_second_master_takes_over() {
    let dir = folder();
    let first_file = dir.path().join("pid");
    let second_file = dir.path().join("pid.2");
    let socket = dir.path().join("sock");
    let unix = format!("unix:{}", socket.display());
    let mut server = hello(&["--pid", first_file.to_str().unwrap(), "--bind", &unix]);
    let targets = server.targets();
    targets[0].get("/").ok();
    server.signal(Signal::SIGUSR2);
    wait_until("the second master is there", || {
        read_pid(&second_file).is_some()
    });
    let second = read_pid(&second_file).unwrap();
    assert_ne!(second, server.pid());
    server.workers(2);
    assert_eq!(read_pid(&first_file), Some(server.pid()));

    // There can only be one at a time.
    server.signal(Signal::SIGUSR2);
    server.stderr.wait_for("USR2 signal ignored. Child exists.");
    kill(second, Signal::SIGUSR2).unwrap();
    server
        .stderr
        .wait_for("USR2 signal ignored. Parent exists.");

    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    server.stderr.wait_for("Master has been promoted.");
    wait_until("it has the pid file", || {
        read_pid(&first_file) == Some(second)
    });
    assert!(!second_file.exists());
    for target in &targets {
        assert_eq!(target.get("/").ok(), "Hello, world!\n");
    }
    kill(second, Signal::SIGTERM).unwrap();
    wait_until("the socket is gone", || !socket.exists());
    wait_until("the pid file is gone", || !first_file.exists());
}

#[test]
fn the_first_goes_on_when_the_second_ends() {
    let dir = folder();
    let file = dir.path().join("pid");
    let second_file = dir.path().join("pid.2");
    let socket = dir.path().join("sock");
    let unix = format!("unix:{}", socket.display());
    let mut server = hello(&["--pid", file.to_str().unwrap(), "--bind", &unix]);
    server.targets();
    for _ in 0..2 {
        server.signal(Signal::SIGUSR2);
        wait_until("the second master is there", || second_file.exists());
        let second = read_pid(&second_file).unwrap();
        kill(second, Signal::SIGTERM).unwrap();
        server
            .stderr
            .wait_for(&format!("The new master (pid:{second}) has ended"));
        wait_until("its file is gone", || !second_file.exists());
        let target = Target::Unix(socket.clone());
        assert_eq!(target.get("/").ok(), "Hello, world!\n");
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}
