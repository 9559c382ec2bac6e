//! HAProxy and nginx in front of the server, if they are installed: kept connections,
//! over TCP and a unix socket, and what they say about the client.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::clients::installed;
use crate::support::{DEADLINE, Process, Response, Start, Target, app, folder, nginx};
use crate::websocket::{WebSocket, frames};

/// Starts HAProxy in `folder` with this backend server line and these further lines of
/// the frontend.
pub fn haproxy(folder: &Path, frontend: &str, server: &str) -> Option<(Process, Target)> {
    let front = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let config = folder.join("haproxy.cfg");
    let text = format!(
        "global
           maxconn 200
         defaults
           mode http
           timeout connect 30s
           timeout client 30s
           timeout server 30s
           option http-keep-alive
           retries 0
         frontend front
           bind {front}
           {frontend}
           default_backend back
         backend back
           http-reuse always
           server us {server}
"
    );
    fs::write(&config, text).unwrap();
    let command = installed("haproxy", ["-db", "-f", config.to_str().unwrap()])?;
    let running = command.spawn();
    let target = Target::Tcp(front);
    let deadline = Instant::now() + DEADLINE;
    while target.connect().is_err() {
        let said = running.stderr.so_far();
        assert!(Instant::now() < deadline, "it does not listen: {said}");
        thread::sleep(Duration::from_millis(5));
    }
    Some((running, target))
}

fn serve(args: &[&str]) -> Process {
    Start::new(args)
        .args(["app:app"])
        .cwd(app("clients"))
        .spawn()
}

fn address(target: &Target) -> String {
    match target {
        Target::Tcp(address) => address.to_string(),
        Target::Unix(path) => format!("unix@{}", path.display()),
    }
}

/// Does what people do through a proxy, over one connection.
pub fn use_it(target: &Target) {
    let mut stream = target.connect().unwrap();
    let mut ask = |request: &[u8]| {
        stream.write_all(request).unwrap();
        Response::read(&mut *stream, false).unwrap()
    };
    for _ in 0..20 {
        assert_eq!(ask(b"GET / HTTP/1.1\r\nHost: site\r\n\r\n").ok(), "hello");
    }
    let mut upload =
        b"POST /digest HTTP/1.1\r\nHost: site\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    upload.resize(upload.len() + 3_000_000, b'x');
    assert!(ask(&upload).ok().starts_with("POST 3000000 "));
    let chunked = b"POST /digest HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n\
                    3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n";
    assert!(ask(chunked).ok().starts_with("POST 7 "));
    assert_eq!(
        ask(b"GET /stream HTTP/1.1\r\nHost: site\r\n\r\n")
            .ok()
            .len(),
        1_000_000
    );
    assert_eq!(
        ask(b"GET /nothing HTTP/1.1\r\nHost: site\r\n\r\n").status,
        204
    );
    assert_eq!(ask(b"GET / HTTP/1.1\r\nHost: site\r\n\r\n").ok(), "hello");
}

#[test]
fn over_tcp_with_what_it_says_of_the_scheme() {
    let server = serve(&["--bind", "127.0.0.1:0", "--workers", "2"]);
    let dir = folder();
    let says = "http-request set-header X-Forwarded-Proto https";
    let Some((_haproxy, front)) = haproxy(dir.path(), says, &address(&server.target())) else {
        return;
    };
    use_it(&front);
    let peer = front.get("/peer").ok();
    assert!(peer.ends_with(" https testserver"), "{peer}");
}

#[test]
fn a_scheme_that_nobody_trusts_is_not_believed() {
    let server = serve(&[
        "--bind",
        "127.0.0.1:0",
        "--forwarded-allow-ips",
        "192.0.2.1",
    ]);
    let dir = folder();
    let says = "http-request set-header X-Forwarded-Proto https";
    let Some((_haproxy, front)) = haproxy(dir.path(), says, &address(&server.target())) else {
        return;
    };
    let peer = front.get("/peer").ok();
    assert!(peer.ends_with(" http testserver"), "{peer}");
}

#[test]
fn over_a_unix_socket() {
    let dir = folder();
    let socket = format!("unix:{}", dir.path().join("site.sock").display());
    let server = serve(&["--bind", &socket, "--workers", "2"]);
    let Some((_haproxy, front)) = haproxy(dir.path(), "", &address(&server.target())) else {
        return;
    };
    use_it(&front);
}

/// What the app sees of a client at 127.0.0.7 that comes through HAProxy.
fn far_client(front: &Target) -> String {
    let Target::Tcp(address) = front else {
        panic!("HAProxy listens on TCP");
    };
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: SocketAddr = "127.0.0.7:0".parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&(*address).into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
        .write_all(b"GET /peer HTTP/1.1\r\nHost: site\r\n\r\n")
        .unwrap();
    let port = stream.local_addr().unwrap().port().to_string();
    let peer = Response::read(&mut stream, false).unwrap().ok();
    peer.replace(&format!(" {port} "), " ITS-PORT ")
}

#[test]
fn the_proxy_protocol_tells_of_the_client() {
    for (mode, server_line) in [
        ("v1", "send-proxy"),
        ("v2", "send-proxy-v2"),
        ("auto", "send-proxy"),
        ("auto", "send-proxy-v2"),
    ] {
        let server = serve(&["--bind", "127.0.0.1:0", "--proxy-protocol", mode]);
        let dir = folder();
        let line = format!("{} {server_line}", address(&server.target()));
        let Some((_haproxy, front)) = haproxy(dir.path(), "", &line) else {
            return;
        };
        let peer = far_client(&front);
        assert_eq!(peer, "127.0.0.7 ITS-PORT http site", "{mode} {server_line}");
        use_it(&front);
    }
}

#[test]
fn a_proxy_header_of_the_wrong_version_or_peer_is_refused() {
    for settings in [
        ["--proxy-protocol", "v2"],
        ["--proxy-allow-from", "192.0.2.1"],
    ] {
        let mut args = vec!["--bind", "127.0.0.1:0", "--proxy-protocol", "v1"];
        args.extend(settings);
        let server = serve(&args);
        let dir = folder();
        let line = format!("{} send-proxy", address(&server.target()));
        let Some((_haproxy, front)) = haproxy(dir.path(), "", &line) else {
            return;
        };
        assert_ne!(front.get("/peer").status, 200);
    }
}

#[test]
fn a_websocket_goes_through() {
    let server = Start::server(["--worker-class", "asgi", "app:app"])
        .cwd(app("asgi"))
        .spawn();
    let dir = folder();
    let Some((_haproxy, front)) = haproxy(dir.path(), "", &address(&server.target())) else {
        return;
    };
    let mut socket = WebSocket::open(&front, "/echo");
    for number in 0..20 {
        let message = format!("message {number} ").repeat(100);
        socket.send(&frames::text(&message));
        assert_eq!(socket.next(), Some((0x81, message.into_bytes())));
    }
    socket.send(&frames::close(1000, b""));
    assert_eq!(socket.next(), Some((0x88, vec![0x03, 0xe8])));
    assert_eq!(socket.next(), None);
}

/// nginx in front of a server with these settings: it keeps connections, and passes
/// bodies on as they arrive.
fn behind_nginx(settings: &[&str], use_front: impl FnOnce(&Target)) {
    let server = serve(settings);
    let us = match server.target() {
        Target::Tcp(address) => address.to_string(),
        Target::Unix(path) => format!("unix:{}", path.display()),
    };
    let dir = folder();
    let http = format!(
        "upstream us {{ server {us}; keepalive 4; }}
         server {{
           listen FRONT; client_max_body_size 0;
           location / {{
             proxy_pass http://us; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; proxy_set_header Host $http_host;
             proxy_set_header X-Forwarded-Proto https;
             proxy_buffering off; proxy_request_buffering off;
           }}
         }}"
    );
    if let Some(nginx) = nginx::start(dir.path(), &http) {
        use_front(&nginx.target);
    }
}

#[test]
fn nginx_uses_its_connections_again() {
    behind_nginx(&["--bind", "127.0.0.1:0"], |front| {
        let peers: BTreeSet<_> = (0..20).map(|_| front.get("/peer").ok()).collect();
        assert_eq!(peers.len(), 1, "{peers:?}");
        assert!(peers.first().unwrap().ends_with(" https testserver"));
        use_it(front);
    });
}

#[test]
fn nginx_over_a_unix_socket() {
    let dir = folder();
    let socket = format!("unix:{}", dir.path().join("site.sock").display());
    let threads = ["--threads", "4"];
    behind_nginx(&[&["--bind", &socket], &threads[..]].concat(), use_it);
}
