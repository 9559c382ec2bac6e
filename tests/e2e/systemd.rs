//! Sockets from a service manager, and messages to it.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{
    DEADLINE, Process, Start, Target, app, folder, program, uninterrupted, wait_until,
};

/// Starts the program in a shell that sets the process id, as systemd does.
fn activated(socket: impl Into<std::os::fd::OwnedFd>) -> Start {
    let script = "export LISTEN_PID=$$; exec \"$0\" \"$@\"";
    Start::program("sh", ["-c", script])
        .args([program()])
        .activated(socket)
}

#[test]
fn its_socket_is_served_and_stays() {
    let dir = folder();
    let path = dir.path().join("sock");
    let ours = UnixListener::bind(&path).unwrap();
    let mut server = activated(ours.try_clone().unwrap())
        .args(["app"])
        .cwd(app("hello"))
        .spawn();
    let target = Target::Unix(path.clone());
    assert_eq!(server.target(), target);
    assert_eq!(target.get("/").ok(), "Hello, world!\n");
    let unset = target.get("/variable?LISTEN_FDS").ok();
    assert_eq!(unset, "unset", "apps must not take it for theirs");
    server.signal(Signal::SIGHUP);
    server.workers(2);
    server.stderr.wait_for("Worker exiting");
    assert_eq!(target.get("/").ok(), "Hello, world!\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(path.exists(), "the socket is the manager's");
    drop(target.connect().expect("it still listens"));
}

#[test]
fn a_variable_that_promises_what_is_not_there_is_named() {
    let here = std::fs::File::open("/dev/null").unwrap();
    let fails = |start: Start, told: &str| {
        let ended = start.args(["app"]).cwd(app("hello")).run();
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let error = ended.stderr.lines().last().unwrap();
        assert!(error.contains(told), "{}", ended.stderr);
        assert!(error.contains("[ERROR]"), "{}", ended.stderr);
        assert!(error.ends_with("; leave it out"), "{}", ended.stderr);
    };
    let start = || Start::new([] as [&str; 0]);
    for (value, what) in [
        ("999", "descriptor 999 is not open"),
        ("-1", "descriptor -1 cannot be"),
        ("2147483647", "descriptor 2147483647 is not open"),
        ("0", "descriptor 0 is no socket that listens"),
    ] {
        let told = format!("The variable GUNICORN_FD is wrong: {what}");
        fails(start().env("GUNICORN_FD", value), &told);
    }
    let told = "The variable LISTEN_FDS is wrong: descriptor 3 is no socket that listens";
    fails(activated(here), told);
    // More than there are: the next descriptor is not open, or is one of our own.
    for count in ["2", "2147483647"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let told = "The variable LISTEN_FDS is wrong: descriptor 4 is no";
        fails(activated(listener).env("LISTEN_FDS", count), told);
    }
    let ended = Start::new(["--bind", "fd://999", "app"])
        .cwd(app("hello"))
        .run();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("descriptor 999 is not open"),
        "{}",
        ended.stderr
    );
}

#[test]
fn its_socket_goes_over_to_the_next_master() {
    let dir = folder();
    let path = dir.path().join("sock");
    let pid_file = dir.path().join("pid");
    let ours = UnixListener::bind(&path).unwrap();
    let mut server = activated(ours.try_clone().unwrap())
        .args(["--pid", pid_file.to_str().unwrap(), "app"])
        .cwd(app("hello"))
        .spawn();
    let target = Target::Unix(path.clone());
    assert_eq!(target.get("/").ok(), "Hello, world!\n");
    server.signal(Signal::SIGUSR2);
    server.workers(2);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(path.exists(), "the socket is the manager's");
    server.stderr.wait_for("Master has been promoted.");
    assert_eq!(target.get("/").ok(), "Hello, world!\n");

    let mut second = None;
    wait_until("the pid file is the second's", || {
        let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
        second = text.trim().parse().ok().map(Pid::from_raw);
        second.is_some_and(|pid| pid != server.pid())
    });
    kill(second.unwrap(), Signal::SIGTERM).unwrap();
    wait_until("the pid file is gone", || !pid_file.exists());
    assert!(path.exists(), "the socket is the manager's");
    drop(target.connect().expect("it still listens"));
}

#[test]
fn a_descriptor_can_be_bound() {
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = ours.local_addr().unwrap();
    let mut server = Start::new(["--bind", "fd://3", "app"])
        .activated(ours.try_clone().unwrap())
        .cwd(app("hello"))
        .spawn();
    assert_eq!(server.target(), Target::Tcp(address));
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn it_is_told_of_start_reload_and_end() {
    let dir = folder();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut server = Start::server(["app"])
        .cwd(app("hello"))
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "600000")
        .spawn();
    let pid = server.pid();
    wait_for(
        &manager,
        &server,
        &format!("READY=1\nMAINPID={pid}\nSTATUS="),
    );
    wait_for(&manager, &server, "WATCHDOG=1");
    server.target().get("/").ok();
    server.signal(Signal::SIGHUP);
    wait_for(&manager, &server, "RELOADING=1\nMONOTONIC_USEC=");
    wait_for(&manager, &server, "READY=1");
    server.signal(Signal::SIGTERM);
    wait_for(&manager, &server, "STOPPING=1");
    assert_eq!(server.exit_code(), 0);
}

/// The next message that begins with this.
#[track_caller]
fn wait_for(manager: &UnixDatagram, server: &Process, start: &str) {
    let deadline = Instant::now() + DEADLINE;
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    loop {
        match uninterrupted(|| manager.recv(&mut buffer)) {
            Ok(count) => {
                let message = String::from_utf8_lossy(&buffer[..count]).into_owned();
                if message.starts_with(start) {
                    return;
                }
                seen += &message;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        assert!(
            Instant::now() < deadline,
            "no {start:?} in {seen:?}\n{}",
            server.stderr.so_far()
        );
    }
}

#[test]
fn an_abstract_socket_leaves_nothing_behind() {
    let name = format!("unix:@rgunicorn-e2e-{}", std::process::id());
    let server = Start::new(["--bind", &name, "app"])
        .cwd(app("hello"))
        .spawn();
    let line = server.stderr.wait_for("Listening at: ");
    assert!(line.contains(&name), "{line}");
    wait_until("it is there", || {
        std::fs::read_to_string("/proc/net/unix")
            .unwrap()
            .contains(name.trim_start_matches("unix:"))
    });
}
