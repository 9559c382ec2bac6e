//! WebSockets over HTTP/2 (RFC 8441).

use std::io::{self, Read, Write};

use nix::sys::signal::Signal;

use crate::support::http2::frame::{self, MAX_FRAME_SIZE, code};
use crate::support::http2::hpack::encoder;
use crate::support::http2::{Http2, Origin};
use crate::support::{Process, Start, app};
use crate::websocket::frames::{close, take, text};
use crate::websocket::{WebSocket, try_every_case};

/// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 section 3).
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

fn serve(class: &str, name: &str) -> Process {
    Start::server(["-k", class, "--http2-cleartext", "prior-knowledge"])
        .args(["--access-logfile", "-", "app:app"])
        .cwd(app(name))
        .spawn()
}

fn open(server: &Process) -> Http2 {
    Http2::open(&Origin::http(&server.target()))
}

/// The fields of a handshake.
fn handshake<'a>(path: &'a str, version: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "a"),
        ("sec-websocket-version", version),
    ]
}

/// Asks for a WebSocket. Returns its stream.
#[track_caller]
fn ask(client: &mut Http2, path: &str, more: &[(&str, &str)]) -> u32 {
    let fields = [&handshake(path, "13"), more].concat();
    client.begin(encoder::block(&fields), false)
}

/// Asks for one that is accepted.
#[track_caller]
fn connect(client: &mut Http2, path: &str) -> u32 {
    let stream = ask(client, path, &[]);
    assert_eq!(client.response_head(stream).status, 200);
    stream
}

/// Waits for a frame of a WebSocket that has got nothing else after `taken` bytes.
#[track_caller]
fn next(client: &mut Http2, stream: u32, taken: &mut usize) -> (u8, Vec<u8>) {
    let mut found = None;
    let from = *taken;
    client.wait_until("a frame of the WebSocket", |client| {
        let mut bytes = client.so_far(stream).body.split_off(from);
        let length = bytes.len();
        found = take(&mut bytes).map(|frame| (frame, length - bytes.len()));
        found.is_some()
    });
    let (frame, length) = found.unwrap();
    *taken += length;
    frame
}

/// A WebSocket as bytes that come and go.
struct Tunnel {
    client: Http2,
    stream: u32,
    taken: usize,
}

impl Tunnel {
    fn is_over(&self) -> bool {
        let answer = self.client.so_far(self.stream);
        answer.has_ended || answer.reset.is_some()
    }
}

impl Read for Tunnel {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (stream, taken) = (self.stream, self.taken);
        self.client.wait_until("more of the WebSocket", |client| {
            let answer = client.so_far(stream);
            answer.body.len() > taken || answer.has_ended || answer.reset.is_some()
        });
        let body = self.client.so_far(stream).body;
        let length = (body.len() - taken).min(into.len());
        into[..length].copy_from_slice(&body[taken..taken + length]);
        self.taken += length;
        Ok(length)
    }
}

impl Write for Tunnel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stream = self.stream;
        self.client.wait_until("a window", |client| {
            let answer = client.so_far(stream);
            client.window(stream) > 0 || answer.has_ended || answer.reset.is_some()
        });
        if self.is_over() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let window = self.client.window(stream) as usize;
        let length = bytes.len().min(window).min(MAX_FRAME_SIZE);
        self.client.send(frame::data(stream, &bytes[..length]));
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_case_of_the_suite_passes_in_a_stream() {
    let server = serve("asgi", "asgi");
    try_every_case(|| {
        let mut client = open(&server);
        let stream = connect(&mut client, "/echo");
        WebSocket::begun(Box::new(Tunnel {
            client,
            stream,
            taken: 0,
        }))
    });
    let log = server.stderr.so_far();
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn a_handshake_needs_no_key_and_is_accepted_with_200() {
    let server = serve("asgi", "asgi");
    let mut client = open(&server);
    assert_eq!(client.setting(ENABLE_CONNECT_PROTOCOL), Some(1));
    let offers = [
        ("sec-websocket-protocol", "chat, other"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let stream = ask(&mut client, "/chat", &offers);
    let head = client.response_head(stream);
    assert_eq!(head.status, 200);
    let value = |name: &str| {
        let mut fields = head.fields.iter();
        let found = fields.find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(value("sec-websocket-protocol"), Some("chat"));
    assert_eq!(value("x-room"), Some("7"));
    assert_eq!(value("server"), Some("rgunicorn"));
    let extensions = value("sec-websocket-extensions").unwrap();
    assert!(extensions.starts_with("permessage-deflate"), "{extensions}");
    for absent in [
        "sec-websocket-accept",
        "connection",
        "upgrade",
        "transfer-encoding",
        "content-length",
    ] {
        assert_eq!(value(absent), None, "{absent}");
    }
    let taken = &mut 0;
    assert_eq!(next(&mut client, stream, taken), (0x81, b"hello".to_vec()));
    client.send(frame::data(stream, text("bye")));
    let reason = [&4001u16.to_be_bytes()[..], b"you said bye"].concat();
    assert_eq!(next(&mut client, stream, taken), (0x88, reason));
    client.send(frame::data(stream, close(4001, b"")).ends());
    assert!(client.response(stream).has_ended);
    let line = server.stdout.wait_for("CONNECT /chat HTTP/2.0");
    assert!(line.contains("\" 200 "), "{line}");
    client.expect_service();
}

#[test]
fn many_share_a_connection_with_requests() {
    let server = serve("asgi", "asgi");
    let mut client = open(&server);
    let streams: Vec<_> = (0..20).map(|_| connect(&mut client, "/echo")).collect();
    client.expect_service();
    for round in 0..3 {
        for stream in streams.iter().rev() {
            let message = format!("{round} of {stream}");
            client.send(frame::data(*stream, text(&message)));
        }
    }
    for stream in &streams {
        let taken = &mut 0;
        for round in 0..3 {
            let message = format!("{round} of {stream}").into_bytes();
            assert_eq!(next(&mut client, *stream, taken), (0x81, message));
        }
    }
    client.expect_service();
}

#[test]
fn what_is_no_handshake_and_what_the_app_denies() {
    let server = serve("asgi", "asgi");
    let mut client = open(&server);
    for (path, status) in [("/refuse", 403), ("/deny", 401), ("/forge", 500)] {
        let stream = ask(&mut client, path, &[]);
        let answer = client.response(stream);
        assert_eq!(answer.status, status, "{path}");
        let is_forged = |(name, _): &(String, String)| name.contains("forged");
        assert!(!answer.fields.iter().any(is_forged), "{answer:?}");
    }
    let block = encoder::block(&handshake("/echo", "12"));
    let stream = client.begin(block, false);
    let answer = client.response(stream);
    assert_eq!(answer.status, 400);
    let version = ("sec-websocket-version".to_owned(), "13".to_owned());
    assert!(answer.fields.contains(&version), "{answer:?}");
    // An upgrade is malformed in HTTP/2 (RFC 9113 section 8.2.2).
    let upgrade = [("upgrade", "websocket"), ("connection", "upgrade")];
    let fields = [&client.head("GET", "/echo"), &upgrade[..]].concat();
    let stream = client.begin(encoder::block(&fields), true);
    client.expect_refused(stream, &[code::PROTOCOL_ERROR]);
    // There is no other protocol, and no tunnel.
    for fields in [
        &[(":method", "CONNECT"), (":authority", "a:80")][..],
        &[
            (":method", "CONNECT"),
            (":protocol", "connect-udp"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "a"),
        ],
    ] {
        let stream = client.begin(encoder::block(fields), false);
        assert_eq!(client.response(stream).status, 501, "{fields:?}");
    }
    client.expect_service();
}

#[test]
fn the_app_learns_how_it_ended() {
    let server = serve("asgi", "asgi");
    let mut client = open(&server);
    let stream = connect(&mut client, "/echo");
    client.send(frame::data(stream, close(3000, b"had enough")));
    server.stderr.wait_for("ws closed 3000 'had enough'");
    client.response(stream);

    let lost = |count| {
        let is_lost = |line: &&String| line.contains("ws closed 1006 ''");
        let lost = move |lines: &[String]| lines.iter().filter(is_lost).count() >= count;
        server.stderr.wait_until(lost, "the loss of a WebSocket");
    };
    let stream = connect(&mut client, "/echo");
    client.cancel(stream);
    lost(1);
    // The stream ends without the WebSocket's own end.
    let stream = connect(&mut client, "/echo");
    client.send(frame::data(stream, b"").ends());
    lost(2);
    let mut other = open(&server);
    connect(&mut other, "/echo");
    drop(other);
    lost(3);
    client.expect_service();
    assert!(!server.stderr.so_far().contains("Traceback"));
}

#[test]
fn they_are_closed_when_the_server_stops() {
    let mut server = serve("asgi", "asgi");
    let mut client = open(&server);
    let stream = connect(&mut client, "/echo");
    server.signal(Signal::SIGTERM);
    let (first, reason) = next(&mut client, stream, &mut 0);
    assert_eq!((first, &reason[..2]), (0x88, &1012u16.to_be_bytes()[..]));
    client.send(frame::data(stream, close(1012, b"")).ends());
    client.response(stream);
    client.expect_closed();
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn classes_for_wsgi_do_not_know_them() {
    for class in ["sync", "gthread"] {
        let server = serve(class, "mirror");
        let mut client = open(&server);
        assert_eq!(client.setting(ENABLE_CONNECT_PROTOCOL), None);
        let stream = ask(&mut client, "/", &[]);
        client.expect_refused(stream, &[code::PROTOCOL_ERROR]);
        client.expect_service();
    }
}
