//! The settings of HTTP/2: what each of them changes for a client.

use std::io::{Read, Write};

use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

use crate::support::certificates::Authority;
use crate::support::http::Stream;
use crate::support::http2::frame::{self, Frame, code, flag, kind, setting};
use crate::support::http2::hpack::encoder;
use crate::support::http2::{Http2, Origin, PREFACE};
use crate::support::{Process, Response, Start, Target, app, folder};

/// The error code for a client that does too much (RFC 9113 section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

/// A server that trusts its clients to speak HTTP/2 in clear text.
fn serve(args: &[&str]) -> Process {
    Start::server(["--http2-cleartext", "prior-knowledge"])
        .args(args)
        .args(["app:app"])
        .cwd(app("mirror"))
        .spawn()
}

fn open(server: &Process) -> Http2 {
    Http2::open(&Origin::http(&server.target()))
}

/// The version of HTTP that the mirror app was asked with.
#[track_caller]
fn version(page: &str) -> String {
    let page: Value = serde_json::from_str(page).expect(page);
    page["protocol"].as_str().unwrap().to_owned()
}

#[test]
fn clients_of_tls_choose_a_version_in_the_handshake() {
    const NAME: &str = "one.test";
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let (h1, h2) = ("http/1.1", "h2");
    for (protocols, clients) in [
        (None, &[(&[h1, h2][..], Some(h2)), (&[], None)][..]),
        (Some("h1,h2"), &[(&[h2, h1], Some(h1)), (&[h2], Some(h2))]),
        (Some("h1"), &[(&[h2, h1], Some(h1))]),
        (Some("h2"), &[(&[h1, h2], Some(h2)), (&[], None)]),
    ] {
        let server = Start::server(["--certfile", &pair.certificate, "--keyfile", &pair.key])
            .args(
                protocols
                    .map(|it| ["--http-protocols", it])
                    .iter()
                    .flatten(),
            )
            .args(["app:app"])
            .cwd(app("mirror"))
            .spawn();
        for (known, chosen) in clients {
            let config = authority.client_config(known);
            let session = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
            let mut stream = StreamOwned::new(session, server.target().connect().unwrap());
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock).unwrap();
            }
            let agreed = stream.conn.alpn_protocol();
            assert_eq!(agreed, chosen.map(str::as_bytes), "{protocols:?} {known:?}");
            if *chosen == Some(h2) {
                let origin = Origin::https(&server.target(), &authority, NAME);
                let mut client = Http2::open(&origin);
                let stream = client.get("/");
                assert_eq!(version(&client.response(stream).ok()), "HTTP/2.0");
                continue;
            }
            let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let response = Response::read(&mut stream, false).unwrap();
            match protocols {
                Some("h2") => {
                    assert_eq!(response.status, 505);
                    assert!(response.text().contains("http_protocols"));
                }
                _ => assert_eq!(version(&response.ok()), "HTTP/1.1"),
            }
        }
    }
}

#[test]
fn a_client_that_knows_no_version_of_the_server_is_refused() {
    const NAME: &str = "one.test";
    let dir = folder();
    let authority = Authority::new(dir.path());
    let pair = authority.issue("one", &[NAME]);
    let server = Start::server(["--certfile", &pair.certificate, "--keyfile", &pair.key])
        .args(["--http-protocols", "h1", "app:app"])
        .cwd(app("mirror"))
        .spawn();
    let config = authority.client_config(&["h2"]);
    let mut session = ClientConnection::new(config, NAME.try_into().unwrap()).unwrap();
    let mut socket = server.target().connect().unwrap();
    let handshake = session.complete_io(&mut socket);
    let error = handshake.unwrap_err().to_string();
    assert!(error.contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn clear_text_is_for_trusted_clients_and_for_those_ways_that_are_allowed() {
    for (mode, prior_knowledge, upgrade) in [
        ("off", false, false),
        ("prior-knowledge", true, false),
        ("upgrade", false, true),
        ("both", true, true),
    ] {
        for is_trusted in [true, false] {
            let peers = if is_trusted { "127.0.0.1" } else { "192.0.2.1" };
            let server = Start::server(["--http2-cleartext", mode])
                .args(["--forwarded-allow-ips", peers, "app:app"])
                .cwd(app("mirror"))
                .spawn();
            let target = server.target();
            let what = format!("{mode}, trusted: {is_trusted}");
            let begins = begins_with_http2(&target);
            assert_eq!(begins, is_trusted && prior_knowledge, "{what}");
            let upgraded = asks_for_http2(&target);
            assert_eq!(upgraded, is_trusted && upgrade, "{what}");
        }
    }
}

/// Begins with HTTP/2. True if the server speaks it, too.
#[track_caller]
fn begins_with_http2(target: &Target) -> bool {
    let mut stream = target.connect().unwrap();
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame::settings(&[]).bytes()).unwrap();
    let first = next_bytes(&mut stream, &mut Vec::new(), 9);
    let speaks = first[3] == kind::SETTINGS;
    assert_eq!(!speaks, first.starts_with(b"HTTP/1.1 "), "{first:?}");
    if speaks {
        Http2::open(&Origin::http(target)).expect_service();
    }
    speaks
}

/// Asks for HTTP/2 in a request of HTTP/1.1. True if the server changes to it, and answers
/// the request in it.
#[track_caller]
fn asks_for_http2(target: &Target) -> bool {
    let mut stream = target.connect().unwrap();
    let request = "GET /page?a=b HTTP/1.1\r\nHost: a\r\nX-Kept: yes\r\n\
        Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = Vec::new();
    let status = next_bytes(&mut stream, &mut received, 12);
    if status == b"HTTP/1.1 200" {
        return false;
    }
    assert_eq!(status, b"HTTP/1.1 101");
    while !received.ends_with(b"\r\n\r\n") {
        next_bytes(&mut stream, &mut received, 1);
    }
    received.clear();
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame::settings(&[]).bytes()).unwrap();
    let mut page = Vec::new();
    loop {
        let head = next_bytes(&mut stream, &mut received, 9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        next_bytes(&mut stream, &mut received, length);
        let frame = Frame::take(&mut received).unwrap();
        if (frame.kind, frame.stream) == (kind::DATA, 1) {
            page.extend_from_slice(frame.content());
            if frame.has(flag::END_STREAM) {
                break;
            }
        }
    }
    let page: Value = serde_json::from_slice(&page).unwrap();
    assert_eq!(page["protocol"], "HTTP/2.0");
    assert_eq!(page["target"], "/page?a=b");
    let fields = serde_json::json!({ "HTTP_HOST": "a", "HTTP_X_KEPT": "yes" });
    assert_eq!(page["fields"], fields);
    true
}

/// Receives so many bytes, appends them to `received`, and returns them.
#[track_caller]
fn next_bytes(stream: &mut Box<dyn Stream>, received: &mut Vec<u8>, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).expect("the server answers");
    received.extend_from_slice(&bytes);
    bytes
}

#[test]
fn a_client_may_have_so_many_requests_open() {
    let server = serve(&["--http2-max-concurrent-streams", "2"]);
    let mut client = open(&server);
    assert_eq!(client.setting(setting::MAX_CONCURRENT_STREAMS), Some(2));
    let (one, two) = (client.post("/"), client.post("/"));
    let three = client.get("/");
    client.expect_reset(three, &[code::REFUSED_STREAM]);
    client.send_body(one, b"a");
    client.response(one).ok();
    // There is room again.
    client.expect_service();
    client.send_body(two, b"b");
    client.response(two).ok();
}

#[test]
fn a_client_may_send_so_much_before_it_is_read() {
    let server = serve(&["--http2-initial-window-size", "1000"]);
    let mut client = open(&server);
    assert_eq!(client.setting(setting::INITIAL_WINDOW_SIZE), Some(1000));
    let stream = client.post("/");
    client.send(frame::data(stream, [b'a'; 1000]).ends());
    client.response(stream).ok();
    let stream = client.post("/");
    client.send(frame::data(stream, [b'a'; 1001]));
    client.expect_stream_error(stream, &[code::FLOW_CONTROL_ERROR]);
}

#[test]
fn frames_may_be_so_long() {
    let server = serve(&["--http2-max-frame-size", "20000"]);
    let mut client = open(&server);
    assert_eq!(client.setting(setting::MAX_FRAME_SIZE), Some(20_000));
    let stream = client.post("/");
    client.send(frame::data(stream, vec![b'a'; 20_000]).ends());
    client.response(stream).ok();
    let stream = client.post("/");
    client.send(frame::data(stream, vec![b'a'; 20_001]));
    client.expect_connection_error(&[code::FRAME_SIZE_ERROR]);
}

#[test]
fn the_fields_of_a_request_may_have_so_many_bytes() {
    let small = serve(&["--http2-max-header-list-size", "1000"]);
    let unlimited = serve(&["--http2-max-header-list-size", "0"]);
    let (small, unlimited) = (&mut open(&small), &mut open(&unlimited));
    assert_eq!(small.setting(setting::MAX_HEADER_LIST_SIZE), Some(1000));
    for (client, length, most) in [(small, 700, 1), (unlimited, 7_000, 10)] {
        let value = "y".repeat(length);
        let names: Vec<_> = (0..=most).map(|number| format!("x-{number}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (&**name, &*value)).collect();
        let stream = get_with(client, &fields[..most]);
        client.response(stream).ok();
        if most == 1 {
            let stream = get_with(client, &fields);
            assert_eq!(client.response(stream).status, 431);
        }
    }
}

/// Sends a request with these fields, in as many frames as they need. Returns its stream.
#[track_caller]
fn get_with(client: &mut Http2, fields: &[(&str, &str)]) -> u32 {
    let stream = client.new_stream();
    let block = encoder::block(&[&client.head("GET", "/"), fields].concat());
    let mut parts = block.chunks(frame::MAX_FRAME_SIZE);
    let first = frame::headers(stream, parts.next().unwrap()).ends();
    let more: Vec<_> = parts
        .map(|part| frame::continuation(stream, part))
        .collect();
    let mut frames = [vec![first], more].concat();
    let last = frames.len() - 1;
    for frame in &mut frames[..last] {
        frame.flags &= !flag::END_HEADERS;
    }
    client.send_in_pieces(b"", frames, usize::MAX);
    stream
}

#[test]
fn so_many_requests_may_be_taken_back() {
    let server = serve(&["--http2-max-resets", "3"]);
    let mut client = open(&server);
    for _ in 0..3 {
        let stream = client.post("/");
        client.cancel(stream);
        // As some clients do for each frame that was on its way.
        for _ in 0..3 {
            client.send(frame::reset(stream, code::STREAM_CLOSED));
        }
    }
    client.expect_service();
    let stream = client.post("/");
    client.cancel(stream);
    client.expect_connection_error(&[ENHANCE_YOUR_CALM]);
    server.stderr.wait_for("More than 3 streams were reset");

    let unlimited = serve(&["--http2-max-resets", "0"]);
    let mut client = open(&unlimited);
    for _ in 0..500 {
        let stream = client.post("/");
        client.cancel(stream);
    }
    client.expect_service();
}

#[test]
fn so_many_frames_without_use_may_come() {
    // The client has acknowledged the server's settings, which counts.
    let server = serve(&["--http2-max-control-frames", "5"]);
    let mut client = open(&server);
    for _ in 0..4 {
        client.ping();
    }
    client.send(frame::ping([0; 8]));
    client.expect_connection_error(&[ENHANCE_YOUR_CALM]);
    server.stderr.wait_for("More than 5 frames without use");

    let unlimited = serve(&["--http2-max-control-frames", "0"]);
    let mut client = open(&unlimited);
    for _ in 0..1_500 {
        client.ping();
    }
    client.expect_service();
}
