//! The included package `gunicorn`: scripts, apps and config files that were written
//! for Gunicorn use it.

use std::fs;

use tempfile::TempDir;

use crate::support::{Start, folder};

const APP: &str = "import logging\n\
    log = logging.getLogger('own')\n\
    log.handlers = logging.getLogger('gunicorn.error').handlers\n\
    log.setLevel(logging.INFO)\n\
    def app(environ, start_response):\n\
    \x20   log.info('said by the app')\n\
    \x20   start_response('200 OK', [])\n\
    \x20   return [b'module']\n";

fn site(name: &str, text: &str) -> TempDir {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    fs::write(dir.path().join(name), text).unwrap();
    dir
}

#[test]
fn a_script_with_an_application_of_its_own_becomes_the_server() {
    let script = "from gunicorn.app.base import BaseApplication\n\
        class Own(BaseApplication):\n\
        \x20   def load_config(self):\n\
        \x20       self.cfg.set('bind', '127.0.0.1:0')\n\
        \x20       self.cfg.set('workers', 2)\n\
        \x20   def load(self):\n\
        \x20       def app(environ, start_response):\n\
        \x20           start_response('200 OK', [])\n\
        \x20           return [b'own']\n\
        \x20       return app\n\
        if __name__ == '__main__':\n\
        \x20   Own().run()\n";
    let dir = site("script.py", script);
    let server = Start::new(["python", "script.py"]).cwd(dir.path()).spawn();
    assert_eq!(server.target().get("/").ok(), "own");
    server.workers(2);
}

#[test]
fn the_module_is_the_server_and_its_handlers_are_the_error_log() {
    let dir = site("other.py", "");
    let args = ["python", "-m", "gunicorn", "-b", "127.0.0.1:0", "app:app"];
    let server = Start::new(args).cwd(dir.path()).spawn();
    assert_eq!(server.target().get("/").ok(), "module");
    server.stderr.wait_for("[INFO] said by the app");
}

#[test]
fn every_module_can_be_imported() {
    let code = "import gunicorn, importlib, pkgutil\n\
        names = [m.name for m in pkgutil.walk_packages(gunicorn.__path__, 'gunicorn.')]\n\
        for name in names: importlib.import_module(name)\n\
        print(len(names) > 20, 'gunicorn.workers.gthread' in names)";
    let said = Start::new(["python", "-c", code]).run().expect_success();
    assert_eq!(said.stdout.trim(), "True True");
}

const LOGGER: &str = "from gunicorn.glogging import Logger\n\
    class Own(Logger):\n\
    \x20   def info(self, msg, *args, **kwargs):\n\
    \x20       super().info('own: ' + msg, *args, **kwargs)\n";

#[test]
fn a_logger_of_its_own_is_what_hooks_log_to() {
    let text = format!(
        "{LOGGER}logger_class = Own\n\
         def when_ready(server): server.log.info('ready')\n"
    );
    let dir = site("gunicorn.conf.py", &text);
    let server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    server.stderr.wait_for("[INFO] own: ready");
}

/// What a hook can do with the methods of `server`, also in a worker.
#[test]
fn the_methods_of_the_server_steer_the_master() {
    let text = "import signal\n\
        def post_fork(server, worker):\n\
        \x20   global master\n\
        \x20   master = server\n\
        def pre_request(worker, req):\n\
        \x20   name, _, argument = req.path[1:].partition('/')\n\
        \x20   getattr(master, name)(*(getattr(signal, argument),) if argument else ())\n";
    let dir = site("gunicorn.conf.py", text);
    let server = Start::server(["app:app"]).cwd(dir.path()).spawn();
    let target = server.target();
    // These make the master do what it also does by itself.
    assert_eq!(target.get("/manage_workers").ok(), "module");
    assert_eq!(target.get("/handle_ttin").ok(), "module");
    server.stderr.wait_for("Handling signal: ttin");
    server.workers(2);
    assert_eq!(target.get("/reload").ok(), "module");
    server.stderr.wait_for("Handling signal: hup");
    // The number in the settings again.
    server.workers(3);
    for (path, sentence) in [
        ("/spawn_worker", "set server.num_workers, or send TTIN"),
        ("/spawn_dirty_arbiter", "there are no dirty workers"),
        ("/start", "the master runs already"),
    ] {
        assert_eq!(target.get(path).status, 500);
        let name = &path[1..];
        server.stderr.wait_for(&format!(
            "server.{name}() cannot be called here: {sentence}"
        ));
    }
    let _ = target.get("/stop");
    server.stderr.wait_for("Handling signal: term");
}

/// The names of all modules of the package.
fn modules() -> Vec<String> {
    let code = "import gunicorn, pkgutil, sys\n\
        parts = pkgutil.walk_packages(gunicorn.__path__, 'gunicorn.')\n\
        print(*sorted({part.name for part in parts}.union(\n\
        \x20   name for name in sys.modules if name.startswith('gunicorn.'))))";
    let said = Start::new(["python", "-c", code]).run().expect_success();
    let names: Vec<String> = said.stdout.split_whitespace().map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "gunicorn.http2.stream"));
    names
}

#[test]
fn every_module_can_be_imported_first() {
    for module in modules() {
        let code = format!("import {module}");
        Start::new(["python", "-c", &code]).run().expect_success();
    }
}

/// As the first line of an app: `logging` is not imported yet. When it is imported, our
/// `gunicorn` gives it the server's logs.
#[test]
fn every_module_can_be_imported_first_by_an_app() {
    let dir = site("other.py", "");
    for module in modules() {
        let text = format!(
            "import {module}\nimport logging\n\
             assert logging.getLogger('gunicorn.error').handlers, 'no handlers'\n{APP}"
        );
        fs::write(dir.path().join("app.py"), text).unwrap();
        Start::new(["--check-config", "app:app"])
            .cwd(dir.path())
            .run()
            .expect_success();
    }
}

#[test]
fn the_modules_can_be_imported_in_any_order() {
    let modules = modules().join(" ");
    let code = format!(
        "import random, importlib\nmodules = '{modules}'.split()\n\
         random.Random(SEED).shuffle(modules)\n\
         for module in modules: importlib.import_module(module)\n"
    );
    let dir = site("other.py", "");
    for seed in 0..10 {
        let code = code.replace("SEED", &seed.to_string());
        Start::new(["python", "-c", &code]).run().expect_success();
        fs::write(dir.path().join("app.py"), code + APP).unwrap();
        Start::new(["--check-config", "app:app"])
            .cwd(dir.path())
            .run()
            .expect_success();
    }
}
