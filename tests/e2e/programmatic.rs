//! Programs that start the server themselves, with the classes of `gunicorn.app`. Each
//! is run as its users run it.

use std::fs;
use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::{Finished, Process, Start, folder, program, site, wait_until};

/// Answers with what is requested: a variable, the arguments, the folder.
const APP: &str = r#"
import os, sys
def app(environ, start_response):
    path, _, name = environ["PATH_INFO"][1:].partition("/")
    body = {
        "env": lambda: os.environ.get(name, "-"),
        "argv": lambda: " ".join(sys.argv[1:]),
        "folder": lambda: os.path.basename(os.getcwd()),
        "args": lambda: os.environ.get("GUNICORN_CMD_ARGS", "-"),
    }[path]()
    start_response("200 OK", [])
    return [body.encode()]
"#;

fn site_of(files: &[(&str, &str)]) -> TempDir {
    let dir = folder();
    for (name, text) in [("app.py", APP)].iter().chain(files) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    symlink(program(), dir.path().join("python3")).unwrap();
    dir
}

/// The executable under the name of Python: with the command `python` it would read the
/// variables of the server.
fn python(dir: &TempDir, words: &str) -> Start {
    Start::program(dir.path().join("python3"), words.split_whitespace()).cwd(dir.path())
}

#[track_caller]
fn answer(server: &Process, path: &str) -> String {
    server.target().get(path).ok()
}

#[track_caller]
fn refused(said: &Finished, code: i32, sentence: &str) {
    assert_eq!(said.code, code, "{}", said.stderr);
    assert!(said.stderr.contains(sentence), "{}", said.stderr);
    assert!(!said.stderr.contains("Traceback"), "{}", said.stderr);
}

/// An application as in Gunicorn's documentation.
const CUSTOM: &str = r#"
import multiprocessing
import gunicorn.app.base

def handler_app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Works fine"]

class StandaloneApplication(gunicorn.app.base.BaseApplication):
    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        known = self.cfg.settings
        for key, value in self.options.items():
            if key in known and value is not None:
                self.cfg.set(key.lower(), value)

    def load(self):
        return self.application

if __name__ == "__main__":
    options = {"bind": "%s:%s" % ("127.0.0.1", "0"), "workers": 2, "nonsense": 1}
    StandaloneApplication(handler_app, options).run()
"#;

#[test]
fn the_custom_application_of_the_documentation() {
    let dir = site_of(&[("custom.py", CUSTOM)]);
    let server = python(&dir, "custom.py").spawn();
    assert_eq!(answer(&server, "/"), "Works fine");
    server.workers(2);
    let title = fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert!(title.starts_with("gunicorn: master [gunicorn]"), "{title}");
}

#[test]
fn a_wsgi_application_that_is_told_the_app_by_its_program() {
    let script = r#"
from gunicorn.app.wsgiapp import WSGIApplication
class Own(WSGIApplication):
    def __init__(self, app_uri, options):
        self.options = options
        self.app_uri = app_uri
        super().__init__()
    def load_config(self):
        for key, value in self.options.items():
            self.cfg.set(key, value)
Own("app:app", {"bind": "127.0.0.1:0", "raw_env": ["A=own"], "threads": "2"}).run()
"#;
    let dir = site_of(&[("script.py", script)]);
    let server = python(&dir, "script.py x y").spawn();
    assert_eq!(answer(&server, "/env/A"), "own");
    assert_eq!(answer(&server, "/argv"), "x y");
    server.stderr.wait_for("Using worker: gthread");
}

const APPLICATION: &str = r#"
from gunicorn.app.base import Application
class Own(Application):
    def init(self, parser, opts, args):
        self.module = args[0]
        return {"bind": "127.0.0.1:0", "proc_name": "init"}
    def load_config(self):
        super().load_config()
        print(self.cfg.workers, self.cfg.proc_name, self.cfg.preload_app)
    def load(self):
        module = __import__(self.module)
        print("loaded", flush=True)
        return module.app
Own("%(prog)s [OPTIONS] MODULE", prog="own").run()
"#;

#[test]
fn an_application_reads_the_command_line_the_config_file_and_the_variable() {
    let config = "workers = 5\nraw_env = ['A=file']\nproc_name = 'file'\npreload_app = True\n\
                  def post_fork(server, worker): server.log.info('hook %s', type(worker.app).__name__)\n";
    let dir = site_of(&[("script.py", APPLICATION), ("gunicorn.conf.py", config)]);
    let server = python(&dir, "script.py -w 2 app")
        .env("GUNICORN_CMD_ARGS", "--workers 4 --name arguments")
        .spawn();
    assert_eq!(answer(&server, "/env/A"), "file");
    assert_eq!(answer(&server, "/args"), "--workers 4 --name arguments");
    server.workers(2);
    server.stderr.wait_for("hook Own");
    server.stdout.wait_for("2 arguments True");
    server.stdout.wait_for("loaded");
    // What was printed before `run` was printed only once.
    let said = server.stdout.so_far();
    assert_eq!(said.matches("2 arguments True").count(), 1, "{said}");
}

#[test]
fn an_application_tells_of_its_options_and_of_wrong_ones() {
    let dir = site_of(&[("script.py", APPLICATION), ("broken.py", "1/0\n")]);
    let help = python(&dir, "script.py --help").run().expect_success();
    assert!(
        help.stdout.contains("own [OPTIONS] MODULE"),
        "{}",
        help.stdout
    );
    assert!(help.stdout.contains("--worker-class"), "{}", help.stdout);
    let version = python(&dir, "script.py --version").run().expect_success();
    assert_eq!(version.stdout.trim(), "own (version 27.0.1)");
    refused(
        &python(&dir, "script.py --nope app").run(),
        2,
        "own: error: ",
    );
    refused(
        &python(&dir, "script.py -c nowhere.py app").run(),
        1,
        "Error: 'nowhere.py' doesn't exist",
    );
    let said = python(&dir, "script.py -c broken.py app").run();
    assert_eq!(said.code, 1);
    assert!(
        said.stderr
            .contains("Failed to read config file: broken.py")
    );
    assert!(said.stderr.contains("ZeroDivisionError"));
}

const WSGI: &str = r#"
import sys
from gunicorn.app.wsgiapp import WSGIApplication
WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()
"#;

#[test]
fn the_command_itself_as_a_class() {
    let config = "bind = '127.0.0.1:0'\nwsgi_app = 'app:app'\n";
    let dir = site_of(&[("script.py", WSGI), ("gunicorn.conf.py", config)]);
    for words in ["script.py", "script.py app:app --workers 2"] {
        let server = python(&dir, words).spawn();
        assert_eq!(answer(&server, "/folder").len(), ".tmp123456".len());
    }
    fs::remove_file(dir.path().join("gunicorn.conf.py")).unwrap();
    refused(
        &python(&dir, "script.py").run(),
        1,
        "Error: No application module specified.",
    );
    python(&dir, "script.py --check-config app:app")
        .run()
        .expect_success();
    assert_eq!(
        python(&dir, "script.py --check-config app:nothing")
            .run()
            .code,
        1
    );
}

#[test]
fn a_relative_folder_is_entered_once() {
    let dir = site_of(&[("script.py", WSGI), ("inner/app.py", APP)]);
    let server = python(&dir, "script.py -b 127.0.0.1:0 --chdir inner app:app").spawn();
    assert_eq!(answer(&server, "/folder"), "inner");
}

/// The script that pip writes to `bin/gunicorn`, and scripts that people write.
#[test]
fn the_function_that_the_command_is() {
    let entry = "import re, sys\nfrom gunicorn.app.wsgiapp import run\n\
                 if __name__ == '__main__':\n    sys.exit(run())\n";
    let own = "import sys\nfrom gunicorn.app.wsgiapp import run\n\
               sys.argv = ['gunicorn', 'app:app', '--bind=127.0.0.1:0']\nrun()\n";
    let dir = site_of(&[("gunicorn", entry), ("own.py", own)]);
    for words in ["gunicorn -b 127.0.0.1:0 app:app", "own.py"] {
        assert_eq!(answer(&python(&dir, words).spawn(), "/env/NOTHING"), "-");
    }
}

/// Processes that the Python of a zip starts find the packages of the zip.
#[test]
fn the_command_within_a_zip() {
    let dir = folder();
    let app = format!("import extra\n{APP}");
    let files = [
        ("app.py", app.as_str()),
        ("site-packages/extra.py", ""),
        ("serve.py", WSGI),
    ];
    let zip = site::small_zip(dir.path(), &files);
    for words in [["-m", "gunicorn"].as_slice(), &["serve.py"]] {
        let server = Start::new(["--app-zip".as_ref(), zip.as_os_str(), "python".as_ref()])
            .args(words)
            .args(["-b", "127.0.0.1:0", "app:app"])
            .cwd(dir.path())
            .spawn();
        assert_eq!(answer(&server, "/env/NOTHING"), "-");
    }
}

/// Programs in which the server is one of several commands, started as a file, a
/// module, a folder and an archive. The app and what it pickles belong to the program.
#[test]
fn a_command_of_a_program() {
    let program = r#"
import argparse, pickle
from gunicorn.app.base import BaseApplication

class Greeting:
    def __init__(self, text):
        self.text = text

def app(environ, start_response):
    start_response("200 OK", [])
    return [pickle.loads(pickle.dumps(Greeting(args.greeting))).text.encode()]

class Server(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", [f"{args.host}:{args.port}"])
    def load(self):
        return app

parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
serve = commands.add_parser("serve")
serve.add_argument("--host", default="127.0.0.1")
serve.add_argument("--port", type=int)
serve.add_argument("greeting")
args = parser.parse_args()
Server().run()
"#;
    let dir = site_of(&[
        ("manage", program),
        ("manage.py", program),
        ("package/__init__.py", ""),
        ("package/__main__.py", program),
        ("package/inner.py", program),
        ("folder/__main__.py", program),
    ]);
    site::small_zip(dir.path(), &[("__main__.py", program)]);
    for words in [
        "manage",
        "manage.py",
        "-m package",
        "-m package.inner",
        "folder",
        "site.zip",
    ] {
        let server = python(&dir, &format!("{words} serve --port 0 hello")).spawn();
        assert_eq!(answer(&server, "/"), "hello", "{words}");
    }
}

#[test]
fn a_command_of_click() {
    let script = r#"
import click
from gunicorn.app.wsgiapp import WSGIApplication

@click.group()
def cli(): pass

@cli.command()
@click.option("--workers", type=int)
def serve(workers):
    class Own(WSGIApplication):
        def load_config(self):
            self.cfg.set("bind", "127.0.0.1:0")
            self.cfg.set("workers", workers)
            self.app_uri = "app:app"
    Own().run()

if __name__ == "__main__":
    cli()
"#;
    let dir = site_of(&[("script.py", script)]);
    let venv = site::venv("flask_site");
    let server = Start::program(
        venv.join("bin/python"),
        ["script.py", "serve", "--workers=2"],
    )
    .cwd(dir.path())
    .spawn();
    assert_eq!(answer(&server, "/argv"), "serve --workers=2");
    server.workers(2);
}

#[test]
fn functions_among_the_settings_are_hooks() {
    let script = r#"
from gunicorn.app.base import BaseApplication
def tell(name):
    with open("calls", "a") as file:
        print(name, file=file)
def post_fork(server, worker):
    tell(f"post_fork {worker.app.note} {server.app.note}")
class Own(BaseApplication):
    note = "own"
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("post_fork", post_fork)
        self.cfg.set("when_ready", lambda server: tell("when_ready"))
        self.cfg.set("pre_request", lambda worker, req: tell("pre_request " + req.path))
        self.cfg.set("post_request", lambda worker, req: tell("post_request"))
    def load(self):
        from app import app
        return app
Own().run()
"#;
    let dir = site_of(&[("script.py", script)]);
    let server = python(&dir, "script.py").spawn();
    assert_eq!(answer(&server, "/env/A"), "-");
    let calls = || fs::read_to_string(dir.path().join("calls")).unwrap_or_default();
    wait_until("the last hook was called", || {
        calls().contains("post_request")
    });
    assert_eq!(
        calls(),
        "when_ready\npost_fork own own\npre_request /env/A\npost_request\n"
    );
}

#[test]
fn settings_that_are_none_and_values_that_are_wrong() {
    let script = |line: &str| {
        format!(
            "from gunicorn.app.base import BaseApplication\n\
             class Own(BaseApplication):\n\
             \x20   def load_config(self):\n        {line}\n\
             \x20   def load(self): return None\n\
             Own().run()\n"
        )
    };
    for (line, sentence) in [
        (
            "self.cfg.set('worker', 2)",
            "Error: No configuration setting for: worker",
        ),
        ("self.cfg.workers = 2", "Error: Invalid access!"),
        (
            "self.cfg.set('workers', -1)",
            "Error: Value must be positive: -1",
        ),
        (
            "self.cfg.set('post_fork', lambda server: None)",
            "Error: Value must have an arity of: 2",
        ),
        // Only the server checks this.
        (
            "self.cfg.set('paste', 'site.ini')",
            "Invalid value for paste: ",
        ),
    ] {
        let dir = site_of(&[("script.py", &script(line))]);
        refused(&python(&dir, "script.py").run(), 1, sentence);
    }
}

#[test]
fn only_who_asks_for_the_variable_obeys_it() {
    let script = |asks: &str| {
        format!(
            r#"
from gunicorn.app.base import BaseApplication
class Own(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        if {asks}:
            words = self.cfg.get_cmd_args_from_env()
            for name, value in vars(self.cfg.parser().parse_args(words)).items():
                if value is not None and name != "args":
                    self.cfg.set(name, value)
    def load(self):
        from app import app
        return app
Own().run()
"#
        )
    };
    for (asks, expected) in [("True", "given"), ("False", "-")] {
        let dir = site_of(&[("script.py", &script(asks))]);
        let server = python(&dir, "script.py")
            .env("GUNICORN_CMD_ARGS", "--env A=given")
            .spawn();
        assert_eq!(answer(&server, "/env/A"), expected);
        // The app sees it unchanged.
        assert_eq!(answer(&server, "/args"), "--env A=given");
    }
}

#[test]
fn variables_give_defaults_here_too() {
    let dir = site_of(&[(
        "custom.py",
        &CUSTOM.replace("\"workers\": 2", "\"workers\": None"),
    )]);
    let server = python(&dir, "custom.py")
        .env("WEB_CONCURRENCY", "3")
        .spawn();
    server.workers(3);
}

#[test]
fn a_master_of_ones_own_is_run_and_what_it_overrides_is_told() {
    let script = r#"
import sys
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
class Master(Arbiter):
    def __init__(self, app):
        super().__init__(app)
        self.batch = min(5, self.num_workers)
    def manage_workers(self):
        super().manage_workers()
class Own(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
    def load(self):
        from app import app
        return app
    def run(self):
        try:
            Master(self).run()
        except RuntimeError as error:
            sys.exit(f"failed: {error}")
Own().run()
"#;
    let dir = site_of(&[("script.py", script)]);
    let server = python(&dir, "script.py").spawn();
    assert_eq!(answer(&server, "/env/A"), "-");
    let told = "Warning: Master overrides manage_workers(), which is never called";
    server.stderr.wait_for(told);
    assert_eq!(server.stderr.so_far().matches(told).count(), 1);
}

#[test]
fn a_program_may_catch_whatever_comes_out_of_run() {
    for (caught, then) in [
        ("except:", "raise SystemExit(1)"),
        ("except BaseException as error:", "print(error)"),
        ("finally:", "1 / 0"),
    ] {
        let script = CUSTOM.replace(
            "    StandaloneApplication(handler_app, options).run()",
            &format!(
                "    try:\n        StandaloneApplication(handler_app, options).run()\n    \
                 {caught}\n        {then}"
            ),
        );
        let dir = site_of(&[("custom.py", &script)]);
        let server = python(&dir, "custom.py").spawn();
        assert_eq!(answer(&server, "/"), "Works fine", "{caught}");
    }
}

#[test]
fn a_program_that_serves_only_once_is_told_so() {
    let script = CUSTOM.replace(
        "if __name__ == \"__main__\":",
        "import os\nif not os.path.exists('here'):\n    open('here', 'w').close()",
    );
    let dir = site_of(&[("custom.py", &script)]);
    let said = python(&dir, "custom.py").run();
    assert_eq!(said.code, 1);
    assert!(
        said.stderr.contains("custom.py has not called run()"),
        "{}",
        said.stderr
    );
}

#[test]
fn a_process_of_multiprocessing_is_told_that_it_cannot_serve() {
    let script = CUSTOM.replace(
        "StandaloneApplication(handler_app, options).run()",
        "process = multiprocessing.Process(target=StandaloneApplication(handler_app, options).run)\n    \
         process.start()\n    process.join()\n    raise SystemExit(process.exitcode)",
    );
    let dir = site_of(&[("custom.py", &script)]);
    refused(
        &python(&dir, "custom.py").run(),
        1,
        "Error: run() cannot serve in a process of multiprocessing",
    );
}

/// At HUP an application loads its settings again, as with Gunicorn's `reload`. What
/// the script did before, such as looking for a free port, is not repeated.
#[test]
fn a_reload_asks_the_application_again() {
    let script = r#"
import os
from gunicorn.app.base import BaseApplication
os.makedirs("inner", exist_ok=True)
os.chdir("inner")
with open("runs", "a") as runs:
    runs.write("run ")
class Own(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:0")
        self.cfg.set("raw_env", ["A=" + open("../value").read()])
    def load(self):
        from app import app
        return app
Own().run()
"#;
    let dir = site_of(&[("script.py", script), ("value", "first")]);
    let server = python(&dir, "script.py").spawn();
    let target = server.target();
    assert_eq!(target.get("/env/A").ok(), "first");
    fs::write(dir.path().join("value"), "second").unwrap();
    server.signal(Signal::SIGHUP);
    wait_until("the new settings are there", || {
        target.get("/env/A").ok() == "second"
    });
    assert_eq!(target.get("/folder").ok(), "inner");
    let runs = fs::read_to_string(dir.path().join("inner/runs")).unwrap();
    assert_eq!(runs, "run run ");
    // A broken application changes nothing.
    fs::remove_file(dir.path().join("value")).unwrap();
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for("Reload failed, the old workers go on serving");
    assert_eq!(target.get("/env/A").ok(), "second");
}
