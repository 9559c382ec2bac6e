//! The error log and the access log.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use serde_json::Value;

use crate::support::{DEADLINE, Process, Start, Target, app, folder, in_all_classes};

fn hello(args: &[&str]) -> Process {
    Start::server(["app"]).args(args).cwd(app("hello")).spawn()
}

/// The text of the file, once `enough` is true for it.
#[track_caller]
fn wait_for_file(path: &Path, enough: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if enough(&text) {
            return text;
        }
        assert!(Instant::now() < deadline, "waited in vain in:\n{text}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_line_is_there_while_the_worker_is_idle() {
    let dir = folder();
    let file = dir.path().join("access.log");
    let server = hello(&["--access-logfile", file.to_str().unwrap()]);
    let target = server.target();
    for count in 1..=3 {
        target.get("/pid");
        wait_for_file(&file, |text| text.lines().count() == count);
    }
}

#[test]
fn what_is_refused_has_a_line_too() {
    let format = r#"%(h)s "%(r)s" %(s)s %(U)s %(m)s"#;
    let server = hello(&["--access-logfile", "-", "--access-logformat", format]);
    let answer = server.target().exchange("G\tT \"/\" HTTP/1.1\r\n\r\n");
    assert_eq!(answer.status, 400);
    let line = server.stdout.wait_for("127.0.0.1");
    assert_eq!(line, r#"127.0.0.1 "G\x09T \"/\" HTTP/1.1" 400 - -"#);
}

#[test]
fn a_client_cannot_forge_a_line() {
    let format = r#"%(h)s %(u)s "%(r)s" "%(a)s" "%(U)s" "%({x-y}i)s""#;
    let server = hello(&["--access-logfile", "-", "--access-logformat", format]);
    let target = server.target();
    let mut request = b"GET /%0a1.2.3.4%20%22?\"\\ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
        Authorization: Basic ZXZlIC0gLToKeA==\r\nUser-Agent: x\" 200 \x9b31m\xe9\r\nX-Y: \\\"\r\n\r\n"
        .to_vec();
    assert_eq!(target.exchange(&request).status, 200);
    request.clear();
    let line = server.stdout.wait_for("127.0.0.1");
    assert_eq!(
        line,
        r#"127.0.0.1 eve\x20-\x20- "GET /%0a1.2.3.4%20%22?\"\\ HTTP/1.1" "x\" 200 \x9b31m\xe9" "/\x0a1.2.3.4 \"" "\\\"""#
    );
}

#[test]
fn logs_are_opened_anew() {
    let dir = folder();
    let path = |name: &str| dir.path().join(name);
    let (access, error) = (path("access"), path("error"));
    let server = hello(&[
        "--access-logfile",
        access.to_str().unwrap(),
        "--error-logfile",
        error.to_str().unwrap(),
    ]);
    let log = wait_for_file(&error, |text| text.contains("Booting worker with pid: "));
    let target = target(&log);
    let worker = log.rsplit_once("pid: ").unwrap().1.trim();
    let worker = nix::unistd::Pid::from_raw(worker.parse().unwrap());

    target.get("/before");
    wait_for_file(&access, |text| text.contains("/before"));
    fs::rename(&access, path("access.1")).unwrap();
    fs::rename(&error, path("error.1")).unwrap();
    kill(worker, Signal::SIGUSR1).unwrap();
    wait_for_file(&error, |_| error.exists());
    target.get("/after");
    target.get("/broken");
    let text = wait_for_file(&access, |text| text.lines().count() == 2);
    assert!(text.contains("/after"), "{text}");
    wait_for_file(&error, |text| text.contains("RuntimeError: this page"));
    let old = fs::read_to_string(path("access.1")).unwrap();
    assert_eq!(old.lines().count(), 1, "{old}");
    drop(server);
}

#[test]
fn many_lines_through_a_pipe_stay_whole() {
    let args = ["--access-logfile", "-", "--workers", "2"];
    let server = hello(&args);
    server.workers(2);
    let target = server.target();
    let agent = "x".repeat(3000);
    let request =
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: {agent}\r\n\r\n");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let mut stream = target.connect().unwrap();
                    stream.write_all(request.as_bytes()).unwrap();
                    stream.read_to_end(&mut Vec::new()).unwrap();
                }
            });
        }
    });
    let enough = |lines: &[String]| lines.len() >= 100;
    for line in server.stdout.wait_until(enough, "100 lines") {
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
        assert!(line.ends_with(&format!(" \"{agent}\"")), "{line}");
    }
}

#[test]
fn json_lines_have_typed_fields() {
    let server = hello(&["--access-logfile", "-", "--access-log-json", "--log-json"]);
    let booting = server.stderr.wait_for("Booting worker");
    let error: Value = serde_json::from_str(&booting).unwrap();
    assert_eq!(error["level"], "INFO");
    let message = format!("Booting worker with pid: {}", error["pid"]);
    assert_eq!(error["message"], message);
    let listening = server.stderr.wait_for("Listening at: ");
    let listening: Value = serde_json::from_str(&listening).unwrap();
    let target = target(listening["message"].as_str().unwrap());

    target.exchange(
        "GET /pid?a=%22 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: r-1\r\n\
         User-Agent: \"x\",\"status\":1\r\n\r\n",
    );
    let line: Value = serde_json::from_str(&server.stdout.wait_for("/pid")).unwrap();
    assert_eq!(line["remote_addr"], "127.0.0.1");
    assert_eq!(line["method"], "GET");
    assert_eq!(line["path"], "/pid");
    assert_eq!(line["query"], "a=%22");
    assert_eq!(line["protocol"], "HTTP/1.1");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes"], error["pid"].to_string().len());
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0, "{line}");
    assert_eq!(line["user_agent"], "\"x\",\"status\":1");
    assert_eq!(line["request_id"], "r-1");
    assert_eq!(line["referer"], Value::Null);
    assert_eq!(line["pid"], error["pid"]);

    target.get("/broken");
    let error = server.stderr.wait_for("this page is broken");
    let error: Value = serde_json::from_str(&error).unwrap();
    assert_eq!(error["level"], "ERROR");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("Error handling request GET /broken\nTraceback"));
}

in_all_classes! {
    a_json_line_is_printable_ascii,
}

/// Characters that control a terminal, or end a line for some readers.
const ODD: &str = "\u{9b}2J \u{7f} \u{85} \u{2028} \u{202e} é \u{1f600}";

fn a_json_line_is_printable_ascii(class: &[&str]) {
    let json = ["--access-logfile", "-", "--access-log-json", "--log-json"];
    let server = Start::server(class).args(json).cwd(app("mirror")).spawn();
    let listening = server.stderr.wait_for("Listening at: ");
    let listening: Value = serde_json::from_str(&listening).unwrap();
    let target = target(listening["message"].as_str().unwrap());
    let request =
        format!("GET /odd HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: {ODD}\r\n\r\n");
    // DEL in a field is refused.
    assert_eq!(target.exchange(&request).status, 400);
    target.exchange(request.replace('\u{7f}', "?"));
    let line = server.stdout.wait_for("/odd");
    assert!(
        line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{line}"
    );
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["user_agent"], ODD.replace('\u{7f}', "?"));
}

#[test]
fn a_json_line_of_the_error_log_is_printable_ascii() {
    let dir = folder();
    let escaped = ODD.chars().map(|it| format!("\\U{:08x}", u32::from(it)));
    let text = format!("raise ValueError('{}')\n", escaped.collect::<String>());
    fs::write(dir.path().join("app.py"), text).unwrap();
    let ended = Start::server(["--log-json", "app:app"])
        .cwd(dir.path())
        .run();
    let line = ended
        .stderr
        .lines()
        .find(|line| line.contains("ValueError"))
        .unwrap();
    assert!(
        line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{line}"
    );
    let line: Value = serde_json::from_str(line).unwrap();
    let message = line["message"].as_str().unwrap();
    assert!(
        message.ends_with(&format!("ValueError: {ODD}")),
        "{message}"
    );
}

#[test]
fn json_fields_can_be_chosen() {
    let fields = "status,trace={x-trace}i,{content-type}o,host={HTTP_HOST}e";
    let json = ["--access-log-json", "--access-log-fields", fields];
    let server = hello(&[&["--access-logfile", "-"], &json[..]].concat());
    server
        .target()
        .exchange("GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\nX-Trace: 7\r\n\r\n");
    assert_eq!(
        server.stdout.wait_for("status"),
        r#"{"status": 200, "trace": "7", "{content-type}o": "text/plain", "host": "here"}"#
    );
    let wrong = Start::server(["--access-log-fields", "status,colour", "app"]).run();
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    assert!(
        wrong.stderr.contains("has no field 'colour'"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn what_the_app_prints_is_captured() {
    let dir = folder();
    let file = dir.path().join("error.log");
    fs::write(
        dir.path().join("talk.py"),
        "import os, sys\n\
         def app(environ, start_response):\n    \
             print('on standard output', flush=True)\n    \
             os.write(2, b'on standard error\\n')\n    \
             start_response('204 No Content', [])\n    \
             return []\n",
    )
    .unwrap();
    let mut server = Start::server(["--capture-output", "--error-logfile"])
        .args([file.to_str().unwrap(), "talk:app"])
        .cwd(dir.path())
        .spawn();
    let log = wait_for_file(&file, |text| text.contains("Booting worker"));
    target(&log).get("/");
    wait_for_file(&file, |text| {
        text.contains("\non standard output\n") && text.contains("\non standard error\n")
    });
    server.signal(Signal::SIGTERM);
    server.exit_code();
    assert_eq!(server.stdout.whole() + &server.stderr.whole(), "");
}

/// The address from the log line about listening.
fn target(log: &str) -> Target {
    let (_, address) = log.split_once("Listening at: ").unwrap();
    Target::parse(address.split_once(' ').unwrap().0)
}

#[test]
fn every_request_has_one_line_however_it_ends() {
    for class in ["sync", "gthread"] {
        let format = "%(m)s %(U)s %(s)s|%(r)s";
        let args = [
            "-k",
            class,
            "--access-logfile",
            "-",
            "--access-logformat",
            format,
        ];
        let mut server = hello(&args);
        let target = server.target();
        let say = |text: &str| {
            let mut stream = target.connect().unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream
        };
        let line = |text: &str| server.stdout.wait_for(text);

        // Closes the connection while the app works.
        drop(say("GET /slow?0.2 HTTP/1.1\r\nHost: a\r\n\r\n"));
        line("GET /slow ");
        // Closes the connection in the middle of the body.
        drop(say(
            "POST /echo?half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
        ));
        line(" 400|POST /echo?half");
        // Sends an invalid body.
        let mut stream =
            say("POST /echo?bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
        stream.read_to_end(&mut Vec::new()).unwrap();
        line(" 400|POST /echo?bad");
        target.get("/pid");
        server.signal(Signal::SIGTERM);
        server.exit_code();
        let told = server.stdout.whole();
        assert_eq!(told.lines().count(), 4, "{class}:\n{told}");
    }
}

#[test]
fn a_request_that_takes_too_long_has_a_line() {
    let format = "%(r)s %(s)s";
    let args = ["--access-logfile", "-", "--access-logformat", format];
    let server = hello(&[&args[..], &["--timeout", "1"]].concat());
    server.target().get("/slow?30");
    assert_eq!(server.stdout.wait_for("/slow"), "GET /slow?30 HTTP/1.1 504");
}
