//! The file with the master's process id.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

use crate::support::{
    Process, Start, Target, app, folder, in_all_classes, program, site, wait_until,
};

#[test]
fn it_names_the_master_and_is_gone_at_the_end() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    let mut server = Start::server(["--pid", path.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .spawn();
    server.target().get("/").ok();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", server.pid()));

    let second = Start::server(["--pid", path.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .run();
    assert_eq!(second.code, 1);
    let expected = format!(
        "Error: Already running on PID {} (or pid file '{}' is stale)",
        server.pid(),
        path.display()
    );
    assert!(second.stderr.contains(&expected), "{}", second.stderr);

    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!path.exists());
}

#[test]
fn a_stale_one_is_replaced() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    // Larger than any process id.
    fs::write(&path, "4194305\n").unwrap();
    let server = Start::server(["--pid", path.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .spawn();
    server.target().get("/").ok();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!("{}\n", server.pid())
    );
}

/// Starts with this pid file, which it replaces.
#[track_caller]
fn replaces(path: &Path, command: impl FnOnce(Start) -> Start) -> Process {
    let stale = fs::read_to_string(path).unwrap();
    let start = Start::server(["--pid", path.to_str().unwrap(), "app"]).cwd(app("hello"));
    let server = command(start).spawn();
    server.target().get("/").ok();
    let told = server.stderr.wait_for("is stale: process ");
    let why = format!("process {} is no server that has it", stale.trim());
    assert!(told.contains(&why), "{told}");
    assert_ne!(fs::read_to_string(path).unwrap(), stale);
    server
}

#[test]
fn one_that_names_a_process_that_is_no_server_is_replaced() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    fs::write(&path, format!("{}\n", std::process::id())).unwrap();
    let mut server = replaces(&path, |start| start);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!path.exists());
    fs::write(&path, "1\n").unwrap();
    drop(replaces(&path, |start| start));
}

#[test]
fn one_that_names_another_server_is_replaced() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    let others = dir.path().join("other.pid");
    for args in [&["app"][..], &["--pid", others.to_str().unwrap(), "app"]] {
        let other = Start::server(args).cwd(app("hello")).spawn();
        other.target().get("/").ok();
        fs::write(&path, format!("{}\n", other.pid())).unwrap();
        drop(replaces(&path, |start| start));
        other.target().get("/").ok();
    }
}

#[test]
fn one_of_a_server_that_locks_none_stays_if_it_has_the_address() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    let other = Start::server(["app"]).cwd(app("hello")).spawn();
    let address = other.target();
    let Target::Tcp(address) = address else {
        panic!("{address:?} is not what it was asked for");
    };
    let named = format!("{}\n", other.pid());
    fs::write(&path, &named).unwrap();
    let second = Start::new(["--bind", &address.to_string(), "app"])
        .args(["--pid".as_ref(), path.as_os_str()])
        .cwd(app("hello"))
        .run();
    assert_eq!(second.code, 1, "{}", second.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), named);
}

#[test]
fn one_that_cannot_be_written_leaves_no_socket() {
    let dir = folder();
    let socket = dir.path().join("sock");
    let bind = format!("unix:{}", socket.display());
    let ended = Start::new(["--bind", &bind, "--pid", "/dev/null/pid", "app"])
        .cwd(app("hello"))
        .run();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let told = "Error: The pid file '/dev/null/pid' cannot be written";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    assert!(!socket.exists());
}

/// A start that is refused because of this pid file.
#[track_caller]
fn is_refused(path: &Path, command: impl FnOnce(Start) -> Start) {
    let pid = fs::read_to_string(path).unwrap();
    let start = Start::server(["--pid", path.to_str().unwrap(), "app"]).cwd(app("hello"));
    let second = command(start).run();
    assert_eq!(second.code, 1, "{}", second.stderr);
    let expected = format!("Error: Already running on PID {} (or", pid.trim());
    assert!(second.stderr.contains(&expected), "{}", second.stderr);
    assert_eq!(fs::read_to_string(path).unwrap(), pid);
}

#[test]
fn it_needs_no_proc() {
    const SCRIPT: &str = r#"mount -t tmpfs none /proc && exec "$@""#;
    let without_proc = |words: &[&OsStr]| {
        let user: &[&str] = if geteuid().is_root() { &[] } else { &["-r"] };
        Start::program("unshare", user)
            .args(["-m", "sh", "-c", SCRIPT, "sh"])
            .args(words)
    };
    if without_proc(&["true".as_ref()]).run().code != 0 {
        eprintln!("skipped: this user may not mount anything");
        return;
    }
    let dir = folder();
    let path = dir.path().join("site.pid");
    let start = |_| {
        let program = program();
        let args = [
            "--bind",
            "127.0.0.1:0",
            "--pid",
            path.to_str().unwrap(),
            "app",
        ];
        let words: Vec<&OsStr> = [program.as_os_str()]
            .into_iter()
            .chain(args.map(OsStr::new))
            .collect();
        without_proc(&words).cwd(app("hello"))
    };
    fs::write(&path, format!("{}\n", std::process::id())).unwrap();
    let server = replaces(&path, start);
    is_refused(&path, start);
    drop(server);
}

#[test]
fn its_server_has_it_through_reloads_and_upgrades() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    site::copy_app("hello", dir.path());
    for preload in [&[][..], &["--preload"]] {
        let mut server = Start::server(["--pid", path.to_str().unwrap(), "app"])
            .args(preload)
            .cwd(dir.path())
            .spawn();
        server.workers(1);
        is_refused(&path, |start| start);
        server.signal(Signal::SIGHUP);
        server.workers(2);
        is_refused(&path, |start| start);

        server.signal(Signal::SIGUSR2);
        server.workers(3);
        let second = fs::read_to_string(dir.path().join("site.pid.2")).unwrap();
        is_refused(&path, |start| start);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        wait_until("it has the pid file", || {
            fs::read_to_string(&path).is_ok_and(|text| text == second)
        });
        is_refused(&path, |start| start);
        let second = Pid::from_raw(second.trim().parse().unwrap());
        kill(second, Signal::SIGTERM).unwrap();
        wait_until("the pid file is gone", || !path.exists());
    }
}

#[test]
fn what_is_no_file_is_not_read() {
    let dir = folder();
    let path = dir.path().join("site.pid");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let server = Start::server(["--pid", path.to_str().unwrap(), "app:app"])
        .cwd(app("mirror"))
        .spawn();
    server.target();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.trim(), server.pid().to_string());
}

in_all_classes! {
    a_killed_masters_is_free,
}

fn a_killed_masters_is_free(class: &[&str]) {
    let dir = folder();
    let path = dir.path().join("site.pid");
    let start = || {
        Start::server(["--pid", path.to_str().unwrap()])
            .args(class)
            .cwd(app("mirror"))
            .spawn()
    };
    let mut first = start();
    first.target();
    let worker = first.workers(1)[0];
    // A worker of an ended master does not keep the file, even if its process id is
    // used.
    first.signal(Signal::SIGSTOP);
    kill(worker, Signal::SIGSTOP).unwrap();
    first.signal(Signal::SIGKILL);
    assert_eq!(first.exit_code(), 128 + Signal::SIGKILL as i32);
    fs::write(&path, format!("{worker}\n")).unwrap();
    let second = start();
    second.target();
    second.stderr.wait_for("is stale: process ");
}
