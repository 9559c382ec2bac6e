//! The control socket: `rgunicorn ctl`, Gunicorn's own client, and who may use it.

use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::thread;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::status::{ctl, ctl_json};
use crate::support::{Finished, Process, Start, folder, site, wait_until};

const APP: &str = "
import logging

def app(environ, start_response):
    logging.getLogger('gunicorn.error').debug('a request for the app')
    start_response('200 OK', [])
    return [b'hello']
";

fn serve(args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(args)
        .args(["app:app"])
        .cwd(dir.path())
        .spawn();
    server.target();
    (dir, server)
}

/// The names of the control sockets of this process.
fn names(server: &Process) -> Vec<String> {
    let prefix = format!("@rgunicorn/{}/", server.pid());
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let names = sockets.lines().filter_map(|line| line.rsplit(' ').next());
    let names = names.filter(|name| name.starts_with(&prefix));
    names.map(|name| name[1..].to_owned()).collect()
}

#[test]
fn it_needs_no_file_and_no_setting() {
    let (dir, server) = serve(&[]);
    server.workers(1);
    let files: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "app.py" && name != "__pycache__")
        .collect();
    assert!(files.is_empty(), "{files:?}");
    wait_until("it serves", || {
        ctl_json(&server, &["status"])["state"] == "serving"
    });
    let shown = ctl(&server, &[]).expect_success().stdout;
    assert!(shown.contains("app:app is serving"), "{shown}");
    assert!(shown.contains(&server.workers(1)[0].to_string()), "{shown}");
    let status = ctl_json(&server, &["status"]);
    assert_eq!(status["master"]["pid"], server.pid().as_raw());
}

#[test]
fn commands_do_what_they_say() {
    let (_dir, mut server) = serve(&[]);
    server.workers(1);
    let said = |args: &[&str]| ctl(&server, args).expect_success().stdout;
    assert_eq!(said(&["worker", "add", "2"]), "There are to be 3 workers.");
    server.workers(3);
    assert_eq!(
        said(&["worker", "remove", "9"]),
        "There is to be 1 worker: at least one stays."
    );
    wait_until("one is left", || {
        ctl_json(&server, &["show", "workers"])["count"] == 1
    });
    let pid = ctl_json(&server, &["show", "workers"])["workers"][0]["pid"].to_string();
    assert!(said(&["worker", "kill", &pid]).contains(&pid));
    let pids = server.workers(4);
    wait_until("another serves", || {
        let workers = ctl_json(&server, &["show", "workers"]);
        workers["count"] == 1 && workers["workers"][0]["pid"] == pids[3].as_raw()
    });
    said(&["log-level", "debug"]);
    server
        .stderr
        .wait_for("The log level is 'debug' from now on");
    server.target().get("/").ok();
    server.stderr.wait_for("[DEBUG] a request for the app");
    said(&["reload"]);
    server.stderr.wait_for("Handling signal: hup");
    said(&["reopen"]);
    server.stderr.wait_for("Handling signal: usr1");
    let config = ctl_json(&server, &["show", "config"]);
    assert_eq!(
        (&config["workers"], &config["preload_app"]),
        (&1.into(), &false.into())
    );
    let listeners = ctl_json(&server, &["show", "listeners"]);
    assert_eq!(listeners["listeners"][0]["type"], "tcp");
    said(&["shutdown"]);
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn wrong_commands_are_answered_with_a_sentence() {
    let (_dir, server) = serve(&[]);
    for (args, sentence) in [
        (
            &["worker", "kill", "1"][..],
            "there is no worker with the process id 1",
        ),
        (
            &["worker", "add", "0"],
            "0 workers are not between 1 and 1024",
        ),
        (&["log-level", "loud"], "there is no log level 'loud'"),
        (&["stacks", "1"], "there is no worker with the process id 1"),
        (&["profile", "--output", "flames"], "let its name end in"),
        // At once, and not after the samples.
        (
            &["profile", "--seconds", "300", "-o", "/nope/x.svg"],
            "'/nope/x.svg' cannot be written",
        ),
        (&["top"], "needs a terminal"),
    ] {
        let ended = ctl(&server, args);
        assert_eq!(ended.code, 1, "{args:?}");
        assert!(
            ended.stderr.contains(sentence),
            "{args:?}: {}",
            ended.stderr
        );
    }
    assert_eq!(ctl(&server, &["fly"]).code, 2);
    let wrong = ctl(&server, &["stacks", "abc"]);
    assert_eq!(wrong.code, 2);
    assert!(
        wrong.stderr.contains("it is not a process id"),
        "{}",
        wrong.stderr
    );
    let help = ctl(&server, &["worker", "--help"]).expect_success().stdout;
    assert!(help.contains("Usage: rgunicorn ctl worker"), "{help}");
    let none = Start::new(["ctl", "--pid", "1"]).run();
    assert_eq!(none.code, 1);
    assert!(
        none.stderr.contains("There is no server"),
        "{}",
        none.stderr
    );
}

#[test]
fn a_server_that_does_not_answer_is_listed() {
    let (_dir, server) = serve(&[]);
    let (_other_dir, other) = serve(&[]);
    for server in [&server, &other] {
        wait_until("it serves", || {
            ctl_json(server, &["status"])["state"] == "serving"
        });
    }
    server.signal(Signal::SIGSTOP);
    let list = Start::new(["ctl"]).run().expect_success().stdout;
    server.signal(Signal::SIGCONT);
    let row = |server: &Process| {
        let pid = server.pid().to_string();
        let mut rows = list.lines();
        rows.find(|row| row.split_whitespace().next() == Some(&pid))
            .unwrap_or_else(|| panic!("{pid} in {list}"))
            .to_owned()
    };
    assert!(row(&server).contains("does not answer"), "{list}");
    assert!(row(&other).contains("serving"), "{list}");
}

#[test]
fn it_can_be_turned_off() {
    let (_dir, server) = serve(&["--no-control-socket"]);
    assert_eq!(names(&server), Vec::<String>::new());
    let ended = ctl(&server, &[]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.stderr.contains("There is no server"),
        "{}",
        ended.stderr
    );
}

#[test]
fn another_user_is_refused() {
    let (_dir, server) = serve(&["--log-level", "debug"]);
    wait_until("the socket is there", || names(&server).len() == 1);
    // In a folder that the other user can enter.
    let dir = folder();
    let copy = dir.path().join("rgunicorn");
    crate::support::copy_program(&copy);
    let pid = server.pid().to_string();
    let ended = Start::program(&copy, ["ctl", "--pid", &pid, "status"])
        .env("HOME", "/nonexistent")
        .cwd(dir.path())
        .user(65534)
        .run();
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let sentence = format!("The server {pid} is root's; be root to steer it");
    assert!(ended.stderr.contains(&sentence), "{}", ended.stderr);
    // Nor if it does not ask the program: the server closes the connection.
    let script = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect('\\0' + sys.argv[1])
body = b'{\"id\": 1, \"command\": \"shutdown\"}'
try:
    s.sendall(len(body).to_bytes(4, 'big') + body)
    print('got', s.recv(100))
except OSError as error:
    print('got', b'')
";
    let ended = Start::program(&copy, ["python", "-c", script, &names(&server)[0]])
        .env("HOME", "/nonexistent")
        .cwd(dir.path())
        .user(65534)
        .run();
    assert_eq!(ended.stdout, "got b''", "{}", ended.stderr);
    server
        .stderr
        .wait_for("A control client is turned away: user 65534");
    ctl(&server, &["status"]).expect_success();
}

#[test]
fn garbage_does_not_end_it() {
    let (_dir, server) = serve(&[]);
    wait_until("the socket is there", || names(&server).len() == 1);
    let address = SocketAddr::from_abstract_name(&names(&server)[0]).unwrap();
    for garbage in [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\0\x02{x",
        b"\0\0\0\x02[]",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = UnixStream::connect_addr(&address).unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        // It is closed, perhaps with an error before that.
        let _ = stream.read_to_end(&mut answer);
    }
    let held: Vec<_> = (0..40)
        .map(|_| UnixStream::connect_addr(&address))
        .collect();
    drop(held);
    ctl(&server, &["status"]).expect_success();
}

#[test]
fn gunicorns_own_client_steers_it() {
    let (dir, mut server) = serve(&["--control-socket", "g.ctl"]);
    let socket = dir.path().join("g.ctl");
    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let venv = site::venv("gunicornc");
    let client = |command: &str| {
        let path = venv.join("bin/gunicornc");
        let socket = socket.to_str().unwrap();
        let ran = Start::program(&path, ["-s", socket, "-c", command]).run();
        ran.expect_success().stdout
    };
    server.workers(1);
    let pid = server.workers(1)[0].to_string();
    for command in ["show workers", "show all"] {
        let shown = client(command);
        assert!(
            shown.contains(&pid) && shown.contains("yes"),
            "{command}: {shown}"
        );
    }
    assert!(client("show stats").contains("Workers target:   1"));
    assert!(client("show listeners").contains("127.0.0.1"));
    assert!(client("show config").contains("worker_class: sync"));
    assert!(client("show dirty").contains("not running"));
    assert!(client("help").contains("worker add"));
    assert!(client("worker add 1").contains("\"total\": 2"));
    server.workers(2);
    assert!(client("worker kill 1").contains("there is no worker"));
    assert!(client("reload").contains("reloading"));
    server.stderr.wait_for("Handling signal: hup");
    assert!(client("shutdown").contains("graceful"));
    assert_eq!(server.exit_code(), 0);
    assert!(!socket.exists());
}

#[test]
fn a_socket_that_another_server_has_is_not_taken() {
    let (dir, first) = serve(&["--control-socket", "g.ctl"]);
    let mut second = Start::server(["--control-socket", "g.ctl", "app:app"])
        .cwd(dir.path())
        .spawn();
    assert_eq!(second.exit_code(), 1);
    assert!(second.stderr.whole().contains("control_socket"));
    let socket = dir.path().join("g.ctl");
    let shown = Start::new(["ctl", "--socket", socket.to_str().unwrap(), "--json"]).run();
    let status: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(status["master"]["pid"], first.pid().as_raw());
    first.signal(Signal::SIGTERM);
}

#[test]
fn the_live_screen_shows_the_workers_and_obeys_keys() {
    let (_dir, server) = serve(&[]);
    server.workers(1);
    let ran = top(
        &server,
        r"
wait('serving')
wait('slowest')
os.write(terminal, b'+')
wait('There')
",
    );
    assert_eq!(ran.stdout, "code 0", "{}", ran.stderr);
    server.workers(2);
}

#[test]
fn the_live_screen_goes_on_after_the_master_was_executed_again() {
    let (_dir, server) = serve(&["--preload"]);
    server.workers(1);
    let ran = top(
        &server,
        r"
wait('serving')
os.write(terminal, b'r')
wait('answers again')
os.write(terminal, b'+')
wait('There will be')
",
    );
    assert_eq!(ran.stdout, "code 0", "{}", ran.stderr);
    wait_until("there are two workers", || {
        ctl_json(&server, &["show", "workers"])["count"] == 2
    });
}

/// Runs `ctl top` in a terminal, and does there what the script says. Then it is
/// left by a key.
fn top(server: &Process, script: &str) -> Finished {
    let script = [TERMINAL, script, LEAVE].concat();
    let program = crate::support::program();
    let pid = server.pid().to_string();
    site::python([
        "-c",
        &script,
        program.to_str().unwrap(),
        "ctl",
        "--pid",
        &pid,
        "top",
    ])
    .run()
}

/// Begins a script that uses a terminal.
const TERMINAL: &str = r"
import os, pty, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execv(sys.argv[1], sys.argv[1:])
import fcntl, struct, termios
def resize(rows):
    size = struct.pack('HHHH', rows, 120, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
seen = ''
rows = 40
resize(rows)
def wait(text):
    global rows, seen
    end = time.monotonic() + 50
    while text not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536).decode(errors='replace')
        else:
            # Then all is drawn again, and not only what differs.
            rows = 81 - rows
            resize(rows)
";

const LEAVE: &str = r"
os.write(terminal, b'q')
print('code', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn a_new_master_gets_the_socket_after_the_old_one() {
    let (dir, mut server) = serve(&["--control-socket", "g.ctl", "--pid", "pid"]);
    let socket = dir.path().join("g.ctl");
    let master = || {
        let ran = Start::new(["ctl", "--socket", socket.to_str().unwrap(), "--json"]).run();
        let status: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        status["master"]["pid"].as_i64().unwrap_or_default()
    };
    server.workers(1);
    assert_eq!(master(), i64::from(server.pid().as_raw()));
    server.signal(Signal::SIGUSR2);
    let second = dir.path().join("pid.2");
    wait_until("the new master is there", || second.exists());
    let new: i32 = fs::read_to_string(second).unwrap().trim().parse().unwrap();
    server.workers(2);
    assert_eq!(master(), i64::from(server.pid().as_raw()));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    wait_until("the new one has it", || master() == i64::from(new));
}

#[test]
fn each_of_many_commands_counts() {
    let (_dir, server) = serve(&[]);
    server.workers(1);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| ctl(&server, &["worker", "add"]).expect_success());
        }
    });
    server.workers(7);
    assert_eq!(ctl_json(&server, &["show", "stats"])["workers_target"], 7);
}

#[test]
fn a_server_that_was_told_to_end_changes_no_more() {
    let (_dir, mut server) = serve(&["--drain-delay", "600"]);
    server.workers(1);
    let told = ctl_json(&server, &["shutdown"]);
    assert_eq!(told["drain_delay"], 600);
    server.stderr.wait_for("Draining for 600 s");
    for args in [&["drain", "off"][..], &["worker", "add"]] {
        let ended = ctl(&server, args);
        assert_eq!(ended.code, 1, "{args:?}");
        assert!(ended.stderr.contains("told to end"), "{}", ended.stderr);
    }
    ctl(&server, &["shutdown"]).expect_success();
    assert_eq!(server.exit_code(), 0);
}
