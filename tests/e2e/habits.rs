//! Config files and scripts that people write for Gunicorn, run by Gunicorn itself and by
//! this server: the responses, both logs, the exit code and other results must be the
//! same.
//!
//! Each file in `tests/habits` is a config file or a script that starts the server, and
//! is used with the apps in `tests/habits/app/app.py`. Comments at its top give the rest:
//!
//! - `args: ...`: the command line; by default `app:app`
//! - `script: ...`: the file is a script, which is run with these arguments
//! - `get: ...`: the paths that are requested; by default `/page`
//! - `ends`: the server ends by itself
//! - `differs: ...`: the expected differences, in the words of
//!   `docs/reference/differences.md`; lines with one of the texts after `only real:` and
//!   `only ours:` are such differences

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::support::{Response, Start, Target, folder, site};

macro_rules! habits {
    ($($name:ident)+) => {
        $( #[test] fn $name() { compare(stringify!($name)); } )+

        const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

habits! {
    app_by_a_factory
    app_is_missing
    app_is_not_in_its_module
    app_raises
    class_attributes
    class_gevent
    class_hooks
    class_on_the_line
    class_uvicorn
    config_check
    config_is_wrong
    config_raises
    hook_names_the_server
    hook_order
    hook_post_request
    hook_raises_at_the_end
    hook_raises_in_on_starting
    hook_raises_in_post_fork
    hook_raises_in_pre_request
    hook_replaces_app
    hook_sees_signals
    hook_with_two_arguments
    hook_wraps_app
    log_class_access
    log_class_atoms
    log_class_by_name
    log_class_filter
    log_class_formats
    log_class_info
    log_class_now
    log_class_set_handler
    log_config_dict
    log_config_dict_propagate
    log_config_ini
    log_config_json
    log_errors_of_the_app
    log_every_atom
    log_files
    log_filter_in_app
    log_filter_in_on_starting
    log_formatter_in_when_ready
    log_nothing_but_critical
    settings_of_hidden_names
    settings_of_limits
    settings_of_proxies
    settings_of_the_environment
    settings_of_the_line_win
    start_application
    start_base_application
    start_of_a_wrong_setting
    start_run
    start_wsgi_application
}

#[test]
fn every_file_is_compared() {
    let files = fs::read_dir(habits()).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "py"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, NAMES);
}

/// One of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Real,
    Ours,
}

/// What a file says in its comments.
#[derive(Default)]
struct Habit {
    args: Vec<String>,
    script: Option<Vec<String>>,
    get: Vec<String>,
    ends: bool,
    only: Vec<(Server, String)>,
    text: String,
}

/// What must be the same: lines, each with the place where it was seen.
type Seen = Vec<String>;

fn compare(name: &str) {
    let habit = Habit::read(name);
    let [real, ours] = [Server::Real, Server::Ours].map(|server| habit.run(server));
    if real != ours {
        let only = |some: &Seen, other: &Seen| -> String {
            let some = some.iter().filter(|line| !other.contains(line));
            some.map(|line| format!("  {line}\n")).collect()
        };
        panic!(
            "{name}\nonly Gunicorn:\n{}only ours:\n{}all of ours:\n{}",
            only(&real, &ours),
            only(&ours, &real),
            ours.join("\n")
        );
    }
}

fn habits() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/habits")
}

impl Habit {
    fn read(name: &str) -> Self {
        let text = fs::read_to_string(habits().join(name).with_extension("py")).unwrap();
        let words = |value: &str| value.split_whitespace().map(str::to_owned).collect();
        let mut habit = Self {
            args: words("app:app"),
            get: words("/page"),
            ..Self::default()
        };
        for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
            let (key, value) = line.split_once(": ").unwrap_or((line, ""));
            match key {
                "args" => habit.args = words(value),
                "script" => habit.script = Some(words(value)),
                "get" => habit.get = words(value),
                "ends" => habit.ends = true,
                "differs" => {
                    let known = include_str!("../../docs/reference/differences.md");
                    assert!(known.contains(value), "{value}");
                }
                "only real" => habit.only.push((Server::Real, value.to_owned())),
                "only ours" => habit.only.push((Server::Ours, value.to_owned())),
                _ => panic!("{name}: {line}"),
            }
        }
        habit.text = text;
        habit
    }

    fn run(&self, server: Server) -> Seen {
        let dir = folder();
        fs::copy(habits().join("app/app.py"), dir.path().join("app.py")).unwrap();
        let file = match self.script {
            Some(_) => "script.py",
            None => "gunicorn.conf.py",
        };
        fs::write(dir.path().join(file), &self.text).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut process = self
            .start(server)
            .cwd(dir.path())
            .activated(listener)
            // So that it does not count as activated by systemd.
            .env("LISTEN_PID", "0")
            .env("GUNICORN_CMD_ARGS", "--bind fd://3")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("HOME", dir.path())
            .spawn();
        let target = Target::parse(&address.to_string());
        let mut seen = Seen::new();
        if !self.ends {
            for path in &self.get {
                let mut stream = target.connect().unwrap();
                let request = format!("GET {path} HTTP/1.1\r\nHost: testserver\r\n");
                write!(stream, "{request}Connection: close\r\n\r\n").unwrap();
                let answer = Response::read(&mut stream, false);
                let told = || format!("{server:?} {path}:\n{}", process.stderr.so_far());
                let mut answer =
                    lines_of(&answer.unwrap_or_else(|error| panic!("{error}: {}", told())));
                answer.sort();
                seen.extend(answer.iter().map(|line| format!("{path}: {line}")));
            }
            process.signal(Signal::SIGTERM);
        }
        seen.push(format!("exit code: {}", process.exit_code()));
        let mut told = vec![
            ("stdout".to_owned(), process.stdout.whole()),
            ("stderr".to_owned(), process.stderr.whole()),
        ];
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if ![file, "app.py"].contains(&&*name) && path.is_file() {
                told.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
        let mut lines = Seen::new();
        for (place, text) in told {
            for line in text.lines().filter(|line| is_compared(line)) {
                let line = masked(line, &address.port().to_string());
                lines.push(format!("{place}: {line}"));
            }
        }
        // The order of lines from different processes may differ.
        lines.sort();
        seen.extend(lines);
        let mut of_this = self.only.iter().filter(|(which, _)| *which == server);
        let drop: Vec<_> = of_this.by_ref().map(|(_, text)| text).collect();
        for text in &drop {
            let count = seen.iter().filter(|line| line.contains(&***text)).count();
            assert!(count > 0, "no line has {text:?}:\n{}", seen.join("\n"));
        }
        seen.retain(|line| !drop.iter().any(|text| line.contains(&***text)));
        seen
    }

    fn start(&self, server: Server) -> Start {
        let venv = site::venv("../habits/app");
        match (server, &self.script) {
            (Server::Real, Some(args)) => {
                Start::program(venv.join("bin/python"), ["script.py"]).args(args)
            }
            (Server::Real, None) => Start::program(venv.join("bin/gunicorn"), &self.args),
            (Server::Ours, Some(args)) => Start::new(["python", "script.py"]).args(args),
            (Server::Ours, None) => Start::new(["--venv"]).args([&venv]).args(&self.args),
        }
    }
}

/// Names of fields in lower case, without the date. Of the servers' own pages only the
/// words count.
fn lines_of(answer: &Response) -> Seen {
    let is_own_page = answer.status >= 400 && answer.text().contains("<title>");
    let length = if is_own_page {
        "content-length: "
    } else {
        "date: "
    };
    let fields = answer.headers.iter();
    let mut lines: Seen = fields
        .map(|(name, value)| format!("{}: {value}", name.to_ascii_lowercase()))
        .filter(|line| !line.starts_with("date: ") && !line.starts_with(length))
        .map(|line| line.replace("server: rgunicorn", "server: gunicorn"))
        .collect();
    lines.push(format!("status {}", answer.status));
    if is_own_page {
        lines.extend(
            answer
                .text()
                .split(['<', '>'])
                .map(|it| it.trim().to_owned()),
        );
        lines.retain(|line| !["", "p", "/p"].contains(&&**line));
        lines.sort();
        lines.dedup();
    } else {
        // Of the same length as the other name.
        let own = concat!("rgunicorn/", env!("CARGO_PKG_VERSION"));
        let text = answer.text().replace(own, "gunicorn/27.0.1");
        lines.extend(text.lines().map(str::to_owned));
    }
    lines
}

/// Frames of tracebacks are not compared, nor lines about features that this server
/// does not have.
fn is_compared(line: &str) -> bool {
    let frame = line.starts_with("  ") || line.starts_with("Traceback (most");
    !frame && !line.is_empty() && !line.contains("Control socket listening at ")
}

/// A line without what differs between runs.
fn masked(line: &str, port: &str) -> String {
    let line = line.replace(port, "PORT");
    let line = line.replace(concat!("rgunicorn ", env!("CARGO_PKG_VERSION")), "gunicorn");
    let line = line.replace("gunicorn 27.0.1", "gunicorn");
    let line = line.replace("(pid: ", "(").replace("(pid:", "(");
    let mut masked = String::new();
    let mut rest = &*line;
    while let Some(at) = rest.find(['[', '(', '<']) {
        let close = match rest.as_bytes()[at] {
            b'[' => ']',
            b'(' => ')',
            _ => '>',
        };
        let (before, group) = rest.split_at(at + 1);
        masked.push_str(before);
        let end = group.find(close).unwrap_or(group.len());
        let inside = &group[..end];
        let is_number = !inside.is_empty() && inside.bytes().all(|it| it.is_ascii_digit());
        match () {
            () if is_number => masked.push_str("pid"),
            () if inside.matches(':').count() >= 2 && inside.contains(" +0000") => {
                masked.push_str("time");
            }
            () => masked.push_str(inside),
        }
        rest = &group[end..];
    }
    masked.push_str(rest);
    match masked.split_once("pid: ") {
        Some((before, after)) => {
            let after = after.trim_start_matches(|it: char| it.is_ascii_digit());
            format!("{before}pid: {after}")
        }
        None => masked,
    }
}
