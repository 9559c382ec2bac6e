//! Several workers share the connections and requests.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::sync::Barrier;
use std::thread;

use crate::support::http::Stream;
use crate::support::{Process, Response, Start, Target, app};

const WORKERS: usize = 4;
const CONNECTIONS: usize = 64;

#[test]
fn no_worker_starves_when_clients_come_one_by_one() {
    for class in [&[][..], &["--threads", "2"]] {
        let server = serve(class);
        let target = server.target();
        let streams = (0..CONNECTIONS).map(|_| {
            let mut stream = target.connect().unwrap();
            ask(&mut stream);
            answer(&mut stream);
            stream
        });
        share(streams.collect());
    }
}

#[test]
fn no_worker_starves_when_all_clients_come_at_once() {
    for class in [&[][..], &["--threads", "2"]] {
        let server = serve(class);
        let target = server.target();
        // The connection is made before the worker accepts it.
        let mut streams: Vec<_> = (0..CONNECTIONS)
            .map(|_| target.connect().unwrap())
            .collect();
        streams.iter_mut().for_each(ask);
        for stream in &mut streams {
            answer(stream);
        }
        share(streams);
    }
}

#[test]
fn a_worker_takes_more_than_its_share_while_the_others_are_busy() {
    let server = serve(&["--timeout", "120"]);
    let target = server.target();
    let _busy: Vec<_> = (1..WORKERS)
        .map(|number| {
            let mut stream = target.connect().unwrap();
            stream
                .write_all(b"GET /slow?60 HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            server.stderr.wait_until(
                |lines| {
                    lines
                        .iter()
                        .filter(|it| it.contains("slow request"))
                        .count()
                        == number
                },
                "slow requests",
            );
            stream
        })
        .collect();
    let mut pids = BTreeSet::new();
    let _kept: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut stream = target.connect().unwrap();
            ask(&mut stream);
            pids.insert(answer(&mut stream));
            stream
        })
        .collect();
    assert_eq!(pids.len(), 1, "{pids:?}");
}

#[test]
fn clients_that_come_together_do_not_wait_for_one_another() {
    for _ in 0..5 {
        let server = serve(&["--timeout", "120"]);
        let target = server.target();
        let together = Barrier::new(WORKERS - 1);
        let sleep = || {
            together.wait();
            let mut stream = target.connect().unwrap();
            let request = b"GET /slow?100 HTTP/1.1\r\nHost: a\r\n\r\n";
            stream.write_all(request).unwrap();
            stream
        };
        let _sleeping: Vec<_> = thread::scope(|scope| {
            let clients: Vec<_> = (1..WORKERS).map(|_| scope.spawn(sleep)).collect();
            let streams = clients.into_iter().map(|client| client.join().unwrap());
            streams.collect()
        });
        let asleep = |lines: &[String]| {
            let asleep = lines.iter().filter(|it| it.contains("slow request"));
            asleep.count() == WORKERS - 1
        };
        server
            .stderr
            .wait_until(asleep, "a worker for each of them");
        pid_of_some_worker(&target);
    }
}

/// Waits until all workers are up.
fn serve(args: &[&str]) -> Process {
    let server = Start::server(["--workers", "4", "--keep-alive", "60", "app"])
        .args(args)
        .cwd(app("hello"))
        .spawn();
    let target = server.target();
    let mut seen = BTreeSet::new();
    while seen.len() < WORKERS {
        seen.insert(pid_of_some_worker(&target));
    }
    server
}

/// The connection is closed then, also on the worker's side.
fn pid_of_some_worker(target: &Target) -> String {
    let mut stream = target.connect().unwrap();
    let request = b"GET /pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let pid = answer(&mut stream);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    pid
}

fn ask(stream: &mut Box<dyn Stream>) {
    stream
        .write_all(b"GET /pid HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
}

fn answer(stream: &mut Box<dyn Stream>) -> String {
    Response::read(stream, false).unwrap().ok()
}

/// Each worker must serve between half and twice its share of the requests on these
/// connections.
fn share(mut streams: Vec<Box<dyn Stream>>) {
    const ROUNDS: usize = 10;
    let mut served = BTreeMap::<String, usize>::new();
    for _ in 0..ROUNDS {
        for stream in &mut streams {
            ask(stream);
            *served.entry(answer(stream)).or_default() += 1;
        }
    }
    let share = CONNECTIONS * ROUNDS / WORKERS;
    assert_eq!(served.len(), WORKERS, "{served:?}");
    for count in served.values() {
        assert!((share / 2..=share * 2).contains(count), "{served:?}");
    }
}
