//! Workers that use more memory than is allowed.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::support::{Process, Response, Start, Target, folder, wait_until};

/// Allocates as many MiB as the query says and waits as many seconds as the path says.
/// Returns its process id.
const APP: &str = "
import os, time
kept = []

def application(environ, start_response):
    kept.append(b'x' * (int(environ['QUERY_STRING'] or 0) << 20))
    time.sleep(float(environ['PATH_INFO'][1:] or 0))
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [str(os.getpid()).encode()]
";

fn serve(dir: &Path, limit: &str) -> Process {
    fs::write(dir.join("app.py"), APP).unwrap();
    Start::server(["app", limit, "150", "--chdir"])
        .args([dir])
        .spawn()
}

fn wait_for_another(target: &Target, pid: &str) {
    wait_until("another worker answers", || target.get("/").ok() != pid);
}

#[test]
fn a_worker_above_the_soft_limit_is_replaced_after_the_request() {
    let dir = folder();
    let server = serve(dir.path(), "--max-worker-memory");
    let target = server.target();
    let pid = target.get("/?20").ok();
    assert_eq!(target.get("/0.5").ok(), pid, "below the limit it stays");
    // The request is finished, although the limit is noticed meanwhile.
    assert_eq!(target.get("/1?250").ok(), pid);
    wait_for_another(&target, &pid);
    let line = server
        .stderr
        .wait_for("more than max_worker_memory (150 MiB); it is replaced");
    assert!(
        line.contains(&format!("Worker (pid: {pid}) uses ")),
        "{line}"
    );
}

#[test]
fn a_worker_above_the_hard_limit_is_killed_at_once() {
    let dir = folder();
    let server = serve(dir.path(), "--max-worker-memory-hard");
    let target = server.target();
    let pid = target.get("/").ok();
    // The request would take a minute.
    let mut stream = target.connect().unwrap();
    let request = b"GET /60?250 HTTP/1.1\r\nHost: testserver\r\n\r\n";
    stream.write_all(request).unwrap();
    let cut_off = Response::read(&mut *stream, false);
    assert!(cut_off.is_err(), "{cut_off:?}");
    server
        .stderr
        .wait_for(&format!("Worker (pid: {pid}) uses "));
    server
        .stderr
        .wait_for("more than max_worker_memory_hard (150 MiB); it is killed");
    server
        .stderr
        .wait_for("was sent SIGKILL! It had more memory than max_worker_memory_hard allows.");
    wait_for_another(&target, &pid);
}
