//! How many system calls a request costs: those that are not needed must not come
//! back.

use std::io::{Read, Write};

use nix::libc;

use crate::support::system_calls::calls_during;
use crate::support::{Response, Start, Target, app, folder, wait_until};

/// How many connections are counted.
const COUNT: usize = 50;

const SKIPPED: &str = "skipped: this user may not trace its own processes";

#[test]
fn a_connection_that_ends_costs_four_calls() {
    let dir = folder();
    let socket = format!("unix:{}", dir.path().join("socket").display());
    let server = Start::server(["--bind", &socket, "app:plain"])
        .cwd(app("wsgi"))
        .spawn();
    let worker = server.workers(1)[0];
    for target in server.targets() {
        for request in [
            "GET /echo HTTP/1.0\r\n\r\n",
            "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "POST /echo HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
        ] {
            // After the first answer, the worker has nothing else to do.
            ask(&target, request);
            let ask_all = || (0..COUNT).for_each(|_| ask(&target, request));
            let Some(calls) = calls_during(worker, ask_all) else {
                return eprintln!("{SKIPPED}");
            };
            let said = format!("{request:?} {calls:?}");
            assert_eq!(calls.of(&[libc::SYS_close]), COUNT, "{said}");
            let sends = [libc::SYS_sendto, libc::SYS_sendmsg];
            assert_eq!(calls.of(&sends), COUNT, "{said}");
            // If the request comes later than the connection, epoll reports it.
            let waited = calls.of(&[libc::SYS_epoll_ctl]);
            assert!(waited <= COUNT, "{said}");
            assert_eq!(calls.of(&[libc::SYS_recvfrom]), COUNT + waited, "{said}");
            // Sometimes it is asked whether another client waits.
            let accepted = calls.of(&[libc::SYS_accept4]);
            let few = COUNT..COUNT + COUNT / 3;
            assert!(few.contains(&accepted), "{said}");
            let never = [libc::SYS_fcntl, libc::SYS_shutdown, libc::SYS_setsockopt];
            assert_eq!(calls.of(&never), 0, "{said}");
        }
    }
}

fn ask(target: &Target, request: &str) {
    let mut stream = target.connect().unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains(" 200 OK\r\n"), "{text}");
}

#[test]
fn quick_blocks_leave_together() {
    let server = Start::server(["app:plain"]).cwd(app("wsgi")).spawn();
    let worker = server.workers(1)[0];
    let mut stream = server.target().connect().unwrap();
    let mut ask = || {
        let request = "GET /quick HTTP/1.1\r\nHost: a\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(
            Response::read(&mut stream, false).unwrap().ok(),
            "block".repeat(10)
        );
    };
    // On a busy machine the app may stop between two blocks.
    wait_until("ten blocks and the end leave with two calls", || {
        let sends = [libc::SYS_sendto, libc::SYS_sendmsg];
        match calls_during(worker, &mut ask) {
            Some(calls) => calls.of(&sends) == 2,
            None => {
                eprintln!("{SKIPPED}");
                true
            }
        }
    });
}
