//! All settings that change nothing or are refused, and the effects of others
//! that need little. Which test shows a setting's effect stands at its row, in
//! `src/config/settings/`.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{DEADLINE, Process, Response, Start, Target, app, folder, wait_until};

/// Values other than the default of settings that change nothing, where one
/// cannot be made from the default.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("http_parser", "'python'"),
    ("worker_tmp_dir", "'/dev/shm'"),
    ("uwsgi_allow_ips", "'*'"),
    ("control_socket", "'control.sock'"),
    ("paste", "'site.ini'"),
    ("protocol", "'uwsgi'"),
    ("raw_paste_global_conf", "['a=b']"),
    ("dirty_apps", "['app:app']"),
];

#[derive(Debug)]
enum Standing {
    Works,
    Idle(String),
    Refused(String),
}

/// A setting, as the reference page tells of it.
#[derive(Debug)]
struct Setting {
    name: String,
    default: Option<String>,
    /// Its first line in a config file, if it is a hook.
    function: Option<String>,
    standing: Standing,
}

impl Setting {
    /// All settings of the page, which is made from the program's own table.
    fn all() -> Vec<Self> {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/settings.md");
        let page = fs::read_to_string(page).unwrap();
        page.split("\n### `").skip(1).map(Self::read).collect()
    }

    fn read(entry: &str) -> Self {
        let value = |key: &str| {
            let key = format!("- {key}");
            let line = entry.lines().find_map(|line| line.strip_prefix(&key))?;
            Some(line.trim().trim_matches('`').to_owned())
        };
        let idle = value("Changes nothing. ").map(Standing::Idle);
        let refused = value("Refused: ").map(Standing::Refused);
        Self {
            name: entry.split('`').next().unwrap().to_owned(),
            default: value("Default: "),
            function: value("Function: "),
            standing: idle.or(refused).unwrap_or(Standing::Works),
        }
    }

    /// Lines of a config file that give it another value than the default.
    fn given(&self) -> String {
        let name = &self.name;
        if let Some(function) = &self.function {
            return format!("{function} pass\n");
        }
        let other = OTHER_VALUES.iter().find(|(other, _)| other == name);
        let value = match (other, self.default.as_deref().unwrap()) {
            (Some((_, value)), _) => (*value).to_owned(),
            (None, "True") => "False".to_owned(),
            (None, "False") => "True".to_owned(),
            (None, number) => {
                let number: u64 = number.parse().unwrap_or_else(|_| {
                    panic!("OTHER_VALUES must have a value for {name}");
                });
                (number + 1).to_string()
            }
        };
        format!("{name} = {value}\n")
    }
}

/// Checks a config file with these lines.
fn check(text: &str) -> (i32, String, String) {
    let dir = folder();
    let file = dir.path().join("config.py");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let finished = Start::new(["-c", file, "--check-config", "app"])
        .cwd(app("hello"))
        .run();
    (finished.code, finished.stderr, file.to_owned())
}

#[test]
fn each_refused_setting_gives_its_advice() {
    for setting in Setting::all() {
        if let Standing::Refused(advice) = &setting.standing {
            let (code, told, file) = check(&setting.given());
            let name = &setting.name;
            let sentence =
                format!("Error: Invalid value for {name}: {advice} It stands in {file}.");
            assert_eq!((code, told.trim()), (1, &*sentence));
        }
    }
}

#[test]
fn each_setting_that_changes_nothing_says_why() {
    let settings = Setting::all();
    let idle = settings
        .iter()
        .filter_map(|setting| match &setting.standing {
            Standing::Idle(why) => Some((setting, why)),
            _ => None,
        });
    let text: String = idle.clone().map(|(setting, _)| setting.given()).collect();
    let (code, told, _) = check(&text);
    assert_eq!(code, 0, "{told}");
    for (setting, why) in idle.clone() {
        let name = &setting.name;
        let warning = format!("Warning: The setting {name} changes nothing. {why}");
        assert!(told.lines().any(|line| line == warning), "{name}: {told}");
    }
    assert_eq!(told.lines().count(), idle.count(), "{told}");
}

/// The site that tells what it was asked.
fn mirror(args: &[&str]) -> Process {
    Start::server(args)
        .args(["app:app"])
        .cwd(app("mirror"))
        .spawn()
}

/// A site of one module, with a config file if it is not empty.
fn site(source: &str, config: &str, args: &[&str]) -> (tempfile::TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), source).unwrap();
    fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let server = Start::server(args).cwd(dir.path()).spawn();
    (dir, server)
}

fn seen(target: &Target, request: &str) -> Value {
    serde_json::from_str(&target.exchange(request).ok()).unwrap()
}

#[test]
fn what_old_clients_send_is_taken_when_asked_for() {
    let strict = mirror(&["--limit-request-field_size", "100"]);
    let lenient = mirror(&[
        "--permit-obsolete-folding",
        "--strip-header-spaces",
        "--permit-unconventional-http-method",
        "--permit-unconventional-http-version",
        "--server-header",
        "shop/1",
    ]);
    let folding = mirror(&[
        "--casefold-http-method",
        "--permit-unconventional-http-method",
        "--server-header",
        "",
    ]);
    let (strict, lenient, folding) = (strict.target(), lenient.target(), folding.target());

    let long = format!("X: {}", "y".repeat(100));
    for (status, method, version, field, key, value) in [
        (400, "GET", "1.1", "X: y\r\n z", "HTTP_X", "y z"),
        (400, "GET", "1.1", "X : y", "HTTP_X", "y"),
        (400, "G#T", "1.1", "X: y", "HTTP_X", "y"),
        (505, "GET", "2.0", "X: y", "HTTP_X", "y"),
        (431, "GET", "1.1", &long, "HTTP_X", &long[3..]),
    ] {
        let request =
            format!("{method} / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n{field}\r\n\r\n");
        assert_eq!(strict.exchange(&request).status, status, "{request:?}");
        let page = seen(&lenient, &request);
        assert_eq!(page["method"], method, "{request:?}");
        assert_eq!(page["fields"][key], value, "{request:?}");
    }

    let small = "get / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(strict.exchange(small).status, 400);
    assert_eq!(seen(&folding, small)["method"], "GET");

    assert_eq!(strict.get("/").header("Server"), Some("rgunicorn"));
    assert_eq!(lenient.get("/").header("Server"), Some("shop/1"));
    assert_eq!(folding.get("/").header("Server"), None);
}

#[test]
fn fields_with_an_underscore_are_mapped_as_asked_for() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX_Y: z\r\n\r\n";
    let drops = mirror(&[]);
    assert_eq!(
        seen(&drops.target(), request)["fields"]["HTTP_X_Y"],
        Value::Null
    );
    let keeps = mirror(&["--header-map", "dangerous"]);
    assert_eq!(seen(&keeps.target(), request)["fields"]["HTTP_X_Y"], "z");
    let refuses = mirror(&["--header-map", "refuse"]);
    assert_eq!(refuses.target().exchange(request).status, 400);
}

#[test]
fn fields_of_a_proxy_have_the_names_that_are_given() {
    let source = fs::read_to_string(app("mirror").join("app.py")).unwrap();
    let config = "secure_scheme_headers = {'X-OUTSIDE': 'tls'}\nforwarder_headers = 'ITS_USER'\n";
    let (_dir, server) = site(&source, config, &["app:app"]);
    let get = |fields: &str| {
        let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        seen(&server.target(), &format!("{head}{fields}\r\n"))
    };
    assert_eq!(get("X-Outside: tls\r\n")["scheme"], "https");
    assert_eq!(get("X-Forwarded-Proto: https\r\n")["scheme"], "http");
    let page = get("Its_User: bob\r\nIts_Friend: eve\r\n");
    assert_eq!(page["fields"]["HTTP_ITS_USER"], "bob");
    assert_eq!(page["fields"]["HTTP_ITS_FRIEND"], Value::Null);
}

/// How many of ten clients can connect while nobody accepts.
fn waiting(backlog: &str) -> usize {
    let server = mirror(&["--backlog", backlog]);
    let Target::Tcp(address) = server.target() else {
        unreachable!("it was asked to listen there");
    };
    server.target().get("/");
    let worker = server.workers(1)[0];
    kill(worker, Signal::SIGSTOP).unwrap();
    let patience = if backlog == "2" {
        Duration::from_millis(200)
    } else {
        DEADLINE
    };
    let clients = (0..10).map(|_| TcpStream::connect_timeout(&address, patience));
    let clients: Vec<_> = clients.collect();
    clients.iter().filter(|client| client.is_ok()).count()
}

#[test]
fn a_short_backlog_holds_few_connections() {
    // Linux lets one more wait than was asked for.
    assert!(waiting("2") <= 3);
    assert_eq!(waiting("20"), 10);
}

#[test]
fn a_worker_has_so_many_clients_at_a_time() {
    let server = mirror(&["--worker-connections", "1"]);
    let target = server.target();
    let mut first = target.connect().unwrap();
    let head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    first.write_all(head).unwrap();
    let Target::Tcp(address) = &target else {
        unreachable!("it was asked to listen there");
    };
    let mut second = TcpStream::connect(address).unwrap();
    second.write_all(head).unwrap();
    second.write_all(b"\r\n").unwrap();
    let patience = Duration::from_millis(300);
    second.set_read_timeout(Some(patience)).unwrap();
    assert!(second.peek(&mut [0]).is_err());
    first.write_all(b"\r\n").unwrap();
    assert_eq!(Response::read(&mut first, false).unwrap().status, 200);
    drop(first);
    second.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(Response::read(&mut second, false).unwrap().status, 200);
}

#[test]
fn a_worker_may_serve_more_than_its_requests_by_chance() {
    // That it is replaced within these few is as good as impossible.
    let args = ["--max-requests", "1", "--max-requests-jitter", "1000000000"];
    let server = Start::server(args).args(["app"]).cwd(app("hello")).spawn();
    let target = server.target();
    let worker = target.get("/pid").ok();
    for _ in 0..5 {
        assert_eq!(target.get("/pid").ok(), worker);
    }
}

#[test]
fn pre_exec_is_called_in_the_next_masters_process() {
    let source = fs::read_to_string(app("hello").join("app.py")).unwrap();
    let config = "import os, sys\npidfile = 'pid'\ndef pre_exec(server):\n    \
                  print('becomes a master:', os.getpid(), file=sys.stderr, flush=True)\n";
    let (dir, server) = site(&source, config, &["app"]);
    server.target().get("/").ok();
    server.signal(Signal::SIGUSR2);
    let line = server.stderr.wait_for("becomes a master: ");
    let next = line.rsplit(' ').next().unwrap();
    wait_until("the next master has its pid file", || {
        fs::read_to_string(dir.path().join("pid.2")).is_ok_and(|text| text.trim() == next)
    });
    assert_ne!(next, server.pid().to_string());
}

/// The status for a body that comes byte by byte, in much longer than `timeout`.
fn answer_to_a_slow_body(rate: &str) -> u16 {
    let server = mirror(&["--timeout", "2", "--body-min-rate", rate]);
    let Target::Tcp(address) = server.target() else {
        unreachable!("it was asked to listen there");
    };
    let mut stream = TcpStream::connect(address).unwrap();
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n";
    stream.write_all(head).unwrap();
    let pause = Duration::from_millis(200);
    stream.set_read_timeout(Some(pause)).unwrap();
    for _ in 0..30 {
        stream.write_all(b"x").unwrap();
        if stream.peek(&mut [0]).is_ok() {
            break;
        }
    }
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Response::read(&mut stream, false).unwrap().status
}

#[test]
fn a_body_has_its_slowest_rate() {
    let slow = thread::spawn(|| answer_to_a_slow_body("1"));
    // At this rate, a byte earns no time to speak of.
    assert_eq!(answer_to_a_slow_body("1000000"), 408);
    assert_eq!(slow.join().unwrap(), 200);
}

#[test]
fn who_takes_nothing_of_an_answer_is_cut_off() {
    const LENGTH: usize = 64 << 20;
    let source = format!(
        "def app(environ, start_response):\n    \
         start_response('200 OK', [('Content-Length', '{LENGTH}')])\n    \
         return [bytes({LENGTH})]\n"
    );
    let (_dir, server) = site(&source, "", &["--send-timeout", "1", "app:app"]);
    let mut stream = server.target().connect().unwrap();
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).unwrap();
    wait_until("it is cut off", || stream.write_all(b"x").is_err());
    let mut some = Vec::new();
    let _ = stream.read_to_end(&mut some);
    assert!(some.len() < LENGTH, "{}", some.len());
}

/// True if the process has a file open whose path contains this.
fn has_open(pid: Pid, part: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|path| path.to_str().is_some_and(|path| path.contains(part)))
}

#[test]
fn long_bodies_wait_in_a_file_without_a_name() {
    let source = "import sys\ndef app(environ, start_response):\n    \
                  print('called', file=sys.stderr, flush=True)\n    \
                  size = len(environ['wsgi.input'].read())\n    \
                  start_response('200 OK', [])\n    return [str(size).encode()]\n";
    let uploads = folder();
    let uploads = uploads.path().to_str().unwrap();
    let serve = |config: &str| {
        let dir = folder();
        fs::write(dir.path().join("app.py"), source).unwrap();
        fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
        let server = Start::server(["app:app"])
            .cwd(dir.path())
            .env("TMPDIR", uploads)
            .spawn();
        (dir, server)
    };
    let half = vec![b'x'; 500_000];
    let head =
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n";

    let (_dir, server) = serve("");
    let worker = server.workers(1)[0];
    let mut stream = server.target().connect().unwrap();
    stream.write_all(&[&head[..], &half].concat()).unwrap();
    wait_until("the body is in a file", || has_open(worker, uploads));
    assert!(!server.stderr.so_far().contains("called"));
    assert_eq!(fs::read_dir(uploads).unwrap().count(), 0);
    stream.write_all(&half).unwrap();
    assert_eq!(Response::read(&mut stream, false).unwrap().ok(), "1000000");

    // In the folder that is set.
    let other = folder();
    let other = other.path().to_str().unwrap();
    let (_dir, server) = serve(&format!("tmp_upload_dir = '{other}'\n"));
    let worker = server.workers(1)[0];
    let mut stream = server.target().connect().unwrap();
    stream.write_all(&[&head[..], &half].concat()).unwrap();
    wait_until("the body is in a file", || has_open(worker, other));
    stream.write_all(&half).unwrap();
    assert_eq!(Response::read(&mut stream, false).unwrap().ok(), "1000000");

    // What is longer than the file may be is read by the app as it comes in.
    let (_dir, server) = serve("body_spool_size = 200_000\n");
    let mut stream = server.target().connect().unwrap();
    stream.write_all(&[&head[..], &half].concat()).unwrap();
    server.stderr.wait_for("called");
    stream.write_all(&half).unwrap();
    assert_eq!(Response::read(&mut stream, false).unwrap().ok(), "1000000");
}

#[test]
fn files_are_read_only_where_they_are_not_sent() {
    // A duplicate shares the place up to which a file was read.
    let source = "import os\nkept = []\ndef app(environ, start_response):\n    \
                  start_response('200 OK', [])\n    \
                  if environ['PATH_INFO'] == '/place':\n        \
                  return [str(os.lseek(kept[0], 0, os.SEEK_CUR)).encode()]\n    \
                  file = open(__file__, 'rb')\n    \
                  kept.append(os.dup(file.fileno()))\n    \
                  return environ['wsgi.file_wrapper'](file)\n";
    let length = source.len().to_string();
    for (args, variable, place) in [
        (&["app:app"][..], "y", "0"),
        (&["--no-sendfile", "app:app"], "y", &*length),
        (&["app:app"], "no", &*length),
    ] {
        let dir = folder();
        fs::write(dir.path().join("app.py"), source).unwrap();
        let server = Start::server(args)
            .env("SENDFILE", variable)
            .cwd(dir.path())
            .spawn();
        assert_eq!(server.target().get("/").ok(), source);
        assert_eq!(
            server.target().get("/place").ok(),
            place,
            "{args:?} {variable}"
        );
    }
}

#[test]
fn a_config_file_has_its_own_logger_and_log() {
    let source = "def application(environ, start_response):\n    \
                  start_response('200 OK', [])\n    return [b'hello']\n";
    let config = r#"
import sys
from gunicorn.glogging import Logger

class Mine(Logger):
    pass

logger_class = Mine
default_proc_name = "shop"
accesslog = "-"
logconfig_dict = {
    "root": {"level": "WARNING", "handlers": []},
    "formatters": {"short": {"format": "SHORT %(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "access.log", "formatter": "short"}},
    "loggers": {"gunicorn.access": {"level": "INFO", "handlers": ["file"], "propagate": False, "qualname": "gunicorn.access"}},
}

def post_worker_init(worker):
    print("the logger is", type(worker.log).__name__, file=sys.stderr, flush=True)
"#;
    let (dir, server) = site(source, config, &[]);
    server.stderr.wait_for("the logger is Mine");
    assert_eq!(server.target().get("/").ok(), "hello");
    let log = dir.path().join("access.log");
    wait_until("the access log has the line", || {
        fs::read_to_string(&log).is_ok_and(|text| text.starts_with("SHORT 127.0.0.1 - - ["))
    });
    let title = fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert!(title.starts_with("gunicorn: master [shop]"), "{title}");
}

#[test]
fn in_the_background_the_output_can_be_kept() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let output = fs::File::create(path("output")).unwrap();
    let socket = format!("unix:{}", path("sock"));
    let mut command = std::process::Command::new(crate::support::program());
    let status = command
        .args(["--daemon", "-R", "--bind", &socket, "--pid", &path("pid")])
        .args(["--error-logfile", &path("log"), "app"])
        .current_dir(app("hello"))
        .stdin(std::process::Stdio::null())
        .stdout(output)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    wait_until("it serves", || {
        fs::read_to_string(path("log")).is_ok_and(|log| log.contains("Booting worker"))
    });
    let pid = fs::read_to_string(path("pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    let kept = fs::read_link(format!("/proc/{pid}/fd/1"));
    kill(pid, Signal::SIGTERM).unwrap();
    wait_until("its pid file is gone", || {
        fs::metadata(path("pid")).is_err()
    });
    assert_eq!(kept.unwrap().to_str(), Some(&*path("output")));
}
