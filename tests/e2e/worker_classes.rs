//! Worker classes in Python that derive from Gunicorn's and uvicorn's.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Process, Start, folder, site};

const WSGI: &str = "
def app(environ, start_response):
    start_response('200 OK', [])
    return [b'wsgi']
";

const ASGI: &str = "
async def app(scope, receive, send):
    assert scope['type'] == 'http', scope
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': scope['root_path'].encode()})

def make():
    return app
";

fn files(files: &[(&str, &str)]) -> TempDir {
    let dir = folder();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn start(dir: &Path, args: &[&str]) -> Process {
    Start::server(args)
        .cwd(dir)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .spawn()
}

/// The last line of a start that fails.
#[track_caller]
fn refused(dir: &Path, args: &[&str]) -> String {
    let said = Start::server(args).cwd(dir).run();
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(!said.stderr.contains("Traceback"), "{}", said.stderr);
    said.stderr
}

fn calls(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

const TELLING: &str = "
import signal

def tell(*seen):
    with open('calls', 'a') as calls:
        print(*seen, file=calls)

class Telling:
    note = 'set'

    def __init__(self, *args):
        super().__init__(*args)
        tell('__init__', self.pid)

    def init_process(self):
        tell('init_process', self.wsgi is None)
        super().init_process()
        tell('ended', self.alive)

    def init_signals(self):
        super().init_signals()
        tell('init_signals', callable(signal.getsignal(signal.SIGTERM)))

    def load_wsgi(self):
        super().load_wsgi()
        tell('load_wsgi', callable(self.wsgi))

    def run(self):
        tell('run', self.booted)
        super().run()

    def handle_exit(self, sig, frame):
        tell('handle_exit', sig == signal.SIGTERM, self.alive)
        super().handle_exit(sig, frame)

    def handle_exit_signal(self):
        tell('handle_exit', True, self.alive)
        super().handle_exit_signal()
";

/// What a class calls if it overrides every method.
fn life_of(base: &str, app: &str, args: &[&str]) {
    let module = format!(
        "{TELLING}
from {} import {} as Base
class Mine(Telling, Base): pass
",
        base.rsplit_once('.').unwrap().0,
        base.rsplit_once('.').unwrap().1
    );
    let config = "
from mine import tell
def post_worker_init(worker):
    tell('post_worker_init', type(worker).__name__, worker.note, worker.booted)
";
    let dir = files(&[("app.py", app), ("mine.py", &module), ("conf.py", config)]);
    let mut given = vec!["app:app", "-c", "conf.py", "-k", "mine.Mine"];
    given.extend(args);
    let mut server = start(dir.path(), &given);
    assert_eq!(server.target().get("/").status, 200);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let expected = [
        "__init__ [booting]",
        "init_process True",
        "init_signals True",
        "load_wsgi True",
        "post_worker_init Mine set False",
        "run True",
        "handle_exit True True",
        "ended False",
    ];
    assert_eq!(calls(dir.path()), expected, "{}", server.stderr.whole());
}

#[test]
fn the_overrides_of_a_sync_worker_are_called() {
    life_of("gunicorn.workers.sync.SyncWorker", WSGI, &[]);
}

#[test]
fn the_overrides_of_a_threaded_worker_are_called() {
    let threads = ["--threads", "3"];
    life_of("gunicorn.workers.gthread.ThreadWorker", WSGI, &threads);
}

#[test]
fn the_overrides_of_an_asgi_worker_are_called() {
    life_of("gunicorn.workers.gasgi.ASGIWorker", ASGI, &[]);
    life_of("uvicorn_worker.UvicornWorker", ASGI, &[]);
}

/// A server of an app in a zip, with this config file in the folder where it is
/// started.
fn start_zip(site: &str, config: &str) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let server = Start::server(["app:app", "--app-zip"])
        .args([site::zip(site)])
        .cwd(dir.path())
        .spawn();
    (dir, server)
}

#[test]
fn the_overrides_of_a_gevent_worker_are_called() {
    let (dir, mut server) = start_zip(
        "gevent_site",
        "
import socket
from gunicorn.workers.ggevent import GeventWorker

def tell(*seen):
    with open(CALLS, 'a') as calls:
        print(*seen, file=calls)

import os
CALLS = os.path.join(os.getcwd(), 'calls')

class Mine(GeventWorker):
    worker_connections = 7

    def patch(self):
        from gevent import monkey
        tell('patch', monkey.is_module_patched('socket'))
        super().patch()
        tell('patched', monkey.is_module_patched('socket'))

    def init_process(self):
        tell('init_process')
        super().init_process()

    def handle_exit(self, sig, frame):
        tell('handle_exit')
        super().handle_exit(sig, frame)

    def notify(self):
        super().notify()
        if not hasattr(self, 'notified'):
            self.notified = True
            tell('notify')

worker_class = Mine
def post_worker_init(worker): tell(type(worker).__name__)
",
    );
    assert_eq!(server.target().get("/").ok(), "Hello, world!");
    crate::support::wait_until("it notifies", || {
        calls(dir.path()).contains(&"notify".to_owned())
    });
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let expected = [
        "init_process",
        "patch False",
        "patched True",
        "Mine",
        "notify",
        "handle_exit",
    ];
    assert_eq!(calls(dir.path()), expected, "{}", server.stderr.whole());
}

#[test]
fn the_overrides_of_a_tornado_worker_are_called() {
    let (_dir, server) = start_zip(
        "tornado_site",
        "
from gunicorn.workers.gtornado import TornadoWorker

class Mine(TornadoWorker):
    @classmethod
    def setup(cls):
        cls.note = 'set up'

    @classmethod
    def check_config(cls, cfg, log):
        log.info('checked %s', cfg.workers)

    def init_process(self):
        self.log.info('begins, %s', self.note)
        super().init_process()

worker_class = Mine
",
    );
    assert_eq!(server.target().get("/lines").ok(), "0\n1\n2\n");
    server.stderr.wait_for("checked 1");
    server.stderr.wait_for("begins, set up");
}

#[test]
fn a_class_may_be_given_by_the_config_file() {
    let config = "
from gunicorn.workers.gthread import ThreadWorker
class Mine(ThreadWorker):
    def init_process(self):
        self.log.info('begins as %s', type(self).__name__)
        super().init_process()
worker_class = Mine
";
    let dir = files(&[("app.py", WSGI), ("gunicorn.conf.py", config)]);
    let server = start(dir.path(), &["app:app"]);
    assert_eq!(server.target().get("/").ok(), "wsgi");
    server.stderr.wait_for("begins as Mine");
    server.stderr.wait_for("Using worker: Mine");
}

#[test]
fn a_class_may_lie_beside_the_config_file() {
    let module = "
from gunicorn.workers.sync import SyncWorker
class Mine(SyncWorker):
    def init_process(self):
        self.log.info('begins beside')
        super().init_process()
";
    let beside = files(&[
        ("mine.py", module),
        ("conf.py", "worker_class = 'mine.Mine'"),
    ]);
    let config = beside.path().join("conf.py");
    let dir = files(&[("app.py", WSGI)]);
    let server = start(dir.path(), &["app:app", "-c", config.to_str().unwrap()]);
    assert_eq!(server.target().get("/").ok(), "wsgi");
    server.stderr.wait_for("begins beside");
}

#[test]
fn a_class_outlives_reloads() {
    let module = "
from gunicorn.workers.gthread import ThreadWorker
class Mine(ThreadWorker):
    def init_process(self):
        self.log.info('begins as number %s', self.age)
        super().init_process()
";
    for args in [
        &["app:app", "-k", "mine.Mine"][..],
        &["app:app", "-k", "mine.Mine", "--preload"],
    ] {
        let dir = files(&[("app.py", WSGI), ("mine.py", module)]);
        let server = start(dir.path(), args);
        server.stderr.wait_for("begins as number 1");
        assert_eq!(server.target().get("/").ok(), "wsgi");
        server.signal(Signal::SIGHUP);
        server.stderr.wait_for("begins as number 2");
        server.stderr.wait_for("Worker exiting");
        assert_eq!(server.target().get("/").ok(), "wsgi");
    }
}

#[test]
fn a_class_that_notifies_is_asked_to() {
    let module = "
from gunicorn.workers.sync import SyncWorker
class Mine(SyncWorker):
    def notify(self):
        super().notify()
        self.log.info('notified')
        self.alive = False
";
    let dir = files(&[("app.py", WSGI), ("mine.py", module)]);
    let server = start(dir.path(), &["app:app", "-k", "mine.Mine"]);
    server.stderr.wait_for("notified");
    // It has reported that it will end.
    server.stderr.wait_for("Worker exiting");
}

#[test]
fn keywords_of_a_uvicorn_worker_are_settings() {
    for package in ["uvicorn.workers", "uvicorn_worker"] {
        let module = format!(
            "from {package} import UvicornWorker, UvicornH11Worker
class Mine(UvicornWorker):
    CONFIG_KWARGS = {{
        'loop': 'asyncio', 'http': 'httptools', 'lifespan': 'off', 'factory': True,
        'root_path': '/api', 'server_header': False, 'headers': [('X-Mine', 'yes')],
        'timeout_keep_alive': 7, 'ws_max_queue': 9,
    }}
class Other(UvicornH11Worker):
    CONFIG_KWARGS = {{'loop': 'nowhere:make', 'lifespan': 'off'}}
"
        );
        let mut all = vec![("app.py", ASGI), ("mine.py", module.as_str())];
        if package == "uvicorn.workers" {
            // The app brings the package `uvicorn` itself.
            all.push(("uvicorn.py", "__path__ = []"));
        }
        let dir = files(&all);
        let server = start(dir.path(), &["app:make", "-k", "mine.Mine"]);
        let answer = server.target().get("/");
        assert_eq!(answer.ok(), "/api");
        assert_eq!(answer.header("X-Mine"), Some("yes"));
        assert_eq!(answer.header("Server"), None);
        server
            .stderr
            .wait_for("CONFIG_KWARGS of the worker class Mine has ws_max_queue=9,");
        assert!(!server.stderr.so_far().contains("http="));
        let server = start(dir.path(), &["app:app", "-k", "mine.Other"]);
        assert_eq!(server.target().get("/").ok(), "");
        server.stderr.wait_for("has loop='nowhere:make', which");
    }
}

#[test]
fn keywords_with_wrong_values_are_named() {
    let module = "
from uvicorn_worker import UvicornWorker
class Mine(UvicornWorker):
    CONFIG_KWARGS = {'lifespan': 'maybe'}
";
    let dir = files(&[("app.py", ASGI), ("mine.py", module)]);
    let said = refused(dir.path(), &["app:app", "-k", "mine.Mine"]);
    let sentence = "Invalid value for asgi_lifespan by the worker class's keywords: 'maybe'";
    assert!(said.contains(sentence), "{said}");
}

#[test]
fn what_would_never_be_called_is_refused_by_name() {
    let module = "
from gunicorn.workers.base import Worker
from gunicorn.workers.ggevent import GeventWorker
from gunicorn.workers.sync import SyncWorker
class Own(Worker):
    def run(self): pass
class Loop(SyncWorker):
    def run(self):
        while self.alive: self.notify()
class Handling(SyncWorker):
    def handle_request(self, listener, req, client, addr):
        super().handle_request(listener, req, client, addr)
class Serving(GeventWorker):
    server_class = object
class Child(Handling): pass
nothing = 3
";
    let dir = files(&[("app.py", WSGI), ("mine.py", module)]);
    for (class, sentence) in [
        ("mine.Own", "Own derives from no worker class that serves"),
        ("mine.Loop", "Loop overrides run() with a loop of its own"),
        ("mine.Handling", "Handling overrides handle_request, which"),
        ("mine.Child", "Handling overrides handle_request, which"),
        ("mine.Serving", "Serving overrides server_class, which"),
        ("mine.nothing", "'mine.nothing' is no class that derives"),
        (
            "mine.Nobody",
            "the module 'mine' has no worker class 'Nobody'",
        ),
        ("nowhere.at.All", "the module 'nowhere' of the worker class"),
        ("nothing", "there is no worker class 'nothing'; take 'sync'"),
        ("eventlet", "eventlet is no longer maintained"),
    ] {
        let said = refused(dir.path(), &["app:app", "-k", class]);
        let sentence = format!("Invalid value for --worker-class: {sentence}");
        assert!(said.contains(&sentence), "{class}: {said}");
    }
}

#[test]
fn only_the_class_that_counts_is_looked_at() {
    for class in ["'eventlet'", "'nowhere.Worker'", "Mine"] {
        let config = format!(
            "from gunicorn.workers.sync import SyncWorker
class Mine(SyncWorker):
    def handle(self, *args): pass
worker_class = {class}
def post_worker_init(worker): worker.log.info('is a %s', type(worker).__name__)
"
        );
        let dir = files(&[("app.py", WSGI), ("gunicorn.conf.py", &config)]);
        let said = refused(dir.path(), &["app:app"]);
        assert!(said.contains("Invalid value for worker_class: "), "{said}");
        let server = start(dir.path(), &["app:app", "-k", "gthread"]);
        assert_eq!(server.target().get("/").ok(), "wsgi");
        server.stderr.wait_for("is a ThreadWorker");
    }
}

#[test]
fn what_a_class_raises_ends_the_start() {
    for (body, code, line) in [
        ("1 / 0", 3, "ZeroDivisionError"),
        ("raise SystemExit(3)", 3, "Worker exiting"),
        ("pass", 3, "nothing is served"),
    ] {
        let module = format!(
            "from gunicorn.workers.sync import SyncWorker
class Mine(SyncWorker):
    def init_process(self):
        {body}
"
        );
        let dir = files(&[("app.py", WSGI), ("mine.py", &module)]);
        let mut server = start(dir.path(), &["app:app", "-k", "mine.Mine"]);
        assert_eq!(server.exit_code(), code, "{body}");
        server.stderr.wait_for(line);
    }
}

#[test]
fn uvicorns_loggers_are_heard() {
    let app = "
import logging, sys
logging.getLogger('uvicorn.error').info('said to uvicorn.error')
handler = logging.StreamHandler(sys.stderr)
handler.setFormatter(logging.Formatter('seen: %(message)s %(args)s'))
access = logging.getLogger('uvicorn.access')
access.setLevel(logging.INFO)
access.addHandler(handler)
access.addFilter(lambda record: record.args[2] != '/health')
access.propagate = False
error = logging.getLogger('uvicorn.error')

async def app(scope, receive, send):
    assert scope['type'] == 'http'
    error.info('said by %s', scope['path'])
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b''})
";
    let dir = files(&[("app.py", app)]);
    let class = ["app:app", "-k", "uvicorn.workers.UvicornWorker"];
    let server = start(dir.path(), &class);
    server.target().get("/health");
    server.target().get("/a%20b?c=d");
    let seen = server.stderr.wait_for("seen: ");
    assert!(
        seen.contains(r#" - "GET /a%20b?c=d HTTP/1.1" 200 ("#),
        "{seen}"
    );
    server.stderr.wait_for("[INFO] said by /a b");
    assert!(!server.stderr.so_far().contains("seen: /health"));
}

#[test]
fn uvicorns_loggers_need_not_be_there_before() {
    let app = "
import logging

class Own(logging.Handler):
    def emit(self, record):
        print(f'own {record.name}: {record.getMessage()}', flush=True)

async def app(scope, receive, send):
    assert scope['type'] == 'http'
    logging.getLogger('uvicorn.error').info('said')
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b''})
";
    let class = ["app:app", "-k", "uvicorn.workers.UvicornWorker"];
    let dir = files(&[("app.py", app)]);
    let server = start(dir.path(), &class);
    server.target().get("/");
    server.stderr.wait_for("[INFO] said");

    // Handlers without a level, also on the parent logger.
    let app = format!(
        "{app}
for name in ('uvicorn', 'uvicorn.error', 'uvicorn.access'):
    logging.getLogger(name).handlers = [Own()]
logging.root.setLevel('INFO')
"
    );
    let dir = files(&[("app.py", &app)]);
    let mut server = start(dir.path(), &class);
    server.target().get("/");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let told = server.stdout.whole();
    assert_eq!(told.matches("own uvicorn.error: said").count(), 1, "{told}");
    assert_eq!(
        told.matches("own uvicorn.access: 127.").count(),
        1,
        "{told}"
    );
}

#[test]
fn filters_of_uvicorns_access_logger_are_heeded() {
    // In the app, or at its start.
    for place in ["import", "lifespan.startup"] {
        let app = format!(
            "
import logging
access = logging.getLogger('uvicorn.access')

class Healthy(logging.Filter):
    def filter(self, record):
        client, method, path, version, status = record.args
        assert client.startswith('127.0.0.1:') and (method, version, status) == ('GET', '1.1', 200)
        return path != '/health?a=b' and '/health' not in record.getMessage()

def heed(place):
    if place == {place:?}: access.addFilter(Healthy())
heed('import')

async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        heed((await receive())['type'])
        await send({{'type': 'lifespan.startup.complete'}})
        await receive()
        return await send({{'type': 'lifespan.shutdown.complete'}})
    await send({{'type': 'http.response.start', 'status': 200, 'headers': []}})
    await send({{'type': 'http.response.body', 'body': b''}})
"
        );
        let dir = files(&[("app.py", &app)]);
        let args = [
            "app:app",
            "-k",
            "uvicorn_worker.UvicornWorker",
            "--access-logfile",
            "-",
        ];
        let server = start(dir.path(), &args);
        for path in ["/health?a=b", "/other"] {
            server.target().get(path);
        }
        server.stdout.wait_for("\"GET /other HTTP/1.1\" 200 ");
        assert!(!server.stdout.so_far().contains("/health"), "{place}");
    }
}

#[test]
fn a_class_may_refuse_its_settings() {
    let config = "
from gunicorn.workers.sync import SyncWorker
class Own(SyncWorker):
    @classmethod
    def check_config(cls, cfg, log):
        raise ValueError(f'not with {cfg.workers} workers')
worker_class = Own
";
    let dir = files(&[("app.py", WSGI), ("gunicorn.conf.py", config)]);
    let said = Start::server(["app:app"]).cwd(dir.path()).run();
    assert_eq!(said.code, 1, "{}", said.stderr);
    for part in [
        "Exception in Own.check_config()",
        "ValueError: not with 1 workers",
    ] {
        assert!(said.stderr.contains(part), "{}", said.stderr);
    }
}
