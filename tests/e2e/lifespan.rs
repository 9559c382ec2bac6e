//! The lifespan of an ASGI app: start-up and shutdown.

use nix::sys::signal::Signal;

use crate::support::{Process, Start, app};

fn serve(args: &[&str]) -> Process {
    Start::server(args).cwd(app("asgi")).spawn()
}

#[test]
fn the_app_starts_before_and_ends_after_its_requests() {
    let mut server = serve(&["app:app"]);
    let scope = server.target().get("/scope").ok();
    assert!(scope.contains("hello from the start"), "{scope}");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("\nstartup\n"), "{log}");
    assert!(log.contains("\nshutdown"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn a_failed_start_ends_the_server() {
    let finished = serve_to_the_end(&["app:fails_to_start"]);
    assert_eq!(finished.0, 3);
    let log = finished.1;
    assert!(
        log.contains("Application startup failed. no database"),
        "{log}"
    );
    assert!(!log.contains("Traceback"), "{log}");
}

fn serve_to_the_end(args: &[&str]) -> (i32, String) {
    let mut server = serve(args);
    let code = server.exit_code();
    (code, server.stderr.whole())
}

#[test]
fn an_app_without_lifespan_is_served() {
    for args in [&["app:plain"][..], &["app:plain", "--asgi-lifespan", "off"]] {
        let server = serve(args);
        assert_eq!(server.target().get("/").ok(), "plain");
        assert!(!server.stderr.so_far().contains("Traceback"));
    }
    let (code, log) = serve_to_the_end(&["app:plain", "--asgi-lifespan", "on"]);
    assert_eq!(code, 3, "{log}");
    assert!(log.contains("The app does not support lifespan."), "{log}");
    assert!(log.contains("AssertionError"), "{log}");
}

#[test]
fn an_app_that_breaks_while_it_starts_is_served_with_a_warning() {
    for (app, error) in [
        ("app:breaks_at_the_start", "ValueError: no database"),
        ("app:cancelled_at_the_start", "CancelledError"),
    ] {
        let server = serve(&[app]);
        assert_eq!(server.target().get("/").ok(), "ok");
        let log = server.stderr.wait_until(
            |lines| lines.iter().any(|line| line.contains(error)),
            "the exception",
        );
        let warning = "[WARNING] The app ended its lifespan during the startup.";
        let warned = log.iter().filter(|line| line.contains(warning));
        assert_eq!(warned.count(), 1, "{log:?}");

        let (code, log) = serve_to_the_end(&[app, "--asgi-lifespan", "on"]);
        assert_eq!(code, 3, "{log}");
        assert!(log.contains(error), "{log}");
        assert!(!log.contains("does not support"), "{log}");
    }
}

#[test]
fn lifespan_can_be_turned_off() {
    let server = serve(&["app:app", "--asgi-lifespan", "off"]);
    let scope = server.target().get("/scope").ok();
    assert!(!scope.contains("state"), "{scope}");
    assert!(!server.stderr.so_far().contains("startup"));
}

#[test]
fn a_failed_end_is_told_and_no_more() {
    let mut server = serve(&["app:fails_to_stop"]);
    assert_eq!(server.target().get("/").ok(), "ok");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("Application shutdown failed."), "{log}");
    assert!(log.contains("ValueError: it is broken"), "{log}");
}
