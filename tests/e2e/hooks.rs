//! The hooks of a config file: when and where they are called, and with which
//! arguments.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Process, Start, folder, wait_until};

const APP: &str = "import os, signal\n\
    def app(environ, start_response):\n\
    \x20   if environ['PATH_INFO'] == '/abort':\n\
    \x20       os.kill(os.getpid(), signal.SIGABRT)\n\
    \x20       signal.pause()\n\
    \x20   start_response('200 OK', [('X-Answer', 'yes')])\n\
    \x20   return [b'hello']\n";

/// A config file with every hook. Each writes its name, the process it runs in and what
/// it sees to the file `calls`.
const CONFIG: &str = r#"
import os
import prometheus

wsgi_app = "app:app"
bind = "127.0.0.1:0"
workers = 1
master = os.getpid()
loglevel = "debug"


def tell(name, *seen):
    where = "master" if os.getpid() == master else "worker"
    with open("calls", "a") as calls:
        print(name, where, *seen, file=calls)


def on_starting(server):
    tell("on_starting", server.cfg.workers, server.num_workers, len(server.LISTENERS))


def on_reload(server):
    tell("on_reload")


def when_ready(server):
    host, port = server.LISTENERS[0].getsockname()
    tell("when_ready", server.pid == master, host, str(server.LISTENERS[0])[:17], server.address[0][0])


def pre_fork(server, worker):
    worker.note = "kept"
    tell("pre_fork", worker.pid, worker.age, worker.ppid == server.pid)


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
    tell("post_fork", worker.pid == os.getpid(), worker.note, server.pid == os.getppid())


def post_worker_init(worker):
    tell("post_worker_init", worker.booted, callable(worker.wsgi), worker.app.wsgi is not None)


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")
    tell("worker_int")


def worker_abort(worker):
    tell("worker_abort", worker.aborted)


def pre_exec(server):
    tell("pre_exec")


def pre_request(worker, req):
    if req.path == "/forbidden":
        raise RuntimeError("not here")
    tell("pre_request", req.method, req.path, req.query, dict(req.headers).get("X-TEST"))


def post_request(worker, req, environ, resp):
    tell("post_request", environ["PATH_INFO"], resp.status_code, resp.status, resp.sent,
         dict(resp.headers)["X-Answer"], worker.nr)


def child_exit(server, worker):
    prometheus.mark_process_dead(worker.pid)
    tell("child_exit", worker.note, isinstance(worker.pid, int), worker.pid in server.WORKERS)


def worker_exit(server, worker):
    tell("worker_exit", worker.alive)


def nworkers_changed(server, new_value, old_value):
    tell("nworkers_changed", new_value, old_value)


def on_exit(server):
    tell("on_exit", len(server.WORKERS))
"#;

fn site() -> TempDir {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    fs::write(dir.path().join("gunicorn.conf.py"), CONFIG).unwrap();
    fs::write(
        dir.path().join("prometheus.py"),
        "def mark_process_dead(pid):\n    open(f'dead-{pid}', 'w').close()\n",
    )
    .unwrap();
    dir
}

fn start(dir: &Path) -> Process {
    Start::new(&[] as &[&str])
        .cwd(dir)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .spawn()
}

fn calls(dir: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn wait_for_call(dir: &TempDir, name: &str) {
    wait_until(name, || {
        calls(dir)
            .iter()
            .any(|call| call.split(' ').next() == Some(name))
    });
}

#[test]
fn every_hook_is_called_in_order_and_in_its_process() {
    let dir = site();
    let mut server = start(dir.path());
    wait_for_call(&dir, "post_worker_init");
    server.stderr.wait_for("Worker spawned (pid: ");
    let worker = server.workers(1)[0];
    let answer = server
        .target()
        .exchange("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Test: yes\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.ok(), "hello");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let expected = [
        "nworkers_changed master 1 None",
        "on_starting master 1 1 0",
        "when_ready master True 127.0.0.1 http://127.0.0.1: 127.0.0.1",
        "pre_fork master [booting] 1 True",
        "post_fork worker True kept True",
        "post_worker_init worker False True True",
        "pre_request worker GET /a b=c yes",
        "post_request worker /a 200 200 OK 5 yes 1",
        "worker_exit worker False",
        "child_exit master kept True False",
        "on_exit master 0",
    ];
    assert_eq!(calls(&dir), expected);
    assert!(dir.path().join(format!("dead-{worker}")).exists());
    let log = server.stderr.whole();
    let spawned = format!("[{worker}] [INFO] Worker spawned (pid: {worker})");
    assert!(log.contains(&spawned), "{log}");
    assert!(log.contains("Current configuration:\n  config: "), "{log}");
}

#[test]
fn requests_of_asgi_apps_are_shown_to_hooks() {
    const ASGI: &str = "
async def app(scope, receive, send):
    assert scope['type'] == 'http'
    headers = [(b'X-Answer', b'yes')]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': b'hello'})
";
    let dir = site();
    fs::write(dir.path().join("app.py"), ASGI).unwrap();
    let server = start(dir.path());
    let ask = |path: &str| {
        server.target().exchange(format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nX-Test: yes\r\nConnection: close\r\n\r\n"
        ))
    };
    assert_eq!(ask("/a?b=c").ok(), "hello");
    wait_for_call(&dir, "post_request");
    let calls = calls(&dir);
    for call in [
        "pre_request worker GET /a b=c yes",
        "post_request worker /a 200 200 OK 5 yes 1",
    ] {
        assert!(calls.contains(&call.to_owned()), "{calls:?}");
    }
    assert_eq!(ask("/forbidden").status, 500);
    server.stderr.wait_for("RuntimeError: not here");
}

#[test]
fn hooks_are_told_of_signals() {
    let dir = site();
    let mut server = start(dir.path());
    wait_for_call(&dir, "post_worker_init");
    server.signal(Signal::SIGTTIN);
    wait_until("another worker", || {
        calls(&dir).contains(&"nworkers_changed master 2 1".to_owned())
    });
    server.signal(Signal::SIGHUP);
    wait_for_call(&dir, "on_reload");
    wait_for_call(&dir, "child_exit");
    server.signal(Signal::SIGINT);
    assert_eq!(server.exit_code(), 0);
    let calls = calls(&dir);
    assert!(
        calls.iter().any(|call| call == "worker_int worker"),
        "{calls:?}"
    );
    assert!(calls.iter().any(|call| call.starts_with("on_exit")));
    let of = |name: &str| calls.iter().filter(|call| call.starts_with(name)).count();
    assert_eq!(of("pre_fork"), of("post_fork"), "{calls:?}");
    assert_eq!(of("pre_fork"), of("child_exit"), "{calls:?}");
    assert!(
        server
            .stderr
            .whole()
            .contains("worker received INT or QUIT signal")
    );
}

#[test]
fn worker_abort_is_called_at_abrt() {
    let dir = site();
    let server = start(dir.path());
    wait_for_call(&dir, "post_worker_init");
    let target = server.target();
    let client = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let mut stream = target.connect().unwrap();
        stream
            .write_all(b"GET /abort HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let _ = stream.read(&mut [0; 1]);
    });
    wait_for_call(&dir, "worker_abort");
    wait_for_call(&dir, "child_exit");
    client.join().unwrap();
    assert!(calls(&dir).contains(&"worker_abort worker True".to_owned()));
}

#[test]
fn worker_int_is_called_when_a_changed_file_ends_the_worker() {
    let dir = site();
    let config = format!("{CONFIG}\nreload = True\n");
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let server = start(dir.path());
    wait_for_call(&dir, "post_worker_init");
    fs::write(dir.path().join("app.py"), format!("{APP}# new\n")).unwrap();
    server.stderr.wait_for("Worker reloading: ");
    wait_for_call(&dir, "worker_int");
    wait_for_call(&dir, "child_exit");
}

#[test]
fn hooks_that_raise() {
    for (hook, code, log) in [
        (
            "def on_starting(server): 1/0",
            1,
            "Exception in on_starting hook\nTraceback",
        ),
        (
            "def when_ready(server): 1/0",
            1,
            "Exception in when_ready hook\nTraceback",
        ),
        (
            "def post_fork(server, worker): 1/0",
            3,
            "Exception in post_fork hook",
        ),
        (
            "def post_worker_init(worker): 1/0",
            3,
            "Exception in post_worker_init hook",
        ),
    ] {
        let dir = folder();
        fs::write(dir.path().join("app.py"), APP).unwrap();
        fs::write(dir.path().join("gunicorn.conf.py"), hook).unwrap();
        let mut server = Start::server(["app:app"]).cwd(dir.path()).spawn();
        assert_eq!(server.exit_code(), code, "{hook}");
        let told = server.stderr.whole();
        assert!(
            told.contains(log) && told.contains("ZeroDivisionError"),
            "{hook}: {told}"
        );
    }
}

#[test]
fn on_starting_may_set_the_number_of_workers() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let text = "def on_starting(server): server.num_workers = 2\n";
    fs::write(dir.path().join("gunicorn.conf.py"), text).unwrap();
    let server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    assert_eq!(server.workers(2).len(), 2);
}

#[test]
fn on_reload_and_child_exit_may_set_it_too() {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let text = "def on_reload(server): server.num_workers = 2\n\
         def child_exit(server, worker): server.num_workers = 3\n\
         def post_worker_init(worker): worker.log.info('number %s', worker.age)\n";
    fs::write(dir.path().join("gunicorn.conf.py"), text).unwrap();
    let server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    server.stderr.wait_for("number 1");
    server.signal(Signal::SIGHUP);
    // The hook causes two, and the end of the old worker a third.
    server.stderr.wait_for("number 3");
    server.stderr.wait_for("number 4");
    server.workers(3);
}
