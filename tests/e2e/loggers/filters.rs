//! Filters on the access log.

use nix::sys::signal::Signal;

use super::{CLASSES, FILTERING, folder_with, logs, serve};

#[test]
fn a_class_that_adds_a_filter_drops_health_checks() {
    for class in CLASSES {
        let dir = folder_with(FILTERING);
        let (access, error) = logs(serve(dir.path(), class), &["/healthz", "/page"]);
        assert!(
            access.contains("\"GET /page HTTP/1.1\" 200 2 \"-\""),
            "{access}"
        );
        assert!(!access.contains("/healthz"), "{access}");
        assert!(error.contains("[INFO] Worker exiting (pid: "), "{error}");
    }
}

#[test]
fn a_filter_that_a_hook_adds_counts() {
    let config = "import logging\n\
        def quiet(record): return '/healthz' not in record.getMessage()\n\
        def on_starting(server): server.log.access_log.addFilter(quiet)\n";
    for class in CLASSES {
        let dir = folder_with(config);
        let (access, _) = logs(serve(dir.path(), class), &["/healthz", "/page"]);
        assert!(access.contains("GET /page"), "{access}");
        assert!(!access.contains("/healthz"), "{access}");
    }
}

#[test]
fn a_filter_of_the_app_counts_from_then_on() {
    for class in CLASSES {
        let dir = folder_with("");
        let paths = [
            "/healthz?1",
            "/filter",
            "/healthz?2",
            "/unfilter",
            "/healthz?3",
        ];
        let (access, _) = logs(serve(dir.path(), class), &paths);
        for (path, there) in [("?1", true), ("/filter", true), ("?2", false), ("?3", true)] {
            assert_eq!(access.contains(path), there, "{path} {access}");
        }
        // A line is the same in both ways of logging.
        let form = |line: &str| line.replace("/unfilter", "").split('[').count();
        assert!(
            access
                .lines()
                .all(|line| form(line) == 2 && line.starts_with("127.0.0.1 - - [")),
            "{access}"
        );
    }
}

#[test]
fn a_filtered_log_of_json_stays_json() {
    let dir = folder_with("");
    let args = ["--access-log-json", "app:app"];
    let (access, _) = logs(serve(dir.path(), &args), &["/filter", "/healthz", "/page"]);
    assert!(!access.contains("/healthz"), "{access}");
    let line = access.lines().find(|line| line.contains("/page")).unwrap();
    assert!(
        line.starts_with("{\"time\": \"") && line.contains("\"status\": 200, "),
        "{line}"
    );
}

/// What a client sends is escaped in the same way in both ways of logging.
#[test]
fn no_client_can_keep_its_line_out_or_forge_one() {
    let args = [
        "--access-logformat",
        "%(U)s %({x-a}i)s %(r)s %(u)s",
        "app:app",
    ];
    let requests: [&[u8]; 4] = [
        b"GET /caf%C3%A9 HTTP/1.1\r\nHost: a\r\nX-A: Zo\xc3\xab \"\\\r\nConnection: close\r\n\r\n",
        b"GET /%0A%09x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YSBiOmM=\r\nConnection: close\r\n\r\n",
        b"G\xe9T / HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let [straight, filtered] = ["", FILTERING].map(|config| {
        let dir = folder_with(config);
        let mut server = serve(dir.path(), &args);
        let target = server.target();
        for request in requests {
            target.exchange(request);
        }
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        assert!(!server.stderr.whole().contains("Traceback"));
        let mut lines: Vec<_> = server.stdout.whole().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    });
    assert_eq!(straight, filtered);
    assert_eq!(straight.len(), 4, "{straight:?}");
    let first = r#"/caf\xc3\xa9 Zo\xc3\xab \"\\ GET /caf%C3%A9 HTTP/1.1 -"#;
    assert!(straight.contains(&first.to_owned()), "{straight:?}");
}
