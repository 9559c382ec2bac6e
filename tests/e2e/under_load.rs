//! No request is lost while workers and masters are replaced: clients send requests all
//! the time, with and without kept connections, with fast and slow answers.
//!
//! The numbers are small so that the suite stays fast. `RGUNICORN_LOAD=20000` makes
//! each test send that many requests, with hundreds of clients.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::{Process, Response, Start, Target, folder, in_each_class, wait_until};

in_each_class! {
    hup_ten_times,
    workers_come_and_go,
    workers_are_replaced_after_their_requests,
    a_second_master_takes_over,
    at_the_end_nobody_is_accepted_and_then_dropped,
    an_idle_worker_that_is_killed_takes_nothing_with_it,
}

/// The least number of requests in a test.
fn enough() -> usize {
    let asked = std::env::var("RGUNICORN_LOAD").ok();
    asked.map_or(600, |text| text.parse().expect("a number"))
}

/// The number of clients that send requests at the same time.
fn client_count() -> usize {
    (enough() / 15).clamp(100, 300)
}

/// Clients that send requests until they are told to stop.
struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicUsize,
    /// Refused connections. They are only expected when the server ends.
    refused: AtomicUsize,
    lost: std::sync::Mutex<Vec<String>>,
}

impl Load {
    fn on(target: &Target) -> Self {
        let shared = Arc::<Shared>::default();
        let clients = (0..client_count()).map(|number| {
            let (shared, target) = (Arc::clone(&shared), target.clone());
            thread::spawn(move || ask_on(number, &target, &shared))
        });
        let clients = clients.collect();
        Self { shared, clients }
    }

    fn answered(&self) -> usize {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Waits until this many more requests were answered.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let end = self.answered() + more;
        while self.answered() < end && self.lost().is_empty() {
            // In steps, as a slow machine needs its time.
            let next = end.min(self.answered() + 500);
            wait_until("requests are answered", || {
                self.answered() >= next || !self.lost().is_empty()
            });
        }
    }

    fn lost(&self) -> Vec<String> {
        self.shared.lost.lock().unwrap().clone()
    }

    /// Stops the clients. Returns how many connections were refused.
    #[track_caller]
    fn finish(self, server: &Process) -> usize {
        self.wait_for(enough().saturating_sub(self.answered()));
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let lost = self.shared.lost.lock().unwrap();
        let answered = self.shared.answered.load(Ordering::Relaxed);
        let refused = self.shared.refused.load(Ordering::Relaxed);
        eprintln!(
            "{answered} answered, {refused} refused, {} lost",
            lost.len()
        );
        assert!(
            lost.is_empty(),
            "{} of {answered} lost: {:?}\n{}",
            lost.len(),
            &lost[..lost.len().min(5)],
            server.stderr.so_far()
        );
        refused
    }
}

/// The requests of one client. Every third client keeps its connections, every tenth
/// requests something slow.
fn ask_on(number: usize, target: &Target, shared: &Shared) {
    let keeps = number.is_multiple_of(3);
    let expected = if number.is_multiple_of(10) {
        "slow"
    } else {
        "fast"
    };
    let connection = if keeps { "keep-alive" } else { "close" };
    let request =
        format!("GET /{expected} HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\n\r\n");
    while !shared.stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = target.connect() else {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        for round in 0.. {
            match exchange(&mut stream, &request) {
                Ok(answer) if answer.status == 200 && answer.text() == expected => {
                    shared.answered.fetch_add(1, Ordering::Relaxed);
                    let ends = answer
                        .header("Connection")
                        .is_some_and(|value| value.eq_ignore_ascii_case("close"));
                    if ends || !keeps || shared.stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                // A server may close a kept connection at any time between requests.
                // Clients then send the request again (RFC 9112, 9.3.1).
                Err(error) if round > 0 && is_clean_end(&error) => break,
                other => {
                    let told = match other {
                        Ok(answer) => format!("{} {}", answer.status, answer.text()),
                        Err(error) => error.to_string(),
                    };
                    let told = format!("client {number}, round {round}: {told}");
                    shared.lost.lock().unwrap().push(told);
                    break;
                }
            }
        }
    }
}

fn exchange(
    stream: &mut Box<dyn crate::support::http::Stream>,
    request: &str,
) -> io::Result<Response> {
    stream.write_all(request.as_bytes())?;
    Response::read(stream, false)
}

/// Whether no byte of an answer was received.
pub fn is_clean_end(error: &io::Error) -> bool {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => error.to_string().ends_with("cut off after \"\""),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => true,
        _ => false,
    }
}

const APP: &str = "
import asyncio, time

def wsgi(environ, start_response):
    body = b'fast'
    if environ['PATH_INFO'] == '/slow':
        time.sleep(0.02)
        body = b'slow'
    start_response('200 OK', [('Content-Length', '4')])
    return [body]

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    body = b'fast'
    if scope['path'] == '/slow':
        await asyncio.sleep(0.02)
        body = b'slow'
    headers = [(b'content-length', b'4')]
    await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
    await send({'type': 'http.response.body', 'body': body})
";

fn serve(class: &[&str], args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--workers", "2"])
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
    server.workers(2);
    server.target().get("/").ok();
    (dir, server)
}

/// How often the log has this text so far.
fn count(server: &Process, text: &str) -> usize {
    server.stderr.so_far().matches(text).count()
}

fn hup_ten_times(class: &[&str]) {
    let (_app, server) = serve(class, &[]);
    let load = Load::on(&server.target());
    for round in 1..=10 {
        load.wait_for(enough() / 12);
        server.signal(Signal::SIGHUP);
        // Sometimes the next master takes over.
        if round % 3 == 0 {
            let before = count(&server, "Worker exiting");
            wait_until("old workers end", || {
                count(&server, "Worker exiting") > before
            });
        }
    }
    load.wait_for(enough() / 12);
    assert_eq!(load.finish(&server), 0);
}

fn workers_come_and_go(class: &[&str]) {
    let (_app, mut server) = serve(class, &["--graceful-timeout", "20"]);
    let load = Load::on(&server.target());
    for _ in 0..3 {
        server.signal(Signal::SIGTTIN);
        load.wait_for(enough() / 12);
        server.signal(Signal::SIGTTOU);
        load.wait_for(enough() / 12);
    }
    assert_eq!(load.finish(&server), 0);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}

fn workers_are_replaced_after_their_requests(class: &[&str]) {
    let (_app, server) = serve(
        class,
        &["--max-requests", "50", "--max-requests-jitter", "10"],
    );
    let load = Load::on(&server.target());
    wait_until("workers are replaced", || {
        count(&server, "Worker exiting") >= 3 || !load.lost().is_empty()
    });
    assert_eq!(load.finish(&server), 0);
    assert!(count(&server, "Autorestarting worker after current request.") >= 3);
}

fn a_second_master_takes_over(class: &[&str]) {
    let dir = folder();
    let file = dir.path().join("pid");
    let second_file = dir.path().join("pid.2");
    let (_app, mut server) = serve(class, &["--pid", file.to_str().unwrap()]);
    let load = Load::on(&server.target());
    load.wait_for(enough() / 5);
    server.signal(Signal::SIGUSR2);
    wait_until("the second master is there", || {
        read_pid(&second_file).is_some()
    });
    let second = read_pid(&second_file).unwrap();
    server.workers(4);
    load.wait_for(enough() / 5);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    load.wait_for(enough() / 5);
    assert_eq!(load.finish(&server), 0);
    kill(second, Signal::SIGTERM).unwrap();
    wait_until("the second has ended", || !file.exists());
}

fn read_pid(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    Some(Pid::from_raw(text.trim().parse().ok()?))
}

fn at_the_end_nobody_is_accepted_and_then_dropped(class: &[&str]) {
    let (_app, mut server) = serve(class, &[]);
    let load = Load::on(&server.target());
    load.wait_for(enough());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    // From now on all connections are refused, and nothing else may happen.
    wait_until("clients are refused", || {
        load.shared.refused.load(Ordering::Relaxed) > client_count()
    });
    assert!(load.finish(&server) > 0);
}

fn an_idle_worker_that_is_killed_takes_nothing_with_it(class: &[&str]) {
    let (_app, server) = serve(class, &[]);
    let workers = server.workers(2);
    // No request is being served now.
    kill(workers[0], Signal::SIGKILL).unwrap();
    // A thread that just returns from accept() loses its connection: it ends only when
    // it leaves the kernel.
    server.stderr.wait_for("was sent SIGKILL!");
    let load = Load::on(&server.target());
    load.wait_for(enough() / 2);
    server.workers(3);
    assert_eq!(load.finish(&server), 0);
}
