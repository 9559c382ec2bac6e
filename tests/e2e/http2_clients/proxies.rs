//! HAProxy and nginx in front of the server, which speak HTTP/2 with it.

use std::path::Path;

use super::{Class, Site, address, in_every_class};
use crate::clients::installed;
use crate::proxies::{haproxy, use_it};
use crate::support::{Process, Start, Target, app, folder, nginx};
use crate::websocket::{WebSocket, frames};

in_every_class! {
    haproxy_in_clear_text,
    haproxy_over_tls,
    haproxy_over_a_unix_socket,
    nginx_passes_grpc,
}

/// HAProxy in front of a server that speaks HTTP/2 in clear text.
pub fn behind_haproxy(server: &Process, use_front: impl FnOnce(&Target)) {
    let dir = folder();
    let line = format!("{} proto h2", address(&server.target()));
    if let Some((_haproxy, front)) = haproxy(dir.path(), "", &line) {
        use_front(&front);
    }
}

/// What the app says of a request that comes through the front.
#[track_caller]
fn expect_http2(front: &Target, scheme: &str) {
    let peer = front.get("/peer").ok();
    let words: Vec<_> = peer.split(' ').collect();
    assert!(words[0].starts_with("HTTP/2"), "{peer}");
    assert_eq!(words[1..3], [scheme, "testserver"], "{peer}");
}

fn haproxy_in_clear_text(class: Class) {
    let site = Site::clear(class);
    behind_haproxy(&site.server, |front| {
        expect_http2(front, "http");
        use_it(front);
    });
    site.expect_no_error();
}

fn haproxy_over_tls(class: Class) {
    let site = Site::tls(class);
    let authority = site.authority.as_ref().unwrap().file();
    let us = address(&site.server.target());
    let dir = folder();
    let line = format!("{us} ssl verify required ca-file {authority} alpn h2");
    let Some((_haproxy, front)) = haproxy(dir.path(), "", &line) else {
        return;
    };
    expect_http2(&front, "https");
    use_it(&front);
    site.expect_no_error();
}

fn haproxy_over_a_unix_socket(class: Class) {
    let dir = folder();
    let bind = format!("unix:{}", dir.path().join("site.sock").display());
    let server = class
        .start(&["--bind", &bind, "--http2-cleartext", "prior-knowledge"])
        .spawn();
    behind_haproxy(&server, use_it);
}

#[test]
fn the_proxy_protocol_comes_before_http_2() {
    for (mode, words) in [("v1", "send-proxy"), ("v2", "send-proxy-v2")] {
        let server = Class::SYNC
            .start(&["--bind", "127.0.0.1:0", "--proxy-protocol", mode])
            .args(["--http2-cleartext", "prior-knowledge"])
            .spawn();
        let dir = folder();
        let line = format!("{} proto h2 {words}", address(&server.target()));
        let Some((_haproxy, front)) = haproxy(dir.path(), "", &line) else {
            return;
        };
        expect_http2(&front, "http");
        use_it(&front);
    }
}

/// HTTP/2 on both sides: what a client of HAProxy's gets, with trailers.
#[test]
fn trailers_go_through_haproxy() {
    for class in [Class::SYNC, Class::ASGI] {
        let site = Site::clear(class);
        let dir = folder();
        let line = format!("{} proto h2", address(&site.server.target()));
        let Some((_haproxy, front)) = haproxy_for_http2(dir.path(), &line) else {
            return;
        };
        expect_trailers(&front);
    }
}

/// HAProxy that expects HTTP/2 by prior knowledge from its clients.
pub fn haproxy_for_http2(folder: &Path, server: &str) -> Option<(Process, Target)> {
    // Both kinds of listeners need a `bind` line of their own.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let second = free.local_addr().unwrap();
    drop(free);
    let (running, _) = haproxy(folder, &format!("bind {second} proto h2"), server)?;
    Some((running, Target::Tcp(second)))
}

/// Asks as gRPC does, and looks at the end of the answer.
#[track_caller]
fn expect_trailers(front: &Target) {
    let Some(nghttp) = installed("nghttp", ["--verbose", "--header", "te: trailers"]) else {
        return;
    };
    let url = format!("http://{}/trailers", address(front));
    let said = nghttp.args([url]).run().expect_success().stdout;
    assert!(said.contains("grpc-status: 0"), "{said}");
    assert!(said.contains("grpc-message: fine"), "{said}");
}

/// HAProxy asks for a WebSocket over HTTP/2 (RFC 8441) when its client asks for one over
/// HTTP/1.1.
#[test]
fn a_websocket_goes_through_haproxy() {
    let server = Start::server(["-k", "asgi", "--http2-cleartext", "prior-knowledge"])
        .args(["--access-logfile", "-", "app:app"])
        .cwd(app("asgi"))
        .spawn();
    behind_haproxy(&server, |front| {
        let mut socket = WebSocket::open(front, "/echo");
        for number in 0..20 {
            let message = format!("message {number} ").repeat(1000);
            socket.send(&frames::text(&message));
            assert_eq!(socket.next(), Some((0x81, message.into_bytes())));
        }
        socket.send(&frames::close(1000, b""));
        assert_eq!(socket.next(), Some((0x88, vec![0x03, 0xe8])));
        assert_eq!(socket.next(), None);
        server.stdout.wait_for("/echo HTTP/2.0\" 200 ");
    });
}

/// nginx speaks HTTP/2 with a server only by `grpc_pass`, which passes any request.
fn nginx_passes_grpc(class: Class) {
    let site = Site::clear(class);
    let us = address(&site.server.target());
    let dir = folder();
    let http = format!(
        "upstream us {{ server {us}; keepalive 4; }}
         server {{
           listen FRONT http2; client_max_body_size 0;
           location / {{ grpc_pass grpc://us; grpc_set_header Host $http_host; }}
         }}"
    );
    let Some(nginx) = nginx::start(dir.path(), &http) else {
        return;
    };
    let load = ["-n", "1000", "-c", "4", "-m", "16"];
    let Some(h2load) = installed("h2load", load) else {
        return;
    };
    let url = format!("http://{}", address(&nginx.target));
    let said = h2load.args([format!("{url}/")]).run();
    let said = said.expect_success().stdout;
    assert!(said.contains("1000 succeeded, 0 failed"), "{said}");
    let large = dir.path().join("large");
    std::fs::write(&large, vec![b'x'; 3_000_000]).unwrap();
    let upload = installed("nghttp", ["--data", large.to_str().unwrap()]).unwrap();
    let sent = upload.args([format!("{url}/digest")]).run();
    let sent = sent.expect_success().stdout;
    assert!(sent.starts_with("POST 3000000 "), "{sent}");
    site.expect_lines(1001);
    if class.streams {
        expect_trailers(&nginx.target);
    }
}
