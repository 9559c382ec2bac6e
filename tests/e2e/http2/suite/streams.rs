//! Streams: sections 5.1, 5.3 and 5.4.

use super::{Case, case, closed_stream, half_closed_stream, open_stream};
use crate::support::http2::Http2;
use crate::support::http2::frame::code::{
    CANCEL, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM,
    STREAM_CLOSED,
};
use crate::support::http2::frame::{
    Frame, MAX_WINDOW, continuation, data, headers, kind, ping, priority, reset, setting,
    window_update,
};

pub fn cases() -> Vec<Case> {
    [
        idle(),
        half_closed(),
        closed(),
        identifiers(),
        concurrency(),
        dependencies(),
        errors(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn idle() -> Vec<Case> {
    vec![
        case("5.1 DATA on an idle stream", "http2/5.1/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(data(1, b"test").ends());
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "5.1 RST_STREAM on an idle stream",
            "http2/5.1/2",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(reset(1, CANCEL));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.1 WINDOW_UPDATE on an idle stream",
            "http2/5.1/3",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(window_update(1, 100));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.1 CONTINUATION on an idle stream",
            "http2/5.1/4",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(continuation(1, block));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case("5.1 PRIORITY on an idle stream", "generic/2/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(priority(1, 0, false, 10));
            client.expect_service();
        }),
    ]
}

fn half_closed() -> Vec<Case> {
    vec![
        case(
            "5.1 DATA on a half-closed stream",
            "http2/5.1/5",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(data(stream, b"test").ends());
                client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.1 HEADERS on a half-closed stream",
            "http2/5.1/6",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                let block = client.block("GET", "/");
                client.send(headers(stream, block).ends());
                client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.1 CONTINUATION on a half-closed stream",
            "http2/5.1/7",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                let block = client.block("GET", "/");
                client.send(continuation(stream, block));
                client.expect_connection_error(&[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.1 WINDOW_UPDATE on a half-closed stream",
            "generic/2/2",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(window_update(stream, 10_000));
                client.response(stream).ok();
            },
        ),
        case(
            "5.1 PRIORITY on a half-closed stream",
            "generic/2/3",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(priority(stream, 0, false, 10));
                client.send(window_update(stream, 10_000));
                client.response(stream).ok();
            },
        ),
        case(
            "5.1 RST_STREAM on a half-closed stream",
            "generic/2/4",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(reset(stream, CANCEL));
                client.ping();
                client.send(window_update(stream, 10_000));
                client.ping();
                assert!(!client.so_far(stream).has_ended);
            },
        ),
    ]
}

fn closed() -> Vec<Case> {
    vec![
        case("5.1 DATA behind RST_STREAM", "http2/5.1/8", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(reset(stream, CANCEL));
            client.send(data(stream, b"test").ends());
            client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
        }),
        case("5.1 HEADERS behind RST_STREAM", "http2/5.1/9", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(reset(stream, CANCEL));
            let block = client.block("GET", "/");
            client.send(headers(stream, block).ends());
            client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
        }),
        case(
            "5.1 CONTINUATION behind RST_STREAM",
            "http2/5.1/10",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(reset(stream, CANCEL));
                client.send(continuation(stream, [0x82]));
                client.expect_connection_error(&[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case("5.1 DATA on a closed stream", "http2/5.1/11", |origin| {
            let (mut client, stream) = closed_stream(origin);
            client.send(data(stream, b"test").ends());
            client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
        }),
        case("5.1 HEADERS on a closed stream", "http2/5.1/12", |origin| {
            let (mut client, stream) = closed_stream(origin);
            let block = client.block("GET", "/");
            client.send(headers(stream, block).ends());
            client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
        }),
        case(
            "5.1 CONTINUATION on a closed stream",
            "http2/5.1/13",
            |origin| {
                let (mut client, stream) = closed_stream(origin);
                client.send(continuation(stream, [0x82]));
                client.expect_connection_error(&[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case("5.1 PRIORITY on a closed stream", "generic/2/5", |origin| {
            let (mut client, stream) = closed_stream(origin);
            client.send(priority(stream, 0, false, 10));
            client.expect_service();
        }),
        case(
            "5.1 WINDOW_UPDATE and RST_STREAM that cross the end",
            "",
            |origin| {
                let (mut client, stream) = closed_stream(origin);
                client.send(window_update(stream, 10));
                client.send(reset(stream, CANCEL));
                client.expect_service();
            },
        ),
    ]
}

fn identifiers() -> Vec<Case> {
    vec![
        case("5.1.1 an even identifier", "http2/5.1.1/1", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("GET", "/");
            client.send(headers(2, block).ends());
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "5.1.1 an identifier below an earlier one",
            "http2/5.1.1/2",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(headers(5, &block[..]).ends());
                client.send(headers(3, block).ends());
                client.expect_connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]);
            },
        ),
        case(
            "5.1.1 streams that were passed over are closed",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(headers(9, block).ends());
                client.response(9).ok();
                client.send(data(3, b"test"));
                client.expect_stream_error(3, &[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case("5.1.1 the last identifier that there is", "", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("GET", "/");
            client.write(&headers(MAX_WINDOW, block).ends().bytes());
            client.response(MAX_WINDOW).ok();
        }),
    ]
}

/// How many streams the server allows.
fn limit(client: &Http2) -> usize {
    client
        .setting(setting::MAX_CONCURRENT_STREAMS)
        .expect("the server has a limit") as usize
}

fn concurrency() -> Vec<Case> {
    vec![
        case("5.1.2 one stream too many", "http2/5.1.2/1", |origin| {
            let mut client = Http2::open_with(origin, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
            for _ in 0..limit(&client) {
                client.get("/");
            }
            let last = client.get("/");
            client.expect_stream_error(last, &[PROTOCOL_ERROR, REFUSED_STREAM]);
        }),
        case("5.1.2 the end of a stream makes room", "", |origin| {
            let mut client = Http2::open(origin);
            let streams: Vec<u32> = (0..limit(&client)).map(|_| client.post("/")).collect();
            client.ping();
            client.send(data(streams[0], b"one").ends());
            client.response(streams[0]).ok();
            let (cancelled, others) = streams[1..].split_last().unwrap();
            client.send(reset(*cancelled, CANCEL));
            let more = [client.post("/"), client.post("/")];
            for stream in others.iter().copied().chain(more) {
                client.send(data(stream, stream.to_string()).ends());
            }
            for stream in others.iter().copied().chain(more) {
                let page = client.response(stream).ok();
                assert!(page.contains(&format!("\"{stream}\"")), "{page}");
            }
        }),
        case("5.1.2 requests are answered out of order", "", |origin| {
            let (mut client, first) = open_stream(origin);
            for _ in 0..5 {
                client.expect_service();
            }
            client.send(data(first, b"late").ends());
            assert!(client.response(first).ok().contains("late"));
        }),
    ]
}

fn dependencies() -> Vec<Case> {
    vec![
        case(
            "5.3.1 HEADERS of a stream that depends on itself",
            "http2/5.3.1/1",
            |origin| {
                let mut client = Http2::open(origin);
                let stream = client.new_stream();
                let block = client.block("GET", "/");
                client.send(headers(stream, block).ends().prioritised(stream, 255));
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.3.1 PRIORITY of a stream that depends on itself",
            "http2/5.3.1/2",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(priority(2, 2, false, 255));
                client.expect_stream_error(2, &[PROTOCOL_ERROR]);
            },
        ),
    ]
}

fn errors() -> Vec<Case> {
    vec![
        case(
            "5.4.1 an error ends the connection",
            "http2/5.4.1/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(Frame::new(kind::PING, 0, 3, [0; 8]));
                client.expect_closed();
            },
        ),
        case(
            "5.4.1 GOAWAY comes before the end",
            "http2/5.4.1/2",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(Frame::new(kind::PING, 0, 0, [0; 6]));
                client.expect_connection_error(&[FRAME_SIZE_ERROR]);
            },
        ),
        case("5.4.1 GOAWAY names the last stream", "", |origin| {
            let mut client = Http2::open(origin);
            client.expect_service();
            let last = client.get("/");
            client.response(last).ok();
            client.send(Frame::new(kind::PING, 0, 3, [0; 8]));
            assert_eq!(client.expect_goaway(&[PROTOCOL_ERROR]), last);
            client.expect_closed();
        }),
        case(
            "5.4.2 an error of one stream leaves others alone",
            "",
            |origin| {
                let (mut client, good) = open_stream(origin);
                let bad = client.post("/");
                client.send(window_update(bad, MAX_WINDOW));
                client.expect_reset(bad, &[FLOW_CONTROL_ERROR]);
                client.send(data(good, b"alive").ends());
                assert!(client.response(good).ok().contains("alive"));
            },
        ),
        case(
            "5.4.2 frames that cross a reset of the server",
            "",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(window_update(stream, MAX_WINDOW));
                client.send(data(stream, b"crossing"));
                client.send(data(stream, b"crossing").ends());
                client.expect_reset(stream, &[FLOW_CONTROL_ERROR]);
                client.expect_service();
            },
        ),
        case(
            "5.4.3 the server goes on when the client resets",
            "",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(reset(stream, NO_ERROR));
                client.send(ping(*b"still on"));
                client.expect_pong(*b"still on");
                client.expect_service();
            },
        ),
    ]
}
