//! No request is lost while workers and masters are replaced: clients keep several
//! requests open on each connection, until the server says GOAWAY.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, Target, folder, in_each_class, wait_until};

in_each_class! {
    hup_again_and_again,
    workers_are_replaced_after_their_requests,
    a_second_master_takes_over,
    what_has_begun_is_answered_at_the_end,
}

/// How many requests a client keeps open on a connection.
const OPEN: usize = 6;
const CLIENTS: usize = 6;

const APP: &str = "
import asyncio, time

def wsgi(environ, start_response):
    if environ['PATH_INFO'] == '/slow':
        time.sleep(0.02)
    start_response('200 OK', [('Content-Length', '4')])
    return [b'done']

async def asgi(scope, receive, send):
    assert scope['type'] == 'http'
    if scope['path'] == '/slow':
        await asyncio.sleep(0.02)
    await send({'type': 'http.response.start', 'status': 200, 'headers': []})
    await send({'type': 'http.response.body', 'body': b'done'})
";

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicUsize,
    connections: AtomicUsize,
    lost: Mutex<Vec<String>>,
}

struct Load {
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    fn on(target: &Target) -> Self {
        let shared = Arc::<Shared>::default();
        let clients = (0..CLIENTS).map(|number| {
            let (shared, target) = (Arc::clone(&shared), target.clone());
            thread::spawn(move || shared.ask(number, &target))
        });
        let clients = clients.collect();
        Self { shared, clients }
    }

    /// Waits until this many more requests were answered.
    #[track_caller]
    fn wait_for(&self, more: usize) {
        let answered = || self.shared.answered.load(Ordering::Relaxed);
        let end = answered() + more;
        wait_until("requests are answered", || {
            answered() >= end || !self.shared.lost().is_empty()
        });
    }

    #[track_caller]
    fn finish(self, server: &Process) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().unwrap();
        }
        let lost = self.shared.lost();
        let answered = self.shared.answered.load(Ordering::Relaxed);
        let log = server.stderr.so_far();
        assert!(lost.is_empty(), "of {answered} lost: {lost:?}\n{log}");
        assert!(answered > 0);
    }
}

impl Shared {
    fn lost(&self) -> MutexGuard<'_, Vec<String>> {
        self.lost.lock().unwrap()
    }

    fn ask(&self, number: usize, target: &Target) {
        let path = if number == 0 { "/slow" } else { "/" };
        while !self.stop.load(Ordering::Relaxed) && self.lost().is_empty() {
            // The end of a server refuses connections.
            if target.connect().is_err() {
                thread::yield_now();
                continue;
            }
            self.connections.fetch_add(1, Ordering::Relaxed);
            let talk = AssertUnwindSafe(|| self.talk(&Origin::http(target), path));
            if let Err(panic) = catch_unwind(talk) {
                let text = panic.downcast_ref::<String>().cloned();
                self.lost().push(text.unwrap_or_default());
            }
        }
    }

    /// Sends requests on one connection until the server says GOAWAY.
    fn talk(&self, origin: &Origin, path: &str) {
        let mut client = Http2::open(origin);
        let mut open: Vec<_> = (0..OPEN).map(|_| client.get(path)).collect();
        while !open.is_empty() {
            let stream = open.remove(0);
            client.wait_until("an answer, or the end", |client| {
                client.so_far(stream).has_ended || client.is_over()
            });
            if client.is_over() && stream > client.last_stream() {
                // It may be sent again, on another connection.
                continue;
            }
            assert_eq!(client.response(stream).ok(), "done");
            self.answered.fetch_add(1, Ordering::Relaxed);
            if !client.is_over() && !self.stop.load(Ordering::Relaxed) {
                open.push(client.get(path));
            }
        }
    }
}

fn serve(class: &[&str], args: &[&str]) -> (TempDir, Process) {
    let dir = folder();
    fs::write(dir.path().join("app.py"), APP).unwrap();
    let server = Start::server(["--workers", "2", "--http2-cleartext", "prior-knowledge"])
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
    server.workers(2);
    server.target().get("/").ok();
    (dir, server)
}

fn count(server: &Process, text: &str) -> usize {
    server.stderr.so_far().matches(text).count()
}

fn hup_again_and_again(class: &[&str]) {
    let (_app, server) = serve(class, &[]);
    let load = Load::on(&server.target());
    for _ in 0..5 {
        load.wait_for(200);
        let before = count(&server, "Worker exiting");
        server.signal(Signal::SIGHUP);
        wait_until("old workers end", || {
            count(&server, "Worker exiting") >= before + 2 || !load.shared.lost().is_empty()
        });
    }
    load.wait_for(200);
    load.finish(&server);
}

fn workers_are_replaced_after_their_requests(class: &[&str]) {
    let (_app, server) = serve(class, &["--max-requests", "100"]);
    let load = Load::on(&server.target());
    wait_until("workers are replaced", || {
        count(&server, "Worker exiting") >= 4 || !load.shared.lost().is_empty()
    });
    load.finish(&server);
}

fn a_second_master_takes_over(class: &[&str]) {
    let dir = folder();
    let file = dir.path().join("pid");
    let second_file = dir.path().join("pid.2");
    let (_app, mut server) = serve(class, &["--pid", file.to_str().unwrap()]);
    let load = Load::on(&server.target());
    load.wait_for(200);
    server.signal(Signal::SIGUSR2);
    wait_until("the second master is there", || {
        read_pid(&second_file).is_some()
    });
    let second = read_pid(&second_file).unwrap();
    server.workers(4);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
    load.wait_for(200);
    load.finish(&server);
    kill(second, Signal::SIGTERM).unwrap();
    wait_until("the second has ended", || !file.exists());
}

fn read_pid(path: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    Some(Pid::from_raw(text.trim().parse().ok()?))
}

fn what_has_begun_is_answered_at_the_end(class: &[&str]) {
    let (_app, mut server) = serve(class, &[]);
    let mut client = Http2::open(&Origin::http(&server.target()));
    let streams: Vec<_> = (0..20).map(|_| client.get("/slow")).collect();
    client.ping();
    server.signal(Signal::SIGTERM);
    for stream in streams {
        assert_eq!(client.response(stream).ok(), "done");
    }
    client.expect_goaway(&[0]);
    client.expect_closed();
    assert_eq!(server.exit_code(), 0);
}
