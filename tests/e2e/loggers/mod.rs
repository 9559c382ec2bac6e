//! Uses of Gunicorn's loggers: own classes, filters, formatters and handlers; and
//! `wsgi.errors`.

mod classes;
mod filters;

use std::fs;
use std::io::Write;
use std::path::Path;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Process, Response, Start, Target, folder, site, wait_until};

/// `/filter` adds a filter to the access log and `/unfilter` takes it away.
const APP: &str = r#"
import logging

class Quiet(logging.Filter):
    def filter(self, record):
        return "/healthz" not in record.getMessage()

quiet = Quiet()

def act(path):
    log = logging.getLogger("gunicorn.access")
    if path == "/filter":
        log.addFilter(quiet)
    if path == "/unfilter":
        log.removeFilter(quiet)
    if path == "/broken":
        raise RuntimeError("broken")

def app(environ, start_response):
    act(environ["PATH_INFO"])
    start_response("200 OK", [("X-Said", "yes"), ("Content-Length", "2")])
    return [b"ok"]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    act(scope["path"])
    headers = [(b"x-said", b"yes"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})
"#;

const CLASSES: [&[&str]; 4] = [
    &["app:app"],
    &["--threads", "2", "app:app"],
    &["-k", "gevent", "app:app"],
    &["app:asgi"],
];

fn folder_with(config: &str) -> TempDir {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    dir
}

fn serve(dir: &Path, args: &[&str]) -> Process {
    let mut start = Start::server(["--access-logfile", "-"]).args(args).cwd(dir);
    if args.contains(&"gevent") {
        start = start.args(["--venv"]).args([site::venv("gevent_site")]);
    }
    start.spawn()
}

/// Requests these paths on one connection, so that the line of a request is written
/// before the next request. Ends the server and returns both logs.
fn logs(mut server: Process, paths: &[&str]) -> (String, String) {
    let mut stream = server.target().connect().unwrap();
    for path in paths {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: testserver\r\n\r\n").unwrap();
        Response::read(&mut stream, false).unwrap();
    }
    drop(stream);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    (server.stdout.whole(), server.stderr.whole())
}

/// A class with a filter, as a config file may have it.
const FILTERING: &str = r#"
import logging
from gunicorn.glogging import Logger

class Quiet(logging.Filter):
    def filter(self, record):
        return "GET /healthz" not in record.getMessage()

class CustomLogger(Logger):
    def setup(self, cfg):
        super().setup(cfg)
        logging.getLogger("gunicorn.access").addFilter(Quiet())

logger_class = CustomLogger
"#;

/// As the settings of a framework do when the app is imported.
#[test]
fn a_config_of_the_app_may_take_the_logs() {
    let config = r#"
def post_worker_init(worker):
    import logging.config
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": True,
        "formatters": {"own": {"format": "own %(name)s %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "own", "stream": "ext://sys.stdout"}},
        "loggers": {"gunicorn.access": {"handlers": ["console"], "level": "INFO"}},
    })
"#;
    let dir = folder_with(config);
    let (access, error) = logs(serve(dir.path(), &["app:app"]), &["/page"]);
    assert!(
        access.starts_with("own gunicorn.access 127.0.0.1 - - ["),
        "{access}"
    );
    // In Gunicorn this disables the other logger, which the user does not intend.
    assert!(error.contains("[INFO] Worker exiting"), "{error}");
}

#[test]
fn a_formatter_or_propagation_is_honoured() {
    let config = r#"
import logging

def post_fork(server, worker):
    logging.getLogger("gunicorn.error").handlers[0].setFormatter(logging.Formatter("F %(message)s"))
    logging.basicConfig(format="R %(message)s", level="INFO")
    logging.getLogger("gunicorn.access").propagate = True
"#;
    let dir = folder_with(config);
    let (access, error) = logs(serve(dir.path(), &["app:app"]), &["/page"]);
    assert!(error.contains("\nF Worker exiting"), "{error}");
    assert!(error.contains("\nR 127.0.0.1 - - ["), "{error}");
    assert!(access.starts_with("127.0.0.1 - - ["), "{access}");
}

#[test]
fn a_level_of_a_logger_counts() {
    let config = "import logging\n\
        def post_worker_init(worker):\n    \
            logging.getLogger('gunicorn.access').setLevel('WARNING')\n    \
            logging.getLogger('gunicorn.error').setLevel('DEBUG')\n    \
            worker.log.debug('a detail')\n";
    let dir = folder_with(config);
    let (access, error) = logs(serve(dir.path(), &["app:app"]), &["/page"]);
    assert_eq!(access, "");
    assert!(error.contains("[DEBUG] a detail"), "{error}");
}

#[test]
fn what_the_app_writes_to_its_errors_stands_as_it_is() {
    let app = "import traceback\n\
        def app(environ, start_response):\n    \
            errors = environ['wsgi.errors']\n    \
            print('[app] WARNING plain \\u2713', file=errors)\n    \
            try:\n        1 / 0\n    \
            except ZeroDivisionError: traceback.print_exc(file=errors)\n    \
            errors.write('half \\udc80 ')\n    \
            assert errors.writable() and not errors.isatty() and not errors.closed\n    \
            errors.close()\n    \
            errors.write('no end')\n    \
            start_response('200 OK', [])\n    \
            return [b'']\n";
    for class in [&["app:app"][..], &["--threads", "2", "app:app"]] {
        let dir = folder_with("");
        fs::write(dir.path().join("app.py"), app).unwrap();
        let args = [
            &["--log-level", "critical", "--error-logfile", "error.log"],
            class,
        ]
        .concat();
        let mut server = Start::server(args)
            .args(["--pid", "pid", "-b", "unix:s"])
            .cwd(dir.path())
            .spawn();
        let target = Target::parse(&format!("unix:{}", dir.path().join("s").display()));
        // The file exists before the server listens.
        wait_until("it listens", || target.connect().is_ok());
        target.get("/");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        let text = fs::read_to_string(dir.path().join("error.log")).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("[app] WARNING plain \u{2713}"), "{text}");
        assert_eq!(lines.next(), Some("Traceback (most recent call last):"));
        assert!(
            text.ends_with("\nZeroDivisionError: division by zero\nhalf \\udc80 no end"),
            "{text}"
        );
    }
}

#[test]
fn the_files_of_the_apps_own_handlers_are_opened_anew() {
    let app = "import logging\n\
        logging.basicConfig(filename='own.log', level='INFO')\n\
        def app(environ, start_response):\n    \
            logging.info('asked for %s', environ['PATH_INFO'])\n    \
            start_response('200 OK', [])\n    \
            return [b'']\n";
    let dir = folder_with("");
    fs::write(dir.path().join("app.py"), app).unwrap();
    let server = serve(dir.path(), &["app:app"]);
    server.target().get("/first");
    let own = dir.path().join("own.log");
    fs::rename(&own, dir.path().join("old.log")).unwrap();
    server.signal(Signal::SIGUSR1);
    wait_until("the file is opened anew", || own.exists());
    server.target().get("/second");
    let text = fs::read_to_string(&own).unwrap();
    assert!(text.contains("asked for /second"), "{text}");

    // A file that cannot be opened again stays open.
    fs::rename(&own, dir.path().join("old.log")).unwrap();
    fs::create_dir(&own).unwrap();
    server.signal(Signal::SIGUSR1);
    let told = format!("The log file '{}' cannot be opened: ", own.display());
    server.stderr.wait_for(&told);
    server.target().get("/third");
    let text = fs::read_to_string(dir.path().join("old.log")).unwrap();
    assert!(text.contains("asked for /third"), "{text}");
}

/// Lines that must be logged meanwhile do not go through Python, which is busy with the
/// request.
#[test]
fn a_request_that_lets_no_python_run_holds_nothing_up() {
    let app = "import re\n\
        def app(environ, start_response):\n    \
            if environ['PATH_INFO'] == '/hang':\n        \
                re.match('(a+)+$', 'a' * 60 + 'b')\n    \
            start_response('200 OK', [])\n    \
            return [b'fine']\n";
    for class in [&["app:app"][..], &["--threads", "2", "app:app"]] {
        let dir = folder_with(FILTERING);
        fs::write(dir.path().join("app.py"), app).unwrap();
        let args = [
            &["--request-timeout", "1", "--graceful-timeout", "1"],
            class,
        ]
        .concat();
        let mut server = serve(dir.path(), &args);
        let target = server.target();
        let worker = server.workers(1)[0];
        let mut hanging = target.connect().unwrap();
        hanging
            .write_all(b"GET /hang HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        let answer = Response::read(&mut hanging, false).unwrap();
        assert_eq!(answer.status, 504);
        server.stdout.wait_for("\"GET /hang HTTP/1.1\" 504 ");
        let told = format!("Worker (pid: {worker}) is replaced: request_timeout (1 s) is over for");
        server.stderr.wait_for(&told);
        let process = format!("/proc/{worker}");
        wait_until("the worker is gone", || !Path::new(&process).exists());
        assert_eq!(target.get("/").ok(), "fine");
        server.signal(Signal::SIGUSR1);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
    }
}

/// Handlers that were added before the logger was made, as an intercepting handler of
/// another logging package is.
#[test]
fn a_handler_of_the_config_file_counts() {
    const CONFIG: &str = r#"
import logging

class Own(logging.Handler):
    def emit(self, record):
        print("own", record.name, record.getMessage(), flush=True)

logging.getLogger("gunicorn.error").addHandler(Own())
"#;
    let dir = folder_with(CONFIG);
    let (access, error) = logs(serve(dir.path(), &["app:app"]), &["/page"]);
    for line in [
        "Starting rgunicorn",
        "Listening at: http",
        "Booting worker",
        "Worker exiting",
    ] {
        assert!(
            access.contains(&format!("own gunicorn.error {line}")),
            "{access}"
        );
        assert!(error.contains(&format!("[INFO] {line}")), "{error}");
    }

    // A class whose setup() does not call the server's own.
    let class = format!(
        "{CONFIG}logging.getLogger('gunicorn.access').addHandler(Own())\n\
         from gunicorn.glogging import Logger\n\
         class Stubborn(Logger):\n    \
             def setup(self, cfg):\n        \
                 self.error_log.setLevel('INFO')\n        \
                 self.access_log.setLevel('INFO')\n\
         logger_class = Stubborn\n"
    );
    let dir = folder_with(&class);
    let args = ["app:app", "--pid", "pid"];
    let mut server = Start::server(args)
        .args(["--access-logfile", "-", "--access-logformat", "%(r)s"])
        .cwd(dir.path())
        .spawn();
    let line = server.stdout.wait_for("own gunicorn.error Listening at: ");
    let target = Target::parse(line.split(' ').nth(4).unwrap());
    target.get("/page");
    server
        .stdout
        .wait_for("own gunicorn.access GET /page HTTP/1.1");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert_eq!(server.stderr.whole(), "");
}
