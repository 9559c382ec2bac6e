//! Flow control: section 6.9.

use super::{Case, case, half_closed_stream, open_stream};
use crate::support::http2::Http2;
use crate::support::http2::frame::code::{FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR};
use crate::support::http2::frame::{
    Frame, INITIAL_WINDOW, MAX_WINDOW, data, kind, setting, settings, window_update,
};

pub fn cases() -> Vec<Case> {
    [frames(), windows(), initial_sizes()]
        .into_iter()
        .flatten()
        .collect()
}

fn frames() -> Vec<Case> {
    vec![
        case(
            "6.9 WINDOW_UPDATE of the connection",
            "generic/3.9/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(window_update(0, 1));
                client.expect_service();
            },
        ),
        case("6.9 WINDOW_UPDATE of a stream", "generic/3.9/2", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(window_update(stream, 1));
            client.send(data(stream, b"test").ends());
            client.response(stream).ok();
        }),
        case(
            "6.9 the connection's window grows by 0",
            "http2/6.9/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(window_update(0, 0));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.9 a stream's window grows by 0",
            "http2/6.9/2",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(window_update(stream, 0));
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case("6.9 WINDOW_UPDATE of 3 bytes", "http2/6.9/3", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::WINDOW_UPDATE, 0, 0, [0, 0, 1]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
        case("6.9 WINDOW_UPDATE of 5 bytes", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(Frame::new(kind::WINDOW_UPDATE, 0, stream, [0, 0, 0, 1, 0]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
    ]
}

fn windows() -> Vec<Case> {
    vec![
        case("6.9.1 a window of 1 byte", "http2/6.9.1/1", |origin| {
            let mut client = Http2::open_with(origin, &[(setting::INITIAL_WINDOW_SIZE, 1)]);
            client.be_rude();
            let stream = client.get("/");
            client.body_of(stream, 1);
            client.ping();
            assert_eq!(client.so_far(stream).body.len(), 1);
        }),
        case(
            "6.9.1 the connection's window above 2^31-1",
            "http2/6.9.1/2",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(window_update(0, MAX_WINDOW));
                client.send(window_update(0, MAX_WINDOW));
                client.expect_connection_error(&[FLOW_CONTROL_ERROR]);
            },
        ),
        case(
            "6.9.1 a stream's window above 2^31-1",
            "http2/6.9.1/3",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(window_update(stream, MAX_WINDOW));
                client.send(window_update(stream, MAX_WINDOW));
                // The first may be enough for the whole response.
                client.wait_until("the end or an error", |client| {
                    let answer = client.so_far(stream);
                    client.is_over() || answer.reset.is_some() || answer.has_ended
                });
                if !client.so_far(stream).has_ended {
                    client.expect_stream_error(stream, &[FLOW_CONTROL_ERROR]);
                }
            },
        ),
        case(
            "6.9.1 a stream's window above 2^31-1 amid a request",
            "",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(window_update(stream, MAX_WINDOW));
                client.expect_stream_error(stream, &[FLOW_CONTROL_ERROR]);
            },
        ),
        case("6.9.1 the largest windows", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            for stream in [0, stream] {
                client.send(window_update(stream, MAX_WINDOW - INITIAL_WINDOW as u32));
            }
            client.send(data(stream, b"large").ends());
            assert!(client.response(stream).ok().contains("large"));
        }),
        case("6.9.1 a response byte by byte", "", |origin| {
            let (mut client, stream) = half_closed_stream(origin);
            client.be_rude();
            for length in 1..=20 {
                client.send(window_update(stream, 1));
                client.body_of(stream, length);
                client.ping();
                assert_eq!(client.so_far(stream).body.len(), length);
            }
            client.send(window_update(stream, 10_000));
            client.response(stream).ok();
        }),
        case(
            "6.9.1 the connection's window holds all streams",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                client.be_rude();
                let body = vec![b'w'; 30_000];
                let asked: Vec<u32> = (0..4)
                    .map(|_| client.request("POST", "/", &[], &body))
                    .collect();
                let length = |client: &Http2| {
                    let lengths = asked.iter().map(|&stream| client.so_far(stream).body.len());
                    lengths.sum::<usize>()
                };
                client.wait_until("the connection's window is used up", |client| {
                    length(client) == INITIAL_WINDOW
                });
                client.ping();
                assert_eq!(length(&client), INITIAL_WINDOW);
                client.send(window_update(0, 1 << 20));
                for &stream in &asked {
                    assert!(client.response(stream).ok().contains("wwww"));
                }
            },
        ),
        case(
            "6.9.1 the server gives windows back for a long request",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                let body = vec![b'u'; 5 * INITIAL_WINDOW];
                let stream = client.request("POST", "/", &[], &body);
                assert!(client.response(stream).ok().len() > body.len());
            },
        ),
        case(
            "6.9.1 padding counts, and its window comes back",
            "",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                for _ in 0..1000 {
                    client.wait_until("a window", |client| client.window(stream) >= 257);
                    client.send(data(stream, b"p").padded(255));
                }
                client.send(data(stream, []).ends());
                let page = client.response(stream).ok();
                assert!(
                    page.contains(&format!("\"{}\"", "p".repeat(1000))),
                    "{page}"
                );
            },
        ),
        case(
            "6.9.1 the window of streams that the client cancels comes back",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                for _ in 0..20 {
                    let stream = client.post("/");
                    client.wait_until("a window", |client| client.window(stream) >= 16_384);
                    client.send(data(stream, [b'c'; 16_384]));
                    client.cancel(stream);
                }
                client.expect_service();
            },
        ),
        case("6.9.1 DATA without content needs no window", "", |origin| {
            let mut client = Http2::open_with(origin, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
            let stream = client.request("HEAD", "/", &[], b"");
            assert_eq!(client.response(stream).status, 200);
        }),
    ]
}

fn initial_sizes() -> Vec<Case> {
    vec![
        case(
            "6.9.2 the windows grow behind the request",
            "http2/6.9.2/1",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.be_rude();
                client.settings(&[(setting::INITIAL_WINDOW_SIZE, 1)]);
                client.body_of(stream, 1);
                client.ping();
                assert_eq!(client.so_far(stream).body.len(), 1);
            },
        ),
        case(
            "6.9.2 a window becomes negative",
            "http2/6.9.2/2",
            |origin| {
                let mut client = Http2::open_with(origin, &[(setting::INITIAL_WINDOW_SIZE, 3)]);
                client.be_rude();
                let stream = client.get("/");
                client.body_of(stream, 3);
                client.settings(&[(setting::INITIAL_WINDOW_SIZE, 2)]);
                client.send(window_update(stream, 1));
                client.ping();
                assert_eq!(client.so_far(stream).body.len(), 3);
                client.send(window_update(stream, 1));
                client.body_of(stream, 4);
                client.ping();
                assert_eq!(client.so_far(stream).body.len(), 4);
            },
        ),
        case(
            "6.9.2 an initial window above 2^31-1",
            "http2/6.9.2/3",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(settings(&[(setting::INITIAL_WINDOW_SIZE, MAX_WINDOW + 1)]));
                client.expect_connection_error(&[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.9.2 the initial size lifts a window above 2^31-1",
            "",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.be_rude();
                let block = client.block("POST", "/");
                client.begin(block, false);
                client.send(window_update(stream + 2, MAX_WINDOW));
                client.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1)]));
                client.expect_connection_error(&[FLOW_CONTROL_ERROR]);
            },
        ),
    ]
}
