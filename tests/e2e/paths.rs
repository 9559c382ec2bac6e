//! Paths that are not UTF-8. The system allows any bytes, so everything that names a
//! path must, too.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::certificates::Authority;
use crate::support::status::{ctl, report, status_target};
use crate::support::{Start, Target, app, copy_program, folder, site, uninterrupted, wait_until};

/// A folder with a name in Latin-1.
fn cafe() -> (TempDir, PathBuf) {
    let dir = folder();
    let cafe = dir.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&cafe).unwrap();
    (dir, cafe)
}

/// Answers with what it finds in its folder, in another one, and in a file that a
/// variable names.
const APP: &str = r#"
import os, more

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    with open("data") as data, open(os.environ["PLACE"]) as place:
        names = [data.read(), place.read(), more.NAME]
    return [" ".join(names).encode(), b" ", os.fsencode(__file__).hex().encode()]
"#;

/// The answer of the app in this file.
fn answer(file: &Path) -> String {
    let hex = file.as_os_str().as_bytes().iter();
    let hex: String = hex.map(|byte| format!("{byte:02x}")).collect();
    format!("data place more {hex}")
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

const SITE: [(&str, &str); 4] = [
    ("app.py", APP),
    ("data", "data"),
    ("place", "place"),
    ("lib/more.py", "NAME = 'more'"),
];

/// `start` followed by the path.
fn joined(start: &str, path: &Path) -> OsString {
    let mut text = OsString::from(start);
    text.push(path);
    text
}

#[test]
fn the_command_line_names_them() {
    let (dir, cafe) = cafe();
    write(&cafe, &SITE);
    let there = |name: &str| cafe.join(name);
    fs::write(there("conf.py"), "workers = 2").unwrap();
    let syslog = UnixDatagram::bind(there("log")).unwrap();
    syslog
        .set_read_timeout(Some(crate::support::DEADLINE))
        .unwrap();
    let statsd = UnixDatagram::bind(there("stats")).unwrap();
    statsd
        .set_read_timeout(Some(crate::support::DEADLINE))
        .unwrap();
    site::python(["-m", "venv", "--without-pip"])
        .args([dir.path().join("venv")])
        .run()
        .expect_success();
    fs::rename(dir.path().join("venv"), there("venv")).unwrap();
    let options = [
        ("--chdir", cafe.clone().into()),
        ("--pythonpath", joined("/nowhere,", &there("lib"))),
        ("--config", there("conf.py").into()),
        ("--venv", there("venv").into()),
        ("--pid", there("pid").into()),
        ("--access-logfile", there("access").into()),
        ("--error-logfile", there("error").into()),
        ("--bind", joined("unix:", &there("socket"))),
        ("--env", joined("PLACE=", &there("place"))),
        ("--log-syslog-to", joined("unix://", &there("log"))),
        ("--statsd-host", joined("unix://", &there("stats"))),
        ("--reload-extra-file", there("data").into()),
        ("--worker-tmp-dir", cafe.clone().into()),
        ("--control-socket", there("control").into()),
    ];
    let mut server = Start::new(["app", "--log-syslog"])
        .args(
            options
                .iter()
                .flat_map(|(name, value)| [OsStr::new(name), value]),
        )
        .cwd("/")
        .spawn();
    let target = Target::Unix(there("socket"));
    wait_until("it listens", || target.connect().is_ok());
    assert_eq!(target.get("/").ok(), answer(&there("app.py")));
    assert_eq!(
        fs::read_to_string(there("pid")).unwrap().trim(),
        server.pid().to_string()
    );
    for socket in [syslog, statsd] {
        assert!(uninterrupted(|| socket.recv(&mut [0; 4096])).unwrap() > 0);
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = |name: &str| fs::read_to_string(there(name)).unwrap();
    assert!(log("access").contains("GET / "), "{}", log("access"));
    assert_eq!(
        log("error").matches("Booting worker").count(),
        2,
        "{}",
        log("error")
    );
    for gone in ["pid", "socket"] {
        assert!(!there(gone).exists(), "{gone}");
    }
}

#[test]
fn certificates_and_zips_may_lie_there() {
    let (dir, cafe) = cafe();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("server", &["localhost"]);
    fs::rename(pair.certificate, cafe.join("certificate")).unwrap();
    fs::rename(pair.key, cafe.join("key")).unwrap();
    fs::rename(authority.file(), cafe.join("authority")).unwrap();
    let files = [
        ("app.py", APP),
        ("data", "data"),
        ("place", "place"),
        ("more.py", "NAME = 'more'"),
    ];
    let zip = site::small_zip(&cafe, &files);
    let cache = cafe.join("cache");
    let server = Start::server(["app", "--env", "PLACE=place", "--certfile"])
        .args([cafe.join("certificate")])
        .args([OsStr::new("--keyfile"), cafe.join("key").as_os_str()])
        .env("RGUNICORN_APP_ZIP", &zip)
        .env("RGUNICORN_APP_CACHE_DIR", &cache)
        .env("GUNICORN_CMD_ARGS", joined("--pid ", &cafe.join("pid")))
        .spawn();
    let Target::Tcp(address) = server.target() else {
        panic!("not at a port");
    };
    let page = Start::program("curl", ["--silent", "--show-error", "--cacert"])
        .args([cafe.join("authority")])
        .args([format!("https://localhost:{}/", address.port())])
        .run()
        .expect_success()
        .stdout;
    let unpacked = fs::read_dir(&cache)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(page, answer(&unpacked.join("site/app.py")));
    assert!(cafe.join("pid").exists());
}

#[test]
fn a_config_file_gives_them_and_hooks_see_them() {
    let (_dir, cafe) = cafe();
    write(&cafe, &SITE);
    let config = r#"
import os
here = os.path.dirname(__file__)
chdir = os.fsencode(here)
pidfile = here + "/pid"
pythonpath = here + "/lib"
raw_env = [f"PLACE={here}/place"]
errorlog = here + "/error"
preload_app = True

def when_ready(server):
    with open(here + "/seen", "wb") as seen:
        assert server.cfg.chdir == here and server.cfg.pidfile == pidfile
        seen.write(os.fsencode(server.cfg.errorlog))
"#;
    fs::write(cafe.join("conf.py"), config).unwrap();
    let mut server = Start::new(["app", "--bind", "127.0.0.1:0", "--bind"])
        .args([joined("unix:", &cafe.join("socket"))])
        .args([OsStr::new("-c"), cafe.join("conf.py").as_os_str()])
        .cwd("/")
        .spawn();
    let target = Target::Unix(cafe.join("socket"));
    wait_until("it listens", || target.connect().is_ok());
    assert_eq!(target.get("/").ok(), answer(&cafe.join("app.py")));
    let seen = fs::read(cafe.join("seen")).unwrap();
    assert_eq!(seen, cafe.join("error").as_os_str().as_bytes());
    // The master executes itself again, and keeps the pid file.
    fs::write(cafe.join("data"), "new").unwrap();
    server.signal(Signal::SIGHUP);
    let booted = || {
        fs::read_to_string(cafe.join("error"))
            .unwrap()
            .matches("Booting")
            .count()
    };
    wait_until("a new worker boots", || booted() == 2);
    assert_eq!(
        fs::read_to_string(cafe.join("pid")).unwrap().trim(),
        server.pid().to_string()
    );
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    assert!(!cafe.join("pid").exists());
}

#[test]
fn the_current_folder_may_be_one() {
    let (_dir, cafe) = cafe();
    write(&cafe, &SITE);
    let server = Start::server(["--env", "PLACE=place", "--pythonpath", "lib", "--reload"])
        .args([
            "--reload-engine",
            "inotify",
            "--reload-extra-file",
            "extra/*",
        ])
        .cwd(&cafe)
        .spawn();
    let target = server.target();
    assert_eq!(target.get("/").ok(), answer(&cafe.join("app.py")));
    // A pattern is relative to that folder.
    write(&cafe, &[("extra/file", "")]);
    server.workers(2);
    // A broken module is reported, and served again once it is fixed.
    fs::write(cafe.join("app.py"), "1/0").unwrap();
    let answers = |status, text: &str| {
        wait_until("the worker is a new one", || {
            let page = target.get("/");
            page.status == status && page.text().contains(text)
        });
    };
    // The worker may have found the file empty first.
    answers(500, "ZeroDivisionError");
    fs::write(cafe.join("app.py"), APP).unwrap();
    answers(200, "");
    let said = Start::new([
        "python",
        "-c",
        "import app, os; print(os.fsencode(app.__file__))",
    ])
    .cwd(&cafe)
    .env("PYTHONPATH", "lib")
    .run();
    assert!(
        said.stderr.contains("No module named 'more'"),
        "{}",
        said.stderr
    );
}

/// The lists of the system have the names of all processes and sockets in them.
#[test]
fn they_may_be_in_the_lists_of_the_system() {
    let (_dir, cafe) = cafe();
    // The system keeps 15 bytes of the name, and so only half of the last letter.
    let program = cafe.join("fourteen-bytesé");
    copy_program(&program);
    let bind = joined("unix:", &cafe.join("two  spaces"));
    let server = Start::program(&program, ["--status-bind", "127.0.0.1:0", "--bind"])
        .args([&bind])
        .args(["app"])
        .cwd(app("hello"))
        .spawn();
    server.stderr.wait_for("Booting worker");
    let processes = report(&status_target(&server));
    assert!(
        processes["master"]["threads"].as_u64() > Some(0),
        "{processes}"
    );

    ctl(&server, &["status"]).expect_success();

    let healthy = Start::program(&program, ["python", "-m", "_rgunicorn.healthy"]).run();
    assert_eq!(
        healthy.expect_success().stdout.trim(),
        "The server answers with 200."
    );
}

#[test]
fn scripts_may_lie_there() {
    let (_dir, cafe) = cafe();
    let script = cafe.join(OsStr::from_bytes(b"caf\xe9.py"));
    fs::write(
        &script,
        "import os, sys; print(os.fsencode(sys.argv[0]).hex())",
    )
    .unwrap();
    let runs = [
        Start::new([&script]),
        Start::new([OsStr::new("python"), script.as_os_str()]),
        Start::new([script.file_name().unwrap()]).cwd(&cafe),
    ];
    for run in runs {
        assert!(
            run.run()
                .expect_success()
                .stdout
                .ends_with("636166e92e7079")
        );
    }
}

#[test]
fn what_is_no_path_is_refused_in_a_sentence() {
    let bytes = OsStr::from_bytes(b"caf\xe9");
    for (option, sentence) in [
        ("--worker-class", "Invalid value for --worker-class: "),
        (
            "--name",
            "Invalid value for --name: 'caf\\udce9' is not UTF-8.",
        ),
        (
            "--bind",
            "Invalid value for --bind: 'caf\u{fffd}' has a host that is neither",
        ),
        (
            "--log-syslog-to",
            "Invalid value for --log-syslog-to: 'caf\\udce9' is no syslog address",
        ),
        ("--chdir", "Invalid value for --chdir: there is no folder '"),
        (
            "--env",
            "Invalid value for --env: 'caf\u{fffd}' is not a variable",
        ),
    ] {
        let said = Start::new([OsStr::new("app"), option.as_ref(), bytes])
            .cwd("/")
            .run();
        assert_eq!(said.code, 1, "{option}: {}", said.stderr);
        assert!(said.stderr.contains(sentence), "{option}: {}", said.stderr);
        assert_eq!(
            said.stderr.trim().lines().count(),
            1,
            "{option}: {}",
            said.stderr
        );
    }
    let said = Start::new(["app", "--check-config"])
        .env("WEB_CONCURRENCY", bytes)
        .run();
    assert!(
        said.stderr
            .contains("$WEB_CONCURRENCY: 'caf\\udce9' is not a whole"),
        "{}",
        said.stderr
    );
}
