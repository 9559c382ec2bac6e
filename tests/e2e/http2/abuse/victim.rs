//! A server that is attacked, and another client of it.

use std::fs;

use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::http2::frame::Frame;
use crate::support::http2::frame::code::ENHANCE_YOUR_CALM;
use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, folder, own_memory};

const APP: &str = r#"
import asyncio, os, time

BLOCK = b"b" * 65536

def length(environ):
    return sum(map(len, iter(lambda: environ["wsgi.input"].read(65536), b"")))

def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/slow":
        time.sleep(0.05)
    while path == "/unread" and not os.path.exists("go"):
        time.sleep(0.01)
    if path == "/large":
        return (BLOCK for _ in range(16))
    return [b"%d bytes" % length(environ)]

async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    while path == "/unread" and not os.path.exists("go"):
        await asyncio.sleep(0.01)
    length, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        more = message.get("more_body", False)
    if path == "/slow":
        await asyncio.sleep(0.05)
    await send({"type": "http.response.start", "status": 200})
    if path == "/large":
        for _ in range(16):
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": b"%d bytes" % length})
"#;

/// How many frames an attacker sends in one piece.
const IN_ONE_PIECE: usize = 50;

/// The most pieces of an attack: far more than any limit allows.
const MOST_PIECES: usize = 2000;

pub struct Victim {
    pub server: Process,
    pub origin: Origin,
    worker: Pid,
    /// The most memory that the worker has used before the attack.
    peak: usize,
    /// A connection of somebody else.
    other: Http2,
    app: TempDir,
}

impl Victim {
    pub fn start(class: &[&str], args: &[&str]) -> Self {
        let dir = folder();
        fs::write(dir.path().join("app.py"), APP).unwrap();
        let server = Start::server([
            "--http2-cleartext",
            "prior-knowledge",
            "--keep-alive",
            "600",
        ])
        .args(args)
        .args(class)
        .cwd(dir.path())
        .spawn();
        let origin = Origin::http(&server.target());
        let mut other = Http2::open(&origin);
        for path in ["/", "/large"] {
            let stream = other.get(path);
            other.response(stream).ok();
        }
        let worker = server.workers(1)[0];
        Self {
            peak: peak(worker),
            server,
            origin,
            worker,
            other,
            app: dir,
        }
    }

    /// A connection of the attacker.
    pub fn attacker(&self) -> Http2 {
        Http2::open(&self.origin)
    }

    /// Others are served meanwhile.
    #[track_caller]
    pub fn serves_others(&mut self) {
        let stream = self.other.get("/");
        assert_eq!(self.other.response(stream).ok(), "0 bytes");
    }

    /// Sends the frames of an attack until the server ends the connection.
    #[track_caller]
    pub fn flood(&mut self, client: &mut Http2, mut next: impl FnMut(&mut Http2) -> Vec<Frame>) {
        for piece in 0..MOST_PIECES {
            if client.is_over() {
                break;
            }
            let frames = (0..IN_ONE_PIECE).flat_map(|_| next(client)).collect();
            client.send_in_pieces(b"", frames, usize::MAX);
            client.catch_up();
            if piece % 10 == 0 {
                self.serves_others();
            }
        }
    }

    /// The server has ended the connection of an attacker, and said so once for each.
    #[track_caller]
    pub fn expect_calm(&mut self, mut client: Http2, attackers: usize) {
        client.expect_connection_error(&[ENHANCE_YOUR_CALM]);
        self.serves_others();
        let count = |lines: &[String]| lines.iter().filter(|line| line.contains(ENDED)).count();
        let enough = |lines: &[String]| count(lines) >= attackers;
        let what = "a line for each connection that is ended";
        let lines = self.server.stderr.wait_until(enough, what);
        assert_eq!(count(&lines), attackers, "{lines:?}");
    }

    /// Lets the app go on that waits on the page `/unread`.
    pub fn release_unread(&self) {
        fs::write(self.app.path().join("go"), "").unwrap();
    }

    /// How many descriptors the worker has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.worker);
        fs::read_dir(folder).unwrap().count()
    }

    /// How much memory the worker has at present, in bytes.
    pub fn memory(&self) -> usize {
        own_memory(self.worker)
    }

    /// Others are served, the worker is the same, and its memory has not grown by more.
    #[track_caller]
    pub fn expect_unharmed(mut self, most_growth: usize) {
        self.serves_others();
        Http2::open(&self.origin).expect_service();
        assert_eq!(self.server.workers(1), [self.worker]);
        let growth = peak(self.worker).saturating_sub(self.peak);
        assert!(growth <= most_growth, "{growth} bytes more");
    }
}

/// What the log says of a connection that is ended for abuse.
const ENDED: &str = "An HTTP/2 connection from ip=127.0.0.1 is ended: ";

/// The most memory that a process has had, in bytes.
fn peak(pid: Pid) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() << 10
}
