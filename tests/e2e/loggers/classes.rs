//! Logger classes of the config file and of modules.

use std::fs;

use nix::sys::signal::Signal;

use super::{CLASSES, FILTERING, folder_with, logs, serve};
use crate::support::{Start, Target, wait_until};

#[test]
fn the_forms_of_a_class_are_its_own() {
    let config = r#"
import gunicorn.glogging

class Own(gunicorn.glogging.Logger):
    error_fmt = "E %(levelname)s %(message)s"
    datefmt = "%Y"
    access_fmt = "A %(asctime)s| %(message)s"

    def now(self):
        return "[now]"

    def info(self, msg, *args, **kwargs):
        if not msg.startswith("Booting"):
            super().info("own: " + msg, *args, **kwargs)

logger_class = Own
access_log_format = "%(t)s %(r)s %(s)s %({x-said}o)s"

def when_ready(server):
    server.log.info("ready %s", 1)
"#;
    for class in CLASSES {
        let dir = folder_with(config);
        let (access, error) = logs(serve(dir.path(), class), &["/page"]);
        assert!(
            access.starts_with("A 20") && access.contains("| [now] GET /page HTTP/1.1 200 yes"),
            "{access}"
        );
        let lines: Vec<_> = error.lines().collect();
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("E INFO own: Listening at: http://")),
            "{error}"
        );
        assert!(lines.contains(&"E INFO own: ready 1"), "{error}");
        assert!(!error.contains("Booting"), "{error}");
    }
}

#[test]
fn a_class_may_write_the_access_log_itself() {
    let config = r#"
from gunicorn.glogging import Logger

class Own(Logger):
    def atoms(self, resp, req, environ, request_time):
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["own"] = f"{resp.status.split()[0]} {request_time.total_seconds() >= 0}"
        atoms["{x-own}i"] = dict(req.headers).get("HOST") is not None
        return atoms

    def access(self, resp, req, environ, request_time):
        if environ["PATH_INFO"] == "/healthz" or req.path == "/other":
            return
        environ["REMOTE_ADDR"] = "10.0.0.1"
        super().access(resp, req, environ, request_time)

logger_class = Own
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s "%(own)s" %({X-OWN}i)s %({host}i)s %({request_method}e)s %(nothing)s %({X-SAID}o)s'
"#;
    for class in CLASSES {
        let dir = folder_with(config);
        let (access, error) = logs(serve(dir.path(), class), &["/healthz", "/page", "/other"]);
        assert_eq!(
            access.trim_end(),
            "10.0.0.1 \"GET /page HTTP/1.1\" 200 2 \"200 True\" True testserver GET - yes",
            "{error}"
        );
    }
}

#[test]
fn a_class_is_named_by_a_dotted_string() {
    let dir = folder_with("");
    fs::remove_file(dir.path().join("gunicorn.conf.py")).unwrap();
    let class = FILTERING.replace("logger_class = CustomLogger", "");
    fs::write(dir.path().join("own_logging.py"), class).unwrap();
    let args = ["--logger-class", "own_logging.CustomLogger", "app:app"];
    let (access, error) = logs(serve(dir.path(), &args), &["/healthz", "/page"]);
    assert!(
        access.contains("/page") && !access.contains("/healthz"),
        "{access}"
    );
    assert_eq!(error.matches("Listening at: ").count(), 1, "{error}");

    for (name, reason) in [
        ("own_logging.Nothing", "has no attribute 'Nothing'"),
        ("nowhere.Logger", "No module named 'nowhere'"),
        ("Logger", "write it as module.Class"),
    ] {
        let said = Start::server(["--logger-class", name, "app:app"])
            .cwd(dir.path())
            .run();
        assert_eq!(said.code, 1, "{}", said.stderr);
        let sentence = format!("Invalid value for logger_class: '{name}' cannot be used: ");
        assert!(
            said.stderr.contains(&sentence) && said.stderr.contains(reason),
            "{}",
            said.stderr
        );
        assert!(!said.stderr.contains("Traceback"), "{}", said.stderr);
    }
}

#[test]
fn a_class_sets_handlers_of_its_own() {
    let config = r#"
import logging, sys
from gunicorn import glogging

class Own(glogging.Logger):
    def setup(self, cfg):
        super().setup(cfg)
        self._set_handler(self.error_log, "own.log", logging.Formatter("%(levelname)s:%(message)s"))
        self._set_handler(self.access_log, "-", logging.Formatter("a:%(message)s"), sys.stderr)

logger_class = Own
"#;
    let dir = folder_with(config);
    let mut server = serve(dir.path(), &["app:app"]);
    let own = dir.path().join("own.log");
    let target = {
        wait_until("it listens", || {
            fs::read_to_string(&own).is_ok_and(|text| text.contains("INFO:Listening at: "))
        });
        let text = fs::read_to_string(&own).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains("Listening"))
            .unwrap();
        Target::parse(line.split(' ').nth(2).unwrap())
    };
    target.get("/page");
    let line = server.stderr.wait_for("GET /page");
    assert!(line.starts_with("a:127.0.0.1 - - ["), "{line}");

    // USR1 opens the files again at their paths.
    fs::rename(&own, dir.path().join("old.log")).unwrap();
    server.signal(Signal::SIGUSR1);
    wait_until("the file is opened anew", || own.exists());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let text = fs::read_to_string(&own).unwrap();
    assert!(text.contains("INFO:Worker exiting (pid: "), "{text}");
}

#[test]
fn a_class_can_be_another_after_a_reload() {
    let dir = folder_with(FILTERING);
    let server = serve(dir.path(), &["app:app"]);
    let target = server.target();
    server.workers(1);
    let path = dir.path().join("gunicorn.conf.py");
    for (config, health, form) in [
        ("", true, "[INFO] Booting worker"),
        (FILTERING, false, "[INFO] Booting worker"),
        (
            "import gunicorn.glogging as g\nclass L(g.Logger):\n    error_fmt = 'L %(message)s'\nlogger_class = L\n",
            true,
            "L Booting worker",
        ),
    ] {
        let before = server.stderr.so_far().matches("Booting worker").count();
        fs::write(&path, config).unwrap();
        server.signal(Signal::SIGHUP);
        server.stderr.wait_until(
            |lines| {
                lines
                    .iter()
                    .filter(|line| line.contains("Booting worker"))
                    .count()
                    > before
            },
            form,
        );
        server.stderr.wait_until(
            |lines| {
                lines
                    .iter()
                    .filter(|it| it.contains("Worker exiting"))
                    .count()
                    > before - 1
            },
            "the old worker's end",
        );
        let last = server.stderr.so_far();
        let last = last
            .lines()
            .rev()
            .find(|line| line.contains("Booting worker"))
            .unwrap();
        assert!(last.contains(form), "{last}");
        let stamp = format!("/healthz?{before}");
        target.get(&stamp);
        target.get(&format!("/page?{before}"));
        server.stdout.wait_for(&format!("/page?{before}"));
        assert_eq!(server.stdout.so_far().contains(&stamp), health, "{config}");
    }
}

#[test]
fn gunicorns_own_class_may_be_changed() {
    let config = "import gunicorn.glogging as it\n\
        it.Logger.error_fmt = 'E %(message)s'\n\
        it.Logger.now = lambda self: 'now'\n\
        access_log_format = '%(t)s %(r)s'\n";
    let dir = folder_with(config);
    let (access, error) = logs(serve(dir.path(), &["app:app"]), &["/page"]);
    assert_eq!(access, "now GET /page HTTP/1.1");
    assert!(
        error.contains("E Listening at: ") && error.contains("\nE Worker exiting"),
        "{error}"
    );
}
