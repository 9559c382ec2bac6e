//! WebSockets of WSGI apps, with the packages that people use.

use crate::sockets::{Over, Site};
use crate::support::{Start, Target, app, python_script, site};
use crate::websocket::WebSocket;
use crate::websocket::frames::{close, text};

const GTHREAD: &[&str] = &["-k", "gthread", "--threads", "4"];
const GEVENT_WEBSOCKET: &[&str] = &[
    "-k",
    "geventwebsocket.gunicorn.workers.GeventWebSocketWorker",
];

fn serve(class: &[&str], over: Over) -> Site {
    let mode = match class == GEVENT_WEBSOCKET {
        true => "gevent",
        false => "threading",
    };
    let start = Start::new(["app:app", "--venv"])
        .args([site::venv("websockets")])
        .args(class)
        .env("ASYNC_MODE", mode)
        .cwd(app("websockets"));
    Site::start(start, over)
}

/// Some messages in both directions, and a correct end of the protocol.
#[track_caller]
fn echoes(site: &Site, path: &str) {
    let mut socket = WebSocket::over(site.connect(), path, "");
    assert!(socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
    for message in ["hello", "again"] {
        socket.send(&text(message));
        assert_eq!(socket.next(), Some((0x81, message.into())));
    }
    let long = "long ".repeat(4000);
    socket.send(&text(&long));
    let answer = socket.next().map(|(_, payload)| payload);
    assert!(answer == Some(long.into()));
    socket.send(&close(1000, b""));
    let (first, _) = socket.next().expect("an answer to the end");
    assert_eq!(first, 0x88);
    assert_eq!(socket.next(), None);
    site.logged(path, "101 0");
    site.no_traceback();
}

#[test]
fn flask_sock_and_simple_websocket_in_every_class() {
    for class in [GTHREAD, &["-k", "sync"], &["-k", "gevent"]] {
        let site = serve(class, Over::Tcp);
        echoes(&site, "/sock");
        echoes(&site, "/simple");
        assert_eq!(site.target().get("/").ok(), "hello");
    }
}

#[test]
fn over_tls_and_unix_sockets() {
    for (class, over) in [
        (GTHREAD, Over::Tls),
        (GTHREAD, Over::Unix),
        (&["-k", "gevent"], Over::Tls),
        (&["-k", "gevent"], Over::Unix),
    ] {
        let site = serve(class, over);
        echoes(&site, "/sock");
        echoes(&site, "/simple");
    }
}

#[test]
fn flask_sockets_by_the_worker_class_of_gevent_websocket() {
    for class in [GEVENT_WEBSOCKET, &["-k", "flask_sockets.worker"]] {
        let site = serve(class, Over::Tcp);
        site.server
            .stderr
            .wait_for("Using worker: geventwebsocket.gunicorn.workers.GeventWebSocketWorker");
        echoes(&site, "/sockets");
        assert_eq!(site.target().get("/").ok(), "hello");
        // The package refuses a request that is not a handshake.
        let asks = "GET /sockets HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n\
                    Upgrade: websocket\r\n";
        let refused = site.target().exchange(format!("{asks}\r\n"));
        assert_eq!(refused.status, 426);
        let old = "Sec-WebSocket-Version: 6\r\nSec-WebSocket-Key: a\r\n\r\n";
        assert_eq!(site.target().exchange(format!("{asks}{old}")).status, 400);
    }
    for over in [Over::Tls, Over::Unix] {
        echoes(&serve(GEVENT_WEBSOCKET, over), "/sockets");
    }
}

#[test]
fn socket_io_by_websockets_alone_and_after_polling() {
    for class in [GTHREAD, GEVENT_WEBSOCKET] {
        let site = serve(class, Over::Tcp);
        let Target::Tcp(address) = site.target() else {
            unreachable!("it listens where it was told to");
        };
        let url = format!("http://{address}");
        for transports in [&["websocket"][..], &["polling", "websocket"]] {
            let python = site::venv("websockets").join("bin/python");
            let client = Start::program(python, [python_script("socketio_client.py")])
                .args([&url])
                .args(transports)
                .run()
                .expect_success();
            let mut lines: Vec<_> = client.stdout.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines, ["False", "heard", "said hello"]);
        }
        site.no_traceback();
    }
}

#[test]
fn without_gevent_websocket_there_is_one_sentence() {
    let mut server = Start::server(["app:app"])
        .args(GEVENT_WEBSOCKET)
        .args(["--app-zip".as_ref(), site::zip("gevent_site").as_os_str()])
        .cwd("/")
        .spawn();
    assert_eq!(server.exit_code(), 3);
    let log = server.stderr.whole();
    let sentence = "The worker class 'GeventWebSocketWorker' needs gevent-websocket: add it to \
                    the app's packages.";
    assert!(log.contains(sentence), "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}
