//! `--daemon`: the server runs in the background, and nobody reads what it prints. The
//! command ends when the server is up, or reports why it is not.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, geteuid, getpgid, getsid};

use crate::support::{Start, Target, app, folder, in_all_classes, wait_until};

/// A folder for a server in the background. The server is ended when this is dropped.
struct Background {
    dir: tempfile::TempDir,
}

impl Background {
    fn new() -> Self {
        Self { dir: folder() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn target(&self) -> Target {
        Target::Unix(self.path("sock"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The command, with a pid file, a log and a unix socket in the folder.
    fn start(&self, args: &[&str]) -> Start {
        let socket = format!("unix:{}", self.path("sock").display());
        Start::new(["--daemon", "--bind", &socket, "--pid"])
            .args([self.path("pid")])
            .args(["--error-logfile".into(), self.path("log")])
            .args(args)
            .cwd(self.dir.path())
    }

    /// The master, if there is one.
    fn master(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.path("pid")).ok()?;
        Some(Pid::from_raw(text.trim().parse().ok()?))
    }

    /// The start fails with this code and this message.
    #[track_caller]
    fn fails(&self, args: &[&str], code: i32, told: &[&str]) {
        let ended = self.start(args).run();
        assert_eq!(ended.code, code, "{args:?}\n{}", ended.stderr);
        for text in told {
            assert!(ended.stderr.contains(text), "{text:?}: {}", ended.stderr);
            let count = ended.stderr.matches(text).count();
            assert_eq!(count, 1, "{text:?}: {}", ended.stderr);
        }
        assert_eq!(self.master(), None);
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let group = self.master().and_then(|pid| getpgid(Some(pid)).ok());
        if let Some(group) = group {
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

#[test]
fn it_goes_on_in_the_background() {
    let server = Background::new();
    let started = server.start(&["app"]).cwd(app("hello")).run();
    assert_eq!(started.code, 0, "{}", started.stderr);
    assert_eq!((&*started.stdout, &*started.stderr), ("", ""));
    let pid = server.master().unwrap();
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
    assert_ne!(getsid(Some(pid)), getsid(None));
    let worker = server.target().get("/pid").ok();
    for pid in [pid.to_string(), worker] {
        for stream in ["0", "1", "2"] {
            let file = fs::read_link(format!("/proc/{pid}/fd/{stream}")).unwrap();
            assert_eq!(file.to_str(), Some("/dev/null"));
        }
    }

    kill(pid, Signal::SIGWINCH).unwrap();
    wait_until("no worker is left", || {
        server.log().contains("Worker exiting")
    });
    let log = server.log();
    assert!(log.contains("graceful stop of workers"), "{log}");
    kill(pid, Signal::SIGHUP).unwrap();
    let count = || server.log().matches("Booting worker").count();
    wait_until("HUP brings one back", || count() == 2);
    kill(pid, Signal::SIGTERM).unwrap();
    wait_until("it has ended", || {
        server.log().contains("Shutting down: Master")
    });
    wait_until("its pid file is gone", || server.master().is_none());
    assert!(!server.path("sock").exists());
}

in_all_classes! {
    it_is_up_when_the_command_ends,
    what_the_app_raises_at_the_start_is_told,
}

fn it_is_up_when_the_command_ends(class: &[&str]) {
    let server = Background::new();
    for _ in 0..2 {
        let args = [&["--workers", "2"], class].concat();
        let started = server.start(&args).cwd(app("mirror")).run();
        assert_eq!(started.code, 0, "{}", started.stderr);
        // No waiting: requests are served at once.
        assert_eq!(server.target().get("/").status, 200);
        let pid = server.master().unwrap();
        assert!(server.log().contains("Listening at: unix:"));
        kill(pid, Signal::SIGTERM).unwrap();
        wait_until("it has ended", || server.master().is_none());
    }
}

fn what_the_app_raises_at_the_start_is_told(class: &[&str]) {
    let server = Background::new();
    fs::write(server.path("app.py"), "import nothing.of.this.name\n").unwrap();
    let told = [
        "ModuleNotFoundError: No module named 'nothing'",
        "Reason: Worker failed to boot.",
    ];
    server.fails(class, 3, &told);
    // An error about an app without a name is a different case.
    fs::write(server.path("app.py"), "").unwrap();
    server.fails(class, 4, &["Reason: App failed to load."]);
    assert!(server.log().contains("App failed to load"));
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let server = Background::new();
    fs::write(server.path("app.py"), "app = print\n").unwrap();
    let in_use = format!("Can't connect to ('127.0.0.1', {})", address.port());
    let bind = ["--bind", &address.to_string(), "app:app"];
    for log in [server.path("log"), "-".into()] {
        let log = ["--error-logfile", log.to_str().unwrap()];
        let ended = server.start(&[&log[..], &bind].concat()).run();
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("Connection in use"),
            "{}",
            ended.stderr
        );
        let count = ended.stderr.matches(&*in_use).count();
        assert_eq!(count, 1, "{}", ended.stderr);
        assert_eq!(server.master(), None);
    }
    assert!(server.log().contains(&in_use));
}

#[test]
fn what_is_wrong_from_the_beginning_is_told() {
    let server = Background::new();
    fs::write(server.path("app.py"), "app = print\n").unwrap();
    let fails = |args: &[&str], told: &str| {
        server.fails(&[args, &["app:app"]].concat(), 1, &[told]);
    };
    fails(&["--workers", "-1"], "Invalid value for --workers");
    fails(
        &["--pid", "/dev/null/pid"],
        "The pid file '/dev/null/pid' cannot be written",
    );
    fails(
        &["--log-file", "/dev/null/log"],
        "The log file '/dev/null/log' cannot be opened",
    );
    fails(&["--certfile", "/nowhere.pem"], "/nowhere.pem");
    fails(&["--app-zip", "/nowhere.zip"], "/nowhere.zip");
    // Also if nothing of it would be logged.
    fails(
        &["--pid", "/dev/null/pid", "--log-level", "critical"],
        "/dev/null/pid",
    );
    let config = server.path("conf.py");
    let with_config = |text: &str, told: &str| {
        fs::write(&config, text).unwrap();
        fails(&["--config", config.to_str().unwrap()], told);
    };
    with_config("1 / 0", "ZeroDivisionError: division by zero");
    with_config(
        "def on_starting(server):\n    raise ValueError('no way')\n",
        "ValueError: no way",
    );
    with_config(
        "def when_ready(server):\n    raise ValueError('not now')\n",
        "ValueError: not now",
    );
    fs::write(server.path("app.py"), "1 / 0\n").unwrap();
    fails(&["--preload"], "ZeroDivisionError: division by zero");
}

#[test]
fn a_server_that_is_there_already_is_told() {
    let server = Background::new();
    let start = || server.start(&["app"]).cwd(app("hello"));
    assert_eq!(start().run().code, 0);
    let pid = server.master().unwrap();
    let second = start().run();
    assert_eq!(second.code, 1);
    let told = format!("Error: Already running on PID {pid} (or pid file");
    assert_eq!(second.stderr.matches(&told).count(), 1, "{}", second.stderr);
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
}

#[test]
fn streams_that_it_keeps_say_it_once() {
    let server = Background::new();
    fs::write(server.path("app.py"), "app = print\n").unwrap();
    let keep = ["--enable-stdio-inheritance", "--log-file", "-"];
    let args = [&keep[..], &["--pid", "/dev/null/pid", "app:app"]].concat();
    server.fails(
        &args,
        1,
        &["The pid file '/dev/null/pid' cannot be written"],
    );
    fs::write(server.path("app.py"), "1 / 0\n").unwrap();
    let args = [&keep[..], &["app:app"]].concat();
    server.fails(&args, 3, &["ZeroDivisionError: division by zero"]);
}

#[test]
fn a_worker_that_is_killed_does_not_keep_the_command() {
    let server = Background::new();
    let text = "import os, signal\n\
        if not os.path.exists('seen'):\n    \
            open('seen', 'w').close()\n    \
            os.kill(os.getpid(), signal.SIGKILL)\n\
        def app(environ, start_response):\n    \
            start_response('200 OK', [])\n    \
            return [b'up']\n";
    fs::write(server.path("app.py"), text).unwrap();
    let started = server.start(&["app:app"]).run();
    assert_eq!(started.code, 0, "{}", started.stderr);
    assert_eq!(server.target().get("/").ok(), "up");
}

#[test]
fn a_master_that_is_killed_before_it_is_up_has_failed() {
    let server = Background::new();
    let text = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n";
    fs::write(server.path("app.py"), text).unwrap();
    let ended = server.start(&["--preload", "app:app"]).run();
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let told = "Error: The server has ended before it was up.";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

/// Reads the pid of the second master.
fn second(server: &Background) -> Option<Pid> {
    let text = fs::read_to_string(server.path("pid.2")).ok()?;
    Some(Pid::from_raw(text.trim().parse().ok()?))
}

#[test]
fn a_second_master_says_in_the_log_why_it_cannot_begin() {
    let server = Background::new();
    fs::write(server.path("app.py"), "app = print\n").unwrap();
    let config = server.path("conf.py");
    fs::write(&config, "").unwrap();
    let args = ["--config", config.to_str().unwrap(), "app:app"];
    assert_eq!(server.start(&args).run().code, 0);
    let pid = server.master().unwrap();
    let upgrade = |why: &str| {
        let ends = || server.log().matches("The new master (pid:").count();
        let before = ends();
        kill(pid, Signal::SIGUSR2).unwrap();
        wait_until("the second master has ended", || ends() > before);
        assert!(server.log().contains(why), "{}", server.log());
    };
    fs::write(&config, "workers = 'many'\n").unwrap();
    upgrade("Invalid value for workers");
    fs::write(&config, "certfile = '/nowhere.pem'\n").unwrap();
    upgrade("/nowhere.pem");
    // A pid file that cannot be used.
    fs::write(&config, "").unwrap();
    fs::create_dir_all(server.path("pid.2/in/the/way")).unwrap();
    upgrade("pid.2' cannot be written");
    fs::remove_dir_all(server.path("pid.2")).unwrap();

    // Then it can be used.
    kill(pid, Signal::SIGUSR2).unwrap();
    wait_until("the second master is there", || second(&server).is_some());
    let next = second(&server).unwrap();
    kill(pid, Signal::SIGTERM).unwrap();
    wait_until("it has the pid file", || server.master() == Some(next));
    let stderr = fs::read_link(format!("/proc/{next}/fd/2")).unwrap();
    assert_eq!(stderr, Path::new("/dev/null"));
}

#[test]
fn what_the_workers_user_may_not_read_is_told() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can be somebody else");
        return;
    }
    let server = Background::new();
    fs::write(server.path("app.py"), "app = print\n").unwrap();
    fs::set_permissions(server.path("app.py"), fs::Permissions::from_mode(0o600)).unwrap();
    let args = ["--user", "65534", "app:app"];
    server.fails(&args, 3, &["PermissionError: [Errno 13] Permission denied"]);
}
