//! WebSockets with a client of our own: the cases of the Autobahn suite on a real
//! server, handshakes, limits, closing.

#[path = "../../src/websocket/tests/cases.rs"]
mod cases;
#[path = "../../src/websocket/tests/frames.rs"]
pub mod frames;

use std::io::{self, Read, Write};

use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use nix::sys::signal::Signal;

use crate::support::http::Stream;
use crate::support::{Process, Start, Target, app, own_memory};
use frames::{close, frame, take, text};

fn serve(args: &[&str]) -> Process {
    Start::server(["app:app"])
        .args(args)
        .cwd(app("asgi"))
        .spawn()
}

/// The fields of a handshake.
pub const KEY: &str = "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// The client of a WebSocket.
pub struct WebSocket {
    stream: Box<dyn Stream>,
    /// The head of the server's response to the handshake.
    pub head: String,
    received: Vec<u8>,
}

impl WebSocket {
    #[track_caller]
    pub fn open(target: &Target, path: &str) -> WebSocket {
        let socket = WebSocket::ask(target, path, "");
        assert!(socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
        socket
    }

    /// The head of the response to a handshake that is refused.
    #[track_caller]
    pub fn refused(target: &Target, path: &str) -> String {
        let socket = WebSocket::ask(target, path, "");
        assert!(!socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
        socket.head
    }

    pub fn ask(target: &Target, path: &str, fields: &str) -> WebSocket {
        WebSocket::over(target.connect().unwrap(), path, fields)
    }

    /// The same over an existing connection.
    pub fn over(mut stream: Box<dyn Stream>, path: &str, fields: &str) -> WebSocket {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{KEY}{fields}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut socket = WebSocket::begun(stream);
        let end = loop {
            let ends = |window: &[u8]| window == b"\r\n\r\n";
            if let Some(end) = socket.received.windows(4).position(ends) {
                break end + 4;
            }
            assert!(socket.receive().unwrap() > 0, "no answer");
        };
        socket.head = String::from_utf8(socket.received.drain(..end).collect()).unwrap();
        socket
    }

    /// One whose handshake is over.
    pub fn begun(stream: Box<dyn Stream>) -> WebSocket {
        WebSocket {
            stream,
            head: String::new(),
            received: Vec::new(),
        }
    }

    fn receive(&mut self) -> io::Result<usize> {
        let mut block = [0; 65536];
        let length = self.stream.read(&mut block)?;
        self.received.extend_from_slice(&block[..length]);
        Ok(length)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame; `None` if the server has ended the connection.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some(frame) = take(&mut self.received) {
                return Some(frame);
            }
            match self.receive() {
                Ok(1..) => {}
                // Bytes that we sent after the end may have reset the connection.
                Ok(0) | Err(_) => return None,
            }
        }
    }
}

#[test]
fn every_case_of_the_suite() {
    let server = serve(&[]);
    let target = server.target();
    try_every_case(|| WebSocket::open(&target, "/echo"));
    let log = server.stderr.so_far();
    assert!(!log.contains("Traceback"), "{log}");
}

/// Tries every case of the suite with a WebSocket of its own, whose app sends back what
/// it gets.
pub fn try_every_case(open: impl Fn() -> WebSocket) {
    for case in cases::all() {
        let bytes = case.sent.concat();
        // In one piece and in many; large ones only once.
        let sizes: &[usize] = match bytes.len() {
            0..300 => &[usize::MAX, 1],
            300..20_000 => &[usize::MAX, 997],
            _ => &[usize::MAX],
        };
        for &size in sizes {
            let mut socket = open();
            let mut writer = bytes.chunks(size.min(bytes.len()));
            let mut answers = case.answers.iter();
            // Read and write at the same time: the echoed data may not fit into the
            // sockets.
            for piece in &mut writer {
                if socket.stream.write_all(piece).is_err() {
                    break;
                }
            }
            for (first, payload) in &mut answers {
                let Some((f, mut p)) = socket.next() else {
                    panic!("{}: a frame is missing", case.id);
                };
                assert_eq!(f, *first, "{}", case.id);
                if f == 0x88 {
                    p.truncate(payload.len());
                }
                assert!(p == *payload, "{}: {:?}", case.id, &p[..p.len().min(80)]);
            }
            assert_eq!(socket.next(), None, "{}", case.id);
        }
    }
}

#[test]
fn the_handshake() {
    let server = serve(&[]);
    let target = server.target();
    let fields = "Sec-WebSocket-Protocol: chat, other\r\n";
    let mut socket = WebSocket::ask(&target, "/chat", fields);
    for line in [
        "HTTP/1.1 101 Switching Protocols\r\n",
        "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "\r\nSec-WebSocket-Protocol: chat\r\n",
        "\r\nx-room: 7\r\n",
    ] {
        assert!(socket.head.contains(line), "{}", socket.head);
    }
    assert_eq!(socket.next(), Some((0x81, b"hello".to_vec())));
    socket.send(&[text("not yet"), text("bye")].concat());
    let reason = [&4001u16.to_be_bytes()[..], b"you said bye"].concat();
    assert_eq!(socket.next(), Some((0x88, reason)));
    socket.send(&close(4001, b""));
    assert_eq!(socket.next(), None);
}

#[test]
fn what_is_no_handshake_and_what_the_app_denies() {
    let server = serve(&[]);
    let target = server.target();
    for (path, change, status) in [
        (
            "/echo",
            ("Version: 13", "Version: 12"),
            "426 Upgrade Required",
        ),
        (
            "/echo",
            ("dGhlIHNhbXBsZSBub25jZQ==", "short"),
            "400 Bad Request",
        ),
        ("/refuse", ("", ""), "403 Forbidden"),
        ("/deny", ("", ""), "401 Unauthorized"),
        ("/forge", ("", ""), "500 Internal Server Error"),
        ("/forge?header", ("", ""), "500 Internal Server Error"),
        // Not a WebSocket handshake, but an ordinary request.
        (
            "/",
            ("Connection: keep-alive, Upgrade", "Connection: close"),
            "200 OK",
        ),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{KEY}\r\n");
        let request = request.replace(change.0, change.1);
        let mut stream = target.connect().unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; 4000];
        let length = stream.read(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert!(!answer.contains("forged"), "{answer}");
        if status.starts_with("426") {
            for line in [
                "Upgrade: websocket",
                "Connection: close, upgrade",
                "Sec-WebSocket-Version: 13",
            ] {
                assert!(answer.contains(&format!("\r\n{line}\r\n")), "{answer}");
            }
        }
    }
}

/// The fields of the head, by name.
fn fields(head: &str) -> Vec<(String, &str)> {
    let lines = head.lines().skip(1).filter(|line| !line.is_empty());
    let pairs = lines.map(|line| line.split_once(": ").unwrap());
    let mut fields: Vec<_> = pairs
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| name != "date")
        .collect();
    fields.sort();
    fields
}

#[test]
fn the_answer_to_it_is_made_as_any_other() {
    let id = ("x-request-id".to_owned(), "of-the-proxy");
    let server = ("server".to_owned(), "rgunicorn");
    let ours = [
        ("connection", "upgrade"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "chat"),
        ("upgrade", "websocket"),
        ("x-own", "kept"),
    ];
    let ours: Vec<_> = ours.map(|(name, value)| (name.to_owned(), value)).into();
    let without_server = ["--server-header", ""];
    let echoing = ["--request-id", "X-Request-ID", "--request-id-in-response"];
    for (args, more) in [
        (&[][..], vec![server.clone()]),
        (&without_server, vec![]),
        (&echoing, vec![server, id.clone()]),
        (&[&echoing[..], &without_server].concat(), vec![id]),
    ] {
        let server = serve(args);
        let sent = "X-Request-ID: of-the-proxy\r\n";
        let socket = WebSocket::ask(&server.target(), "/headstrong?chat", sent);
        assert!(socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
        assert!(socket.head.contains("\r\nDate: "), "{}", socket.head);
        let mut expected = [&ours[..], &more].concat();
        expected.sort();
        assert_eq!(fields(&socket.head), expected, "{args:?}");
    }
    // The app may say it there, if it does not say it where it should.
    let server = serve(&[]);
    let socket = WebSocket::open(&server.target(), "/headstrong");
    let named = socket.head.matches("sec-websocket-protocol: x\r\n").count();
    assert_eq!(named, 1, "{}", socket.head);
}

#[test]
fn what_cannot_become_one_is_an_ordinary_request() {
    let server = serve(&[]);
    for (request, body) in [
        // HTTP/1.0 does not have this field.
        (format!("GET / HTTP/1.0\r\n{KEY}\r\n"), ""),
        // The body of the request would be taken for frames.
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{KEY}Content-Length: 2\r\n\r\n"),
            "\u{1}\0",
        ),
        (
            format!("GET / HTTP/1.1\r\nHost: a\r\n{KEY}Transfer-Encoding: chunked\r\n\r\n"),
            "0\r\n\r\n",
        ),
    ] {
        let answer = server.target().exchange(request.clone() + body);
        assert_eq!(answer.ok(), "Hello, world!", "{request}");
        assert_eq!(answer.header("Upgrade"), None, "{request}");
    }
}

#[test]
fn an_app_that_waits_for_the_end_while_it_denies_learns_of_it() {
    let server = serve(&[]);
    let head = WebSocket::refused(&server.target(), "/deny-and-wait");
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    server
        .stderr
        .wait_for("after the denial: websocket.disconnect");
}

#[test]
fn an_app_that_fails_closes_with_1011() {
    let server = serve(&[]);
    let target = server.target();
    let mut socket = WebSocket::open(&target, "/fail");
    assert_eq!(socket.next(), Some((0x88, 1011u16.to_be_bytes().to_vec())));
    socket.send(&close(1011, b""));
    assert_eq!(socket.next(), None);
    server.stderr.wait_for("Error handling request GET /fail");
    server
        .stderr
        .wait_for("ValueError: an error in a websocket");
    assert_eq!(target.get("/").ok(), "Hello, world!");
}

#[test]
fn the_app_learns_how_it_ended() {
    let server = serve(&[]);
    let target = server.target();
    let mut socket = WebSocket::open(&target, "/echo");
    socket.send(&close(3000, b"had enough"));
    server.stderr.wait_for("ws closed 3000 'had enough'");
    drop(WebSocket::open(&target, "/echo"));
    server.stderr.wait_for("ws closed 1006 ''");
    assert!(!server.stderr.so_far().contains("Traceback"));
}

#[test]
fn messages_have_a_limit() {
    let server = serve(&["--websocket-max-message-size", "1000"]);
    let target = server.target();
    let mut socket = WebSocket::open(&target, "/echo");
    socket.send(&frame(0x82, &[7; 1000]));
    assert_eq!(socket.next(), Some((0x82, vec![7; 1000])));
    socket.send(&frame(0x82, &[7; 1001]));
    let (first, reason) = socket.next().unwrap();
    assert_eq!((first, &reason[..2]), (0x88, &1009u16.to_be_bytes()[..]));
    server.stderr.wait_for("ws closed 1009");
}

#[test]
fn compressed_messages() {
    let server = serve(&[]);
    let target = server.target();
    for offer in [
        "",
        "; client_max_window_bits",
        "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
    ] {
        let field = format!("Sec-WebSocket-Extensions: permessage-deflate{offer}\r\n");
        let mut socket = WebSocket::ask(&target, "/echo", &field);
        let agreed = "Sec-WebSocket-Extensions: permessage-deflate;";
        assert!(socket.head.contains(agreed), "{}", socket.head);
        let forgets = offer.contains("takeover");
        let mut compress = Compress::new_with_window_bits(flate2::Compression::best(), false, 12);
        let mut decompress = Decompress::new_with_window_bits(false, 15);
        for size in [10, 1000, 100_000] {
            let message: String = (0..size)
                .map(|i| char::from(b'a' + (i * i % 19) as u8))
                .collect();
            let mut payload = Vec::with_capacity(size + 100);
            compress
                .compress_vec(message.as_bytes(), &mut payload, FlushCompress::Sync)
                .unwrap();
            payload.truncate(payload.len() - 4);
            socket.send(&frame(0xc1, &payload));
            let (first, mut payload) = socket.next().unwrap();
            let mut back = Vec::with_capacity(size + 100);
            if first & 0x40 != 0 {
                payload.extend([0, 0, 0xff, 0xff]);
                decompress
                    .decompress_vec(&payload, &mut back, FlushDecompress::Sync)
                    .unwrap();
            } else {
                back = payload;
            }
            assert!(back == message.as_bytes(), "{offer} {size}");
            if forgets {
                compress.reset();
                decompress.reset(false);
            }
        }
    }
}

#[test]
fn a_client_that_does_not_read_makes_the_app_wait() {
    let server = serve(&[]);
    let target = server.target();
    let flood = WebSocket::open(&target, "/flood");
    server.stderr.wait_for("flooding");
    assert_eq!(target.get("/").ok(), "Hello, world!");
    drop(flood);
    let line = server.stderr.wait_for("flooded ");
    let sent: u64 = line.strip_prefix("flooded ").unwrap().parse().unwrap();
    assert!(sent < 64 << 20, "{sent}");
}

#[test]
fn idle_ones_are_cheap_after_a_large_message() {
    const MANY: usize = 1000;
    let server = serve(&["--worker-connections", "2000"]);
    let target = server.target();
    let large = vec![b'x'; 64 << 10];
    let exchange = || {
        let mut socket = WebSocket::open(&target, "/frugal");
        socket.send(&frame(0x82, &large));
        assert_eq!(socket.next(), Some((0x82, large.clone())));
        socket.received = Vec::new();
        socket
    };
    let _first = exchange();
    let worker = server.workers(1)[0];
    let before = own_memory(worker);
    let idle: Vec<_> = (0..MANY).map(|_| exchange()).collect();
    let each = own_memory(worker).saturating_sub(before) / idle.len();
    assert!(each <= 16 << 10, "{each} bytes for each WebSocket");
}

#[test]
fn an_app_that_does_not_receive_makes_the_client_wait_and_pings_are_answered() {
    let server = serve(&[]);
    let mut socket = WebSocket::open(&server.target(), "/deaf");
    socket.send(&frame(0x89, b"are you there?"));
    assert_eq!(socket.next(), Some((0x8a, b"are you there?".to_vec())));
}

#[test]
fn the_server_asks_whether_the_client_is_there() {
    let server = serve(&["--websocket-ping-interval", "1"]);
    let target = server.target();
    let mut socket = WebSocket::open(&target, "/echo");
    assert_eq!(socket.next(), Some((0x89, Vec::new())));
    socket.send(&frame(0x8a, b""));
    assert_eq!(socket.next(), Some((0x89, Vec::new())));
    // Without a message this time.
    assert_eq!(socket.next(), None);
    server.stderr.wait_for("ws closed 1006");
}

#[test]
fn term_closes_with_1012_and_waits_for_the_answer() {
    let mut server = serve(&[]);
    let target = server.target();
    let mut socket = WebSocket::open(&target, "/echo");
    socket.send(&text("before"));
    assert_eq!(socket.next(), Some((0x81, b"before".to_vec())));
    server.signal(Signal::SIGTERM);
    let (first, reason) = socket.next().unwrap();
    assert_eq!((first, &reason[..2]), (0x88, &1012u16.to_be_bytes()[..]));
    socket.send(&close(1012, b""));
    assert_eq!(socket.next(), None);
    assert_eq!(server.exit_code(), 0);
    let log = server.stderr.whole();
    assert!(log.contains("ws closed 1012"), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

#[test]
fn a_client_that_never_answers_the_close_does_not_hold_the_worker() {
    let mut server = serve(&["--graceful-timeout", "2"]);
    let _socket = WebSocket::open(&server.target(), "/echo");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.exit_code(), 0);
}
