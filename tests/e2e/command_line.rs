//! The sources of settings, and the errors of the command line.

use std::fs;
use std::os::unix::net::UnixListener;

use crate::support::{Start, app, folder, in_all_classes, site};

#[test]
fn the_version_names_both_versions() {
    for flag in ["-v", "--version"] {
        let finished = Start::new([flag]).run().expect_success();
        let version = concat!(
            "rgunicorn (version ",
            env!("CARGO_PKG_VERSION"),
            "; CPython 3."
        );
        assert!(finished.stdout.starts_with(version), "{}", finished.stdout);
    }
}

#[test]
fn the_help_shows_options_and_commands() {
    let help = Start::new(["--help"]).run().expect_success().stdout;
    for word in [
        "[APP_MODULE]",
        "python",
        "--bind",
        "--workers",
        "--app-zip",
        "127.0.0.1:8000",
    ] {
        assert!(help.contains(word), "no {word} in:\n{help}");
    }
}

#[test]
fn options_come_from_the_environment_and_the_line_wins() {
    let server = Start::server(["--env", "GREETING=line", "app"])
        .env(
            "GUNICORN_CMD_ARGS",
            "--workers 2 --env 'GREETING=the variable'",
        )
        .env("WEB_CONCURRENCY", "4")
        .cwd(app("hello"))
        .spawn();
    server.workers(2);
    let target = server.target();
    assert_eq!(target.get("/variable?GREETING").ok(), "line");
    assert_eq!(server.workers(2).len(), 2);
}

#[test]
fn platforms_tell_by_variables_where_to_listen_and_how_often() {
    let server = Start::new(["app"])
        .env("PORT", "0")
        .env("WEB_CONCURRENCY", "2")
        .cwd(app("hello"))
        .spawn();
    server.workers(2);
    let line = server.stderr.wait_for("Listening at: ");
    assert!(line.contains("Listening at: http://0.0.0.0:"), "{line}");
}

#[test]
fn a_wrong_value_names_where_it_stands() {
    for (variable, value, code) in [
        ("GUNICORN_CMD_ARGS", "--workers many", 2),
        ("GUNICORN_CMD_ARGS", "--worker-class nope", 1),
        ("WEB_CONCURRENCY", "many", 1),
        ("PORT", "http", 1),
    ] {
        let finished = Start::new(["app"])
            .env(variable, value)
            .cwd(app("hello"))
            .run();
        assert_eq!(finished.code, code, "{variable}: {}", finished.stderr);
        let named = finished.stderr.contains(&format!("${variable}"));
        assert!(named, "{variable}: {}", finished.stderr);
    }
}

#[test]
fn an_app_that_an_option_has_taken_is_pointed_out() {
    for flag in ["--proxy-headers", "--server-header"] {
        let finished = Start::server([flag, "app:app"]).cwd(app("mirror")).run();
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        let told = format!(
            "Error: 'app:app' is taken for the value of {flag}; if it is the app, name it before \
             the options"
        );
        assert_eq!(finished.stderr.trim(), told);
    }
    let server = Start::server(["app:app", "--proxy-headers"])
        .cwd(app("mirror"))
        .spawn();
    assert_eq!(server.target().get("/").status, 200);
}

#[test]
fn what_would_be_sent_or_logged_with_a_line_end_is_refused() {
    let dir = folder();
    let config = dir.path().join("conf.py");
    for (setting, value, reason) in [
        ("server_header", r"a\r\nSet-Cookie: b", "header field"),
        ("server_header", r"a\nb", "header field"),
        ("server_header", "größe", "header field"),
        ("request_id", r"X-Id\r\nb", "header field"),
        ("syslog_prefix", r"a\nb", "control character"),
        ("statsd_prefix", r"a\nb", "control character"),
        ("dogstatsd_tags", r"a\nb", "control character"),
        ("proc_name", r"a\u2028b", "control character"),
    ] {
        fs::write(&config, format!("{setting} = '{value}'\n")).unwrap();
        let finished = Start::server(["--config", config.to_str().unwrap(), "app"])
            .cwd(app("hello"))
            .run();
        assert_eq!(finished.code, 1, "{}", finished.stderr);
        let told = finished.stderr.trim();
        let place = format!("Invalid value for {setting}");
        assert!(told.contains(&place) && told.contains(reason), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }
}

in_all_classes! {
    the_server_field_is_what_it_is_told_to_be,
}

fn the_server_field_is_what_it_is_told_to_be(class: &[&str]) {
    let server = Start::server(class)
        .args(["--server-header", "mine/1.0 (a; b)"])
        .cwd(app("mirror"))
        .spawn();
    let answer = server.target().get("/");
    assert_eq!(answer.header("Server"), Some("mine/1.0 (a; b)"));
}

#[test]
fn an_app_and_python_do_not_go_together() {
    let finished = Start::new(["app", "python", "-V"]).run();
    assert_eq!(finished.code, 2, "{}", finished.stderr);
}

#[test]
fn options_before_the_word_python_hold_for_it() {
    let dir = folder();
    let zip = site::small_zip(dir.path(), &[("module.py", "print('in', __name__)\n")]);
    let python = Start::new(["-e", "GREETING=hello", "--app-cache-dir"])
        .args([dir.path().join("cache")])
        .args(["python", "-c"])
        .args(["import module, os, sys; print(os.environ['GREETING'], sys.argv)"])
        .args(["--workers", "-v"])
        .env("RGUNICORN_APP_ZIP", zip)
        .run()
        .expect_success();
    assert_eq!(python.stdout, "in module\nhello ['-c', '--workers', '-v']");
}

#[test]
fn a_socket_that_somebody_listens_at_is_not_taken_away() {
    let dir = folder();
    let path = dir.path().join("site.sock");
    let other = UnixListener::bind(&path).unwrap();
    let bind = format!("unix:{}", path.display());
    let finished = Start::new(["--bind", &bind, "app"]).cwd(app("hello")).run();
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .contains(&format!("Connection in use: {}", path.display()))
    );
    // The file was left behind by a process that has ended, so it is replaced.
    drop(other);
    let server = Start::new(["--bind", &bind, "app"])
        .cwd(app("hello"))
        .spawn();
    assert_eq!(server.target().get("/").ok(), "Hello, world!\n");
}

#[test]
fn a_file_in_a_sockets_place_stays() {
    let dir = folder();
    let path = dir.path().join("precious");
    fs::write(&path, "data").unwrap();
    let bind = format!("unix:{}", path.display());
    let finished = Start::new(["--bind", &bind, "app"]).cwd(app("hello")).run();
    assert_eq!(finished.code, 1, "{}", finished.stderr);
    assert!(finished.stderr.contains("is not a socket"));
    assert_eq!(fs::read_to_string(path).unwrap(), "data");
}

#[test]
fn the_access_log_has_the_form_it_is_given() {
    let format = r#"%(m)s %(U)s %(q)s %(s)s %(B)s %({host}i)s %({content-type}o)s %(p)s"#;
    let server = Start::server(["--access-logfile", "-", "--access-logformat", format, "app"])
        .cwd(app("hello"))
        .spawn();
    let worker = server.workers(1)[0];
    server
        .target()
        .exchange("GET /pid?a=b HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
    let line = server.stdout.wait_for("/pid");
    let bytes = worker.to_string().len();
    assert_eq!(
        line,
        format!("GET /pid a=b 200 {bytes} here text/plain <{worker}>")
    );
}

#[test]
fn an_unknown_log_level_is_info_as_in_gunicorn() {
    let server = Start::server(["--log-level", "loud", "app"])
        .cwd(app("hello"))
        .spawn();
    let line = server.stderr.wait_for("'loud'");
    assert!(line.contains("[WARNING] There is no log level"), "{line}");
    server.stderr.wait_for("[INFO] Listening at: ");
}

#[test]
fn log_files_of_a_zip_are_where_it_was_started() {
    let dir = folder();
    let source = "def app(environ, start_response):\n    \
                  start_response('200 OK', [('Content-Length', '4')])\n    \
                  return [open('data.txt', 'rb').read()]\n";
    let zip = site::small_zip(dir.path(), &[("web.py", source), ("data.txt", "data")]);
    let server = Start::server(["web:app", "--access-logfile", "access.log", "--app-zip"])
        .args([&zip])
        .args(["--app-cache-dir", "cache"])
        .cwd(dir.path())
        .spawn();
    // A relative path has the same meaning as before the site was packed.
    assert_eq!(server.target().get("/").ok(), "data");
    assert!(dir.path().join("access.log").is_file());
    assert!(dir.path().join("cache").is_dir());
}

#[test]
fn checking_writes_no_logs() {
    let dir = folder();
    let log = dir.path().join("error.log");
    Start::new(["--check-config", "app", "--error-logfile"])
        .args([&log])
        .cwd(app("hello"))
        .run()
        .expect_success();
    assert!(!log.exists());
}
