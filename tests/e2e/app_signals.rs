//! Apps that handle signals themselves, and other ways in which a worker ends.

use std::fs::File;
use std::io::{Read, Write};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{Signal, kill};

use crate::support::http::responses;
use crate::support::{Process, Response, Start, app, folder, site};

/// Makes tests from functions that take the arguments for a worker class and its app:
/// one test for each class.
macro_rules! in_every_class {
    ($($name:ident,)+) => {
        mod sync {
            $( #[test] fn $name() { super::$name(&["app:app"]); } )+
        }
        mod gthread {
            $( #[test] fn $name() { super::$name(&["app:app", "--threads", "4"]); } )+
        }
        mod asgi {
            $( #[test] fn $name() { super::$name(&["app:aapp", "-k", "asgi"]); } )+
        }
        mod uvloop {
            $( #[test] fn $name() { super::$name(&super::UVLOOP); } )+
        }
        mod gevent {
            $( #[test] fn $name() { super::$name(&["app:app", "-k", "gevent"]); } )+
        }
        mod tornado {
            $( #[test] fn $name() { super::$name(&["app:app", "-k", "tornado"]); } )+
        }
    };
}

const UVLOOP: [&str; 5] = ["app:aapp", "-k", "asgi", "--asgi-loop", "uvloop"];

in_every_class! {
    a_handler_that_is_chained_is_called_and_the_worker_stops,
    a_handler_that_is_not_chained_does_not_keep_the_worker,
    a_timer_that_ticks_is_no_reason_to_die,
    a_handler_that_exits_ends_the_worker_in_good_order,
    a_worker_that_ignores_term_stops,
    a_worker_whose_listeners_are_gone_stops,
    a_handler_of_a_preloaded_app_is_called,
    a_handler_can_be_given_back,
    handlers_are_called_while_nothing_else_happens,
    a_handler_that_raises_does_no_harm,
    signals_that_come_at_once_do_no_harm,
    bursts_of_signals_do_no_harm,
    forked_children_end_as_they_are_told,
    exit_functions_are_run_at_a_quick_stop,
    exit_functions_are_run_at_a_quick_stop_in_a_request,
    who_is_killed_late_is_told_of_with_what_it_did,
    threads_that_hold_up_the_end_are_named,
    files_that_are_too_large_are_an_error,
}

/// Serves with the handlers of these names. All time limits are longer than a test may
/// take, so no test can pass because of them.
fn serve(args: &[&str], handlers: &str, more: &[&str]) -> Process {
    start(args, handlers, more).spawn()
}

fn start(args: &[&str], handlers: &str, more: &[&str]) -> Start {
    let start = Start::server(["--graceful-timeout", "3600", "--timeout", "0"])
        .args(args)
        .args(more)
        .cwd(app("signals"))
        .env("HANDLERS", handlers);
    let sites = [
        ("gevent", "gevent_site"),
        ("tornado", "tornado_site"),
        ("uvloop", "fastapi_site"),
    ];
    match sites.into_iter().find(|(word, _)| args.contains(word)) {
        Some((_, site)) => start.args(["--venv".as_ref(), site::venv(site).as_os_str()]),
        None => start,
    }
}

/// Ends a worker with TERM, waits for the next one, then ends the server.
fn end(mut server: Process) -> String {
    let worker = server.workers(1)[0];
    let target = server.target();
    assert_eq!(target.get("/pid").ok(), worker.to_string());
    kill(worker, Signal::SIGTERM).unwrap();
    server
        .stderr
        .wait_for(&format!("Worker exiting (pid: {worker})"));
    let next = server.workers(2)[1];
    assert_eq!(target.get("/pid").ok(), next.to_string());
    // Old workers also end when they are replaced.
    server.signal(Signal::SIGHUP);
    server
        .stderr
        .wait_for(&format!("Worker exiting (pid: {next})"));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    for wrong in ["Traceback", "exited with code", "was sent SIG", "killed"] {
        assert!(!log.contains(wrong), "{log}");
    }
    log
}

fn a_timer_that_ticks_is_no_reason_to_die(args: &[&str]) {
    end(serve(args, "ticks", &[]));
}

fn a_handler_that_is_chained_is_called_and_the_worker_stops(args: &[&str]) {
    let log = end(serve(args, "chained", &[]));
    assert_eq!(log.matches("app: heard SIGTERM").count(), 3, "{log}");
}

fn a_handler_that_is_not_chained_does_not_keep_the_worker(args: &[&str]) {
    let log = end(serve(args, "own", &[]));
    assert_eq!(log.matches("app: heard SIGTERM").count(), 3, "{log}");
}

fn a_handler_that_exits_ends_the_worker_in_good_order(args: &[&str]) {
    let log = end(serve(args, "exits", &[]));
    assert_eq!(log.matches("app: heard SIGTERM").count(), 3, "{log}");
}

fn a_worker_that_ignores_term_stops(args: &[&str]) {
    end(serve(args, "ignores", &[]));
}

fn a_worker_whose_listeners_are_gone_stops(args: &[&str]) {
    let mut server = serve(args, "deaf", &[]);
    server.target().get("/pid").ok();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

fn a_handler_of_a_preloaded_app_is_called(args: &[&str]) {
    if args.contains(&"gevent") {
        // gevent must patch the standard library before the app is loaded.
        return;
    }
    let mut server = serve(args, "chained", &["--preload"]);
    let worker = server.workers(1)[0];
    let target = server.target();
    target.get("/pid").ok();
    kill(worker, Signal::SIGTERM).unwrap();
    server.stderr.wait_for("app: heard SIGTERM");
    let next = server.workers(2)[1];
    assert_eq!(target.get("/pid").ok(), next.to_string());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

fn a_handler_can_be_given_back(args: &[&str]) {
    let log = end(serve(args, "back_again", &[]));
    assert!(log.contains("app: has True"), "{log}");
    assert!(!log.contains("app: heard"), "{log}");
}

fn handlers_are_called_while_nothing_else_happens(args: &[&str]) {
    let server = serve(args, "others", &[]);
    let worker = server.workers(1)[0];
    server.target().get("/pid").ok();
    for signal in [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGALRM] {
        kill(worker, signal).unwrap();
        server.stderr.wait_for(&format!("app: heard {signal}"));
    }
    let server = serve(args, "timer", &[]);
    server.target().get("/pid").ok();
    let rings = |lines: &[String]| {
        lines
            .iter()
            .filter(|it| *it == "app: heard SIGALRM")
            .count()
    };
    let before = rings(&server.stderr.wait_until(|_| true, "anything"));
    let more = |lines: &[String]| rings(lines) >= before + 5;
    server.stderr.wait_until(more, "five rings");
}

fn a_handler_that_raises_does_no_harm(args: &[&str]) {
    let server = serve(args, "raises", &[]);
    let worker = server.workers(1)[0];
    let target = server.target();
    let raised = |lines: &[String]| lines.iter().filter(|it| *it == "app: raises").count();
    for times in 1..=20 {
        assert_eq!(target.get("/pid").ok(), worker.to_string());
        kill(worker, Signal::SIGUSR2).unwrap();
        let all = |lines: &[String]| raised(lines) == times;
        server.stderr.wait_until(all, "the handler has raised");
    }
    // uvloop may lose an exception of a handler.
    if !args.contains(&"uvloop") {
        server
            .stderr
            .wait_for("ValueError: a handler that is broken");
    }
    assert_eq!(target.get("/pid").ok(), worker.to_string());
}

fn signals_that_come_at_once_do_no_harm(args: &[&str]) {
    let server = serve(args, "others", &[]);
    let worker = server.workers(1)[0];
    let target = server.target();
    assert_eq!(target.get("/burst").ok(), "12");
    assert_eq!(target.get("/pid").ok(), worker.to_string());
}

fn bursts_of_signals_do_no_harm(args: &[&str]) {
    let mut server = serve(args, "others chained", &[]);
    let worker = server.workers(1)[0];
    let target = server.target();
    target.get("/pid").ok();
    for _ in 0..20 {
        let mut clients: Vec<_> = (0..8).map(|_| target.connect().unwrap()).collect();
        for client in &mut clients {
            client
                .write_all(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
        }
        for _ in 0..20 {
            for signal in [
                Signal::SIGUSR1,
                Signal::SIGUSR2,
                Signal::SIGALRM,
                Signal::SIGHUP,
                Signal::SIGWINCH,
            ] {
                kill(worker, signal).unwrap();
            }
        }
        for client in &mut clients {
            let answer = Response::read(client, false).unwrap();
            assert_eq!(answer.ok(), worker.to_string());
        }
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

fn forked_children_end_as_they_are_told(args: &[&str]) {
    if args.contains(&"gevent") {
        // A forked child of gevent waits for its event loop.
        return;
    }
    let server = serve(args, "", &[]);
    assert_eq!(server.target().get("/child").ok(), "-15");
    let server = serve(args, "own", &[]);
    assert_eq!(
        server.target().get("/pid").ok(),
        server.workers(1)[0].to_string()
    );
}

fn exit_functions_are_run_at_a_quick_stop(args: &[&str]) {
    for signal in [Signal::SIGINT, Signal::SIGQUIT] {
        let mut server = serve(args, "at_exit", &["--workers", "6"]);
        let workers = server.workers(6);
        let loaded = |lines: &[String]| lines.iter().filter(|it| *it == "app: is loaded").count();
        let all = |lines: &[String]| loaded(lines) == workers.len();
        server.stderr.wait_until(all, "all have loaded the app");
        server.signal(signal);
        assert_eq!(server.exit_code(), 0);
        let log = server.stderr.whole();
        for worker in workers {
            let line = format!("app: atexit of {worker}");
            assert_eq!(log.matches(&line).count(), 1, "{log}");
        }
    }
}

fn exit_functions_are_run_at_a_quick_stop_in_a_request(args: &[&str]) {
    let mut server = serve(args, "at_exit", &[]);
    let worker = server.workers(1)[0];
    let _busy = keep_busy(&server, "/sleep");
    server.signal(Signal::SIGINT);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    let line = format!("app: atexit of {worker}");
    assert_eq!(log.matches(&line).count(), 1, "{log}");
}

/// Keeps the worker in a request that does not end.
fn keep_busy(server: &Process, path: &str) -> impl Sized + use<> {
    let mut stream = server.target().connect().unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    server.stderr.wait_for("app: sleeps");
    stream
}

fn who_is_killed_late_is_told_of_with_what_it_did(args: &[&str]) {
    // The master ends, then the worker is replaced.
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let mut server = serve(args, "", &["--graceful-timeout", "4"]);
        let worker = server.workers(1)[0];
        let _busy = keep_busy(&server, "/sleep");
        server.signal(signal);
        server.stderr.wait_for(&format!(
            "Worker (pid:{worker}) has not finished within 4 s (graceful_timeout) and is killed"
        ));
        server
            .stderr
            .wait_for(&format!("Worker (pid:{worker}) was sent SIGKILL!"));
        server.signal(Signal::SIGTERM);
        assert_eq!(server.exit_code(), 0);
        let log = server.stderr.whole();
        let what = format!("Worker (pid: {worker}) has not ended");
        let (_, what) = log.split_once(&what).expect(&log);
        assert!(what.contains("GET /sleep from"), "{log}");
        assert!(what.contains(", in sleep"), "{log}");
        assert!(!log.contains("out of memory"), "{log}");
    }
}

fn threads_that_hold_up_the_end_are_named(args: &[&str]) {
    let mut server = serve(args, "lingering", &["--graceful-timeout", "4"]);
    server.target().get("/pid").ok();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("(graceful_timeout) and is killed"), "{log}");
    assert!(log.contains("lingers"), "{log}");
}

#[test]
fn tasks_that_remain_are_told_of() {
    let args = ["app:aapp", "-k", "asgi"];
    let mut server = serve(&args, "", &["--graceful-timeout", "4"]);
    let _busy = keep_busy(&server, "/await");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("await asyncio.Event().wait()"), "{log}");
}

fn files_that_are_too_large_are_an_error(args: &[&str]) {
    const LIMIT: usize = 8 << 20;
    let elsewhere = folder();
    let log = elsewhere.path().join("access.log");
    // As large as the limit allows.
    File::create(&log).unwrap().set_len(LIMIT as u64).unwrap();
    let start = start(args, "", &["--access-logfile", log.to_str().unwrap()]);
    // SAFETY: the closure only makes a system call.
    let start = unsafe {
        start.just_before(|| {
            Ok(setrlimit(
                Resource::RLIMIT_FSIZE,
                LIMIT as u64,
                LIMIT as u64,
            )?)
        })
    };
    let server = start.spawn();
    let worker = server.workers(1)[0].to_string();
    let target = server.target();
    assert_eq!(target.get("/write").ok(), "File too large");
    let mut client = target.connect().unwrap();
    let head = "POST /pid HTTP/1.1\r\nHost: a\r\nContent-Length: ";
    let request = [
        format!("{head}{}\r\n\r\n", 2 * LIMIT).as_bytes(),
        &vec![b'x'; 2 * LIMIT],
    ]
    .concat();
    // It may be answered, or the connection may be closed, before all of it is read.
    let _ = client.write_all(&request);
    let _ = Response::read(&mut client, false);
    assert_eq!(target.get("/pid").ok(), worker);
}

#[test]
fn an_app_that_stops_the_loop_has_its_worker_replaced() {
    for args in [
        &["app:aapp", "-k", "asgi"][..],
        &UVLOOP,
        &["app:app", "-k", "tornado"],
    ] {
        an_app_that_ends_its_worker_loses_no_request(args, "/stop_loop");
    }
}

#[test]
fn an_app_that_exits_outside_of_requests_has_its_worker_replaced() {
    for args in [
        &["app:aapp", "-k", "asgi"][..],
        &UVLOOP,
        &["app:app", "-k", "tornado"],
        &["app:app", "-k", "gevent"],
    ] {
        an_app_that_ends_its_worker_loses_no_request(args, "/exit_soon");
    }
}

fn an_app_that_ends_its_worker_loses_no_request(args: &[&str], path: &str) {
    let mut server = serve(args, "", &[]);
    let target = server.target();
    let worker = server.workers(1)[0].to_string();
    let mut client = target.connect().unwrap();
    // The second handler starts when the first is at its end.
    let both = format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n\
         GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    );
    client.write_all(both.as_bytes()).unwrap();
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).unwrap();
    let answers = responses(&answers).unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].status, 200);
    assert_eq!(answers[1].ok(), worker);
    let next = server.workers(2)[1].to_string();
    server
        .stderr
        .wait_for(&format!("Worker exiting (pid: {worker})"));
    assert_eq!(target.get("/pid").ok(), next);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(!log.contains("exited with code"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn a_handler_of_gevents_does_not_keep_the_worker() {
    let log = end(serve(&["app:app", "-k", "gevent"], "in_gevent", &[]));
    assert!(log.contains("app: heard SIGTERM"), "{log}");
}

#[test]
fn a_limit_for_files_that_is_too_small_is_told() {
    // SAFETY: the closure only makes a system call.
    let start = unsafe {
        start(&["app:app"], "", &[])
            .just_before(|| Ok(setrlimit(Resource::RLIMIT_FSIZE, 1 << 16, 1 << 16)?))
    };
    let finished = start.run();
    assert_eq!(finished.code, 127, "{}", finished.stderr);
    assert!(finished.stderr.contains("ulimit -f"), "{}", finished.stderr);
}

#[test]
fn signals_that_come_at_once_do_a_script_no_harm() {
    let code = "
import os, signal, threading
numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGWINCH]
numbers += range(signal.SIGRTMIN, signal.SIGRTMIN + 12)
heard = []
for number in numbers: signal.signal(number, lambda number, frame: heard.append(number))
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for number in numbers: os.kill(os.getpid(), number)
signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
print(sorted(heard) == sorted(numbers))";
    let said = Start::new(["python", "-c", code]).run().expect_success();
    assert_eq!(said.stdout, "True");
}
