//! Workers with many threads.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Process, Response, Start, Target, app};

fn serve(args: &[&str]) -> Process {
    Start::server(args)
        .args(["-k", "gthread", "app"])
        .cwd(app("threads"))
        .spawn()
}

/// The answers to several clients, each of which requests a path several times.
fn at_once(target: &Target, clients: usize, times: usize, path: &str) -> Vec<String> {
    thread::scope(|scope| {
        let clients: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    (0..times)
                        .map(|_| target.get(path).ok())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    })
}

#[test]
fn the_app_is_told_and_has_its_threads() {
    let server = serve(&["--threads", "3"]);
    server.stderr.wait_for("Using worker: gthread");
    let target = server.target();
    assert_eq!(target.get("/multithread").ok(), "True");
    // Three requests wait at the same barrier.
    let mut names = at_once(&target, 3, 1, "/meet?3");
    names.sort();
    let expected: Vec<_> = (0..3)
        .map(|number| format!("ThreadPoolExecutor-0_{number}"))
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn thread_locals_and_context_variables_are_each_threads_own() {
    let server = serve(&["--threads", "4"]);
    for answer in at_once(&server.target(), 8, 20, "/own") {
        assert_eq!(answer, "own");
    }
    // The thread objects are always the same.
    let idents = at_once(&server.target(), 8, 20, "/ident");
    let mut different = idents.clone();
    different.sort();
    different.dedup();
    assert!(different.len() <= 4, "{different:?}");
}

#[test]
fn extensions_that_let_the_gil_go_run_side_by_side() {
    let server = serve(&["--threads", "4"]);
    let digests = at_once(&server.target(), 4, 3, "/scrypt");
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[test]
fn a_slow_page_does_not_hold_the_others() {
    let server = serve(&["--threads", "2"]);
    let target = server.target();
    let mut slow = target.connect().unwrap();
    slow.write_all(b"GET /wait HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    // They are answered although the slow request still waits.
    for _ in 0..20 {
        assert_eq!(target.get("/multithread").ok(), "True");
    }
    assert_eq!(target.get("/go").ok(), "gone");
    assert_eq!(Response::read(&mut *slow, false).unwrap().ok(), "waited");
}

#[test]
fn when_all_threads_are_busy_requests_wait_for_one() {
    let server = serve(&["--threads", "2", "--timeout", "2"]);
    let target = server.target();
    let worker = server.workers(1);
    let mut slow: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            stream
                .write_all(b"GET /sleep?3 HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            stream
        })
        .collect();
    thread::sleep(Duration::from_millis(200));
    let begin = Instant::now();
    assert_eq!(target.get("/multithread").ok(), "True");
    assert!(begin.elapsed() > Duration::from_secs(1));
    for stream in &mut slow {
        assert_eq!(Response::read(&mut **stream, false).unwrap().ok(), "slept");
    }
    // Busy threads are not a reason to end a worker of this class.
    assert_eq!(server.workers(1), worker);
}
