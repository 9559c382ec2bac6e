//! Both logs written by Python's `logging`.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::support::{Process, Start, folder, site};

const JSON: &str = r#"{
    "formatters": {"generic": {"format": "J|%(levelname)s|%(name)s|%(message)s"}},
    "filters": {"quiet": {"()": "quiet.Quiet"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "filters": ["quiet"],
            "stream": "ext://sys.stdout"
        },
        "error_console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stderr"
        }
    }
}"#;

/// Reads the fields of a request, as people's filters do.
const QUIET: &str = "import logging\n\
    class Quiet(logging.Filter):\n    \
        def filter(self, record):\n        \
            return record.args['U'] != '/health' and type(record.args['D']) is int \\\n            \
                and record.args['s'] == '200' and record.args['{user-AGENT}i'] == 'test'\n";

fn serve(dir: &Path, args: &[&str]) -> Process {
    site::copy_app("hello", dir);
    Start::server(["app"]).args(args).cwd(dir).spawn()
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: test\r\n\r\n")
}

#[test]
fn a_json_file_configures_both_logs() {
    let dir = folder();
    fs::write(dir.path().join("log.json"), JSON).unwrap();
    fs::write(dir.path().join("quiet.py"), QUIET).unwrap();
    let format = "%(m)s %(U)s %({user-agent}i)s";
    let args = [
        "--log-config-json",
        "log.json",
        "--access-logformat",
        format,
    ];
    let mut server = serve(dir.path(), &args);
    let target = server.target();
    target.exchange(request("/health"));
    target.exchange(request("/pid"));
    assert_eq!(
        server.stdout.wait_for("/pid"),
        "J|INFO|gunicorn.access|GET /pid test"
    );
    target.exchange(request("/broken"));
    let line = server.stderr.wait_for("Error handling request");
    assert_eq!(
        line,
        "J|ERROR|gunicorn.error|Error handling request GET /broken"
    );
    server.stderr.wait_for("RuntimeError: this page is broken");

    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let told = server.stdout.whole();
    assert!(!told.contains("/health"), "{told}");
}

#[test]
fn a_file_in_pythons_form_configures_both_logs() {
    let dir = folder();
    let file = dir.path().join("access.log");
    let config = "[loggers]\nkeys=root,access\n[handlers]\nkeys=file\n[formatters]\nkeys=short\n\
        [logger_root]\nlevel=WARNING\nhandlers=\n\
        [logger_access]\nqualname=gunicorn.access\nlevel=INFO\nhandlers=file\npropagate=0\n\
        [handler_file]\nclass=FileHandler\nargs=('%(here)s/access.log',)\nformatter=short\n\
        [formatter_short]\nformat=F|%(message)s\n";
    fs::write(dir.path().join("log.ini"), config).unwrap();
    let server = serve(dir.path(), &["--log-config", "log.ini"]);
    let target = server.target();
    let read = || fs::read_to_string(&file).unwrap_or_default();

    assert_eq!(target.exchange(request("/pid")).status, 200);
    let _ = target.exchange(request("/"));
    assert!(read().starts_with("F|127.0.0.1 - - ["), "{}", read());
    // What the configuration does not mention is as by default.
    target.exchange(request("/broken"));
    let line = server.stderr.wait_for("Error handling request");
    assert!(line.contains("] [ERROR] Error handling request"), "{line}");

    fs::rename(&file, dir.path().join("access.1")).unwrap();
    server.signal(Signal::SIGUSR1);
    let deadline = std::time::Instant::now() + crate::support::DEADLINE;
    while !file.exists() {
        assert!(std::time::Instant::now() < deadline, "it is not reopened");
        std::thread::yield_now();
    }
    target.exchange(request("/after"));
    let _ = target.exchange(request("/"));
    assert!(read().contains("GET /after"), "{}", read());
}

#[test]
fn a_broken_config_is_told_and_leaves_the_old_one() {
    let dir = folder();
    let path = dir.path().join("log.json");
    fs::write(&path, "{\"version\": 2}").unwrap();
    let mut broken = serve(dir.path(), &["--log-config-json", "log.json"]);
    assert_eq!(broken.exit_code(), 3);
    let told = broken.stderr.whole();
    let sentence = format!(
        "The logging config cannot be used: logconfig_json '{}': ValueError: Unsupported version: 2",
        path.display()
    );
    assert!(told.lines().any(|line| line == sentence), "{told}");
    assert!(!told.contains("Traceback"), "{told}");

    fs::write(&path, JSON.replace("\"filters\": [\"quiet\"],", "")).unwrap();
    fs::write(dir.path().join("quiet.py"), QUIET).unwrap();
    let server = serve(dir.path(), &["--log-config-json", "log.json"]);
    let target = server.target();
    assert_eq!(target.exchange(request("/")).status, 200);
    fs::write(&path, "not JSON").unwrap();
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for("The logging config cannot be used: ");
    assert_eq!(target.exchange(request("/still")).status, 200);
    server.stdout.wait_for("GET /still");
}

#[test]
fn what_is_wrong_with_a_config_is_one_sentence() {
    let dir = folder();
    site::copy_app("hello", dir.path());
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("list.json", "[1]");
    write(
        "handler.json",
        r#"{"handlers": {"console": {"class": "logging.FileHandler", "filename": "/nowhere/log"}}}"#,
    );
    write("empty.ini", "");
    write("version.py", "logconfig_dict = {'version': 2}\n");
    write(
        "class.py",
        "logconfig_dict = {'handlers': {'console': {'class': 'logging.Nothing'}}}\n",
    );
    let path = |name: &str| dir.path().join(name).display().to_string();
    for (args, told) in [
        (
            ["--log-config-json", "list.json"],
            format!(
                "logconfig_json '{}': TypeError: there is a list in it",
                path("list.json")
            ),
        ),
        (
            ["--log-config-json", "handler.json"],
            "ValueError: Unable to configure handler 'console': FileNotFoundError: [Errno 2] No \
             such file or directory: '/nowhere/log'"
                .to_owned(),
        ),
        (
            ["--log-config", "empty.ini"],
            format!("logconfig '{}': KeyError: 'formatters'", path("empty.ini")),
        ),
        (
            ["--config", "version.py"],
            "logconfig_dict: ValueError: Unsupported version: 2".to_owned(),
        ),
        (
            ["--config", "class.py"],
            "logconfig_dict: ValueError: Unable to configure handler 'console': ".to_owned(),
        ),
    ] {
        let ended = Start::server(args).args(["app"]).cwd(dir.path()).run();
        assert!([1, 3].contains(&ended.code), "{}", ended.stderr);
        let lines: Vec<_> = ended.stderr.lines().collect();
        let at = lines
            .iter()
            .position(|line| line.contains("The logging config cannot be used: "));
        let at = at.unwrap_or_else(|| panic!("{}", ended.stderr));
        assert!(lines[at].contains(&told), "{told}\n{}", ended.stderr);
        // The next text is another line of the log.
        assert!(
            lines[at + 1..].iter().all(|line| line.starts_with('[')),
            "{}",
            ended.stderr
        );
    }
    for flag in ["--log-config-json", "--log-config"] {
        let ended = Start::server([flag, "-", "app"]).cwd(dir.path()).run();
        assert_eq!(ended.code, 1, "{}", ended.stderr);
        let told = format!(
            "Error: Invalid value for {flag}: there is no file '{}'.",
            path("-")
        );
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    }
    // If the user's own code raises, the sentence says where.
    write(
        "mine.py",
        "import logging\nclass Mine(logging.Handler):\n    def __init__(self):\n        1 / 0\n",
    );
    write(
        "mine.json",
        r#"{"handlers": {"console": {"class": "mine.Mine"}}}"#,
    );
    let ended = Start::server(["--log-config-json", "mine.json", "app"])
        .cwd(dir.path())
        .run();
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let told = format!(
        "ZeroDivisionError: division by zero\n  File \"{}\", line 4, in __init__\n    1 / 0",
        path("mine.py")
    );
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    assert!(!ended.stderr.contains("config.py"), "{}", ended.stderr);
}

#[test]
fn a_dict_with_objects_configures_the_masters_lines_too() {
    const CONFIG: &str = r#"
import logging, sys

class Loud(logging.Formatter):
    def format(self, record):
        return super().format(record).upper()

wsgi_app = "app"
logconfig_dict = {
    "root": {"level": "WARNING", "handlers": []},
    "formatters": {"loud": {"()": Loud, "format": "A LINE\nAND %(process)d %(message)s"}},
    "handlers": {"errors": {"class": "logging.StreamHandler", "formatter": "loud", "stream": sys.stderr}},
    "loggers": {"gunicorn.error": {"level": "INFO", "handlers": ["errors"], "propagate": False}},
}

def post_worker_init(worker):
    worker.log.info("of a hook")
"#;
    let dir = folder();
    fs::write(dir.path().join("gunicorn.conf.py"), CONFIG).unwrap();
    let mut server = serve(dir.path(), &[]);
    let master = server.pid();
    server.stderr.wait_for("AND ");
    let booted = server.stderr.wait_for("BOOTING WORKER WITH PID: ");
    let (_, worker) = booted.rsplit_once(' ').unwrap();
    assert_eq!(
        booted,
        format!("AND {worker} BOOTING WORKER WITH PID: {worker}")
    );
    server.stderr.wait_for(&format!("AND {worker} OF A HOOK"));

    // A wrong configuration at HUP changes nothing.
    let broken = CONFIG.replace("logging.StreamHandler", "logging.Nothing");
    fs::write(dir.path().join("gunicorn.conf.py"), broken).unwrap();
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for("Reload failed, the old workers go on serving");
    server.stderr.wait_for("logging.Nothing");
    // Without any configuration the format is the default again.
    fs::write(dir.path().join("gunicorn.conf.py"), "wsgi_app = 'app'\n").unwrap();
    server.signal(Signal::SIGHUP);
    server.stderr.wait_for("[INFO] Booting worker with pid: ");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let told = server.stderr.whole();
    assert!(
        told.contains(&format!("A LINE\nAND {master} LISTENING AT: HTTP://")),
        "{told}"
    );
    assert_eq!(told.matches("OF A HOOK").count(), 1, "{told}");
}
