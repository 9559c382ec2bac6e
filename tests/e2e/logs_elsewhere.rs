//! Logs and metrics that are sent to other programs: syslog and statsd.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;

use crate::support::{DEADLINE, Process, Start, app, folder, site, uninterrupted};

fn hello(args: &[&str]) -> Process {
    Start::server(["app"]).args(args).cwd(app("hello")).spawn()
}

/// Receives packets until one has `text` in it, and returns that one.
#[track_caller]
fn wait_for(text: &str, mut receive: impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> String {
    let mut seen = Vec::new();
    loop {
        let mut packet = [0; 65536];
        let length = uninterrupted(|| receive(&mut packet)).unwrap_or_else(|error| {
            panic!("{error} while waiting for {text:?} in {seen:#?}");
        });
        let packet = String::from_utf8(packet[..length].to_vec()).unwrap();
        if packet.contains(text) {
            return packet;
        }
        seen.push(packet);
    }
}

fn udp() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn syslog_gets_both_logs_by_udp() {
    let (daemon, port) = udp();
    let to = format!("udp://127.0.0.1:{port}");
    let server = hello(&["--log-syslog", "--log-syslog-to", &to, "-n", "my:site"]);
    let pid = server.workers(1)[0];
    let message = wait_for("Booting", |packet| daemon.recv(packet));
    // 14 is user.info.
    let expected = format!("<14>gunicorn.my.site.error: [{pid}] Booting worker with pid: {pid}");
    assert_eq!(message, expected);

    server.target().get("/broken");
    let message = wait_for("Error handling", |packet| daemon.recv(packet));
    assert!(
        message.starts_with("<11>gunicorn.my.site.error: ["),
        "{message}"
    );
    assert!(message.contains("\nRuntimeError: this page"), "{message}");
    let message = wait_for(".access: ", |packet| daemon.recv(packet));
    let start = format!("<14>gunicorn.my.site.access: [{pid}] 127.0.0.1 - - [");
    assert!(message.starts_with(&start), "{message}");
    assert!(
        message.contains("\"GET /broken HTTP/1.1\" 500 "),
        "{message}"
    );
    assert_eq!(server.stdout.so_far(), "");
}

#[test]
fn json_in_syslog_is_printable_ascii() {
    let (daemon, port) = udp();
    let to = format!("udp://127.0.0.1:{port}");
    let server = hello(&["--log-syslog", "--log-syslog-to", &to, "--access-log-json"]);
    let request =
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nUser-Agent: \u{9b}2J\u{2028}\r\n\r\n";
    server.target().exchange(request);
    let message = wait_for(".access: ", |packet| daemon.recv(packet));
    assert!(
        message.contains(r#""user_agent": "\u009b2J\u2028""#),
        "{message}"
    );
    assert!(
        message.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{message}"
    );
}

#[test]
fn the_access_log_can_be_kept_out_of_syslog() {
    let dir = folder();
    let path = dir.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_read_timeout(Some(DEADLINE)).unwrap();
    let to = format!("unix://{}", path.display());
    let mut server = hello(&[
        "--log-syslog",
        "--log-syslog-to",
        &to,
        "--disable-redirect-access-to-syslog",
        "--log-syslog-facility",
        "local3",
        "--log-syslog-prefix",
        "site",
    ]);
    server.target().get("/");
    server.signal(Signal::SIGTERM);
    let mut all = String::new();
    let last = wait_for("Shutting down: Master", |packet| {
        let length = daemon.recv(packet)?;
        all += std::str::from_utf8(&packet[..length]).unwrap();
        Ok(length)
    });
    // 158 is local3.info.
    assert!(last.starts_with("<158>gunicorn.site.error: ["), "{last}");
    assert!(!all.contains("access"), "{all}");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_syslog_daemon_may_come_and_go() {
    let daemon = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = daemon.local_addr().unwrap();
    let to = format!("tcp://{address}");
    let server = hello(&["--log-syslog", "--log-syslog-to", &to]);
    let target = server.target();
    server.workers(1);

    /// The first line with `text` in it, from any connection.
    fn line(daemon: &TcpListener, text: &str) -> String {
        loop {
            let (stream, _) = daemon.accept().unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
            if let Some(line) = lines.find(|line| line.contains(text)) {
                return line;
            }
        }
    }
    // The master has its own connection, which stays open.
    let (_master, _) = daemon.accept().unwrap();
    target.get("/broken");
    let error = line(&daemon, "Error handling request");
    assert!(
        error.contains("#012RuntimeError: this page is broken"),
        "{error}"
    );

    // The connection is closed now, and requests are served all the same.
    for _ in 0..3 {
        assert_eq!(target.get("/").status, 200);
    }
    target.get("/broken");
    line(&daemon, "access: ");
}

#[test]
fn statsd_gets_gunicorns_metrics() {
    let (daemon, port) = udp();
    let host = format!("127.0.0.1:{port}");
    let server = hello(&[
        "--statsd-host",
        &host,
        "--statsd-prefix",
        "site",
        "--dogstatsd-tags",
        "a:b,c",
    ]);
    let target = server.target();
    target.get("/");
    let packet = wait_for("gunicorn.requests", |packet| daemon.recv(packet));
    let mut lines = packet.lines();
    let duration = lines.next().unwrap();
    let duration = duration
        .strip_prefix("site.gunicorn.request.duration:")
        .unwrap();
    let duration = duration.strip_suffix("|ms|#a:b,c").unwrap();
    assert!(duration.parse::<f64>().unwrap() > 0.0, "{packet}");
    assert_eq!(lines.next(), Some("site.gunicorn.requests:1|c|@1.0|#a:b,c"));
    let status = "site.gunicorn.request.status.200:1|c|@1.0|#a:b,c";
    assert_eq!(lines.next(), Some(status));

    target.get("/broken");
    let packet = wait_for("gunicorn.log", |packet| daemon.recv(packet));
    assert_eq!(packet, "site.gunicorn.log.exception:1|c|@1.0|#a:b,c");
    wait_for("status.500:1|c", |packet| daemon.recv(packet));
    assert_eq!(server.stdout.so_far(), "", "no access log was asked for");
}

#[test]
fn what_hooks_count_goes_to_statsd_too() {
    let (daemon, port) = udp();
    let dir = folder();
    site::copy_app("hello", dir.path());
    let config = format!(
        "statsd_host = '127.0.0.1:{port}'\nstatsd_prefix = 'shop'\n\
         def metric(worker, text, name, value, kind):\n    \
             extra = {{'metric': name, 'value': value, 'mtype': kind}}\n    \
             worker.log.info(text, extra=extra)\n\
         def post_worker_init(worker):\n    \
             metric(worker, '', 'carts', 3, 'gauge')\n    \
             metric(worker, 'sold one', 'sold', 0, 'counter')\n    \
             metric(worker, '', 'size', 1.5, 'histogram')\n    \
             metric(worker, '', 'pause', 7, 'timer')\n"
    );
    std::fs::write(dir.path().join("gunicorn.conf.py"), config).unwrap();
    let server = Start::server(["app"]).cwd(dir.path()).spawn();
    for metric in [
        "shop.carts:3|g",
        "shop.sold:0|c|@1.0",
        "shop.size:1.5|h",
        "shop.pause:7|ms",
    ] {
        let packet = wait_for(metric, |packet| daemon.recv(packet));
        assert_eq!(packet, metric);
    }
    server.stderr.wait_for("[INFO] sold one");
    let log = server.stderr.so_far();
    assert!(log.lines().all(|line| !line.ends_with("[INFO] ")), "{log}");
}

#[test]
fn statsd_is_told_of_workers_and_the_backlog() {
    let (daemon, port) = udp();
    let host = format!("127.0.0.1:{port}");
    let args = ["--statsd-host", &host, "--enable-backlog-metric"];
    let server = hello(&args);
    wait_for("gunicorn.workers:1|g", |packet| daemon.recv(packet));
    wait_for("gunicorn.backlog:0|h", |packet| daemon.recv(packet));
    server.signal(Signal::SIGTTIN);
    wait_for("gunicorn.workers:2|g", |packet| daemon.recv(packet));

    // No worker accepts connections while all are stopped.
    for worker in server.workers(2) {
        nix::sys::signal::kill(worker, Signal::SIGSTOP).unwrap();
    }
    let _waiting = [server.target().connect(), server.target().connect()];
    wait_for("gunicorn.backlog:2|h", |packet| daemon.recv(packet));
}

#[test]
fn a_site_does_not_depend_on_statsd() {
    let server = hello(&["--statsd-host", "no..such.host:8125"]);
    server
        .stderr
        .wait_for("[WARNING] Going without metrics. The statsd daemon at no..such.host:8125");
    assert_eq!(server.target().get("/").status, 200);
}
