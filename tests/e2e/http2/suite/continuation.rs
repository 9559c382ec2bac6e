//! CONTINUATION: section 6.10.

use super::{Case, case, closed_stream, open_stream};
use crate::support::http2::Http2;
use crate::support::http2::frame::code::{PROTOCOL_ERROR, STREAM_CLOSED};
use crate::support::http2::frame::{Frame, continuation, data, flag, headers, kind, settings};
use crate::support::http2::hpack::encoder;

/// The first part of a block, with END_STREAM.
fn start(stream: u32, block: &[u8]) -> Frame {
    headers(stream, block).ends().without(flag::END_HEADERS)
}

/// A part of a block that is not the last.
fn part(stream: u32, block: &[u8]) -> Frame {
    continuation(stream, block).without(flag::END_HEADERS)
}

/// The block of a request, and that of a field for behind it.
fn blocks(client: &Http2) -> [Vec<u8>; 2] {
    [
        client.block("GET", "/"),
        encoder::block(&[("x-more", "more")]),
    ]
}

pub fn cases() -> Vec<Case> {
    vec![
        case("6.10 CONTINUATION", "generic/3.10/1", |origin| {
            let mut client = Http2::open(origin);
            let [request, more] = blocks(&client);
            client.send(start(1, &request));
            client.send(continuation(1, more));
            assert!(client.response(1).ok().contains("HTTP_X_MORE"));
        }),
        case("6.10 two CONTINUATION frames", "generic/3.10/2", |origin| {
            let mut client = Http2::open(origin);
            let [request, more] = blocks(&client);
            client.send(start(1, &request));
            client.send(part(1, &more[..4]));
            client.send(continuation(1, &more[4..]));
            assert!(client.response(1).ok().contains("HTTP_X_MORE"));
        }),
        case(
            "6.10 several CONTINUATION frames",
            "http2/6.10/1",
            |origin| {
                let mut client = Http2::open(origin);
                let [request, more] = blocks(&client);
                client.send(start(1, &request[..1]));
                client.send(part(1, &request[1..]));
                client.send(part(1, &more));
                client.send(continuation(1, encoder::block(&[("x-last", "last")])));
                assert!(client.response(1).ok().contains("HTTP_X_LAST"));
            },
        ),
        case("6.10 CONTINUATION without content", "", |origin| {
            let mut client = Http2::open(origin);
            let [request, _] = blocks(&client);
            client.send(start(1, b""));
            client.send(part(1, &request));
            client.send(part(1, b""));
            client.send(continuation(1, b""));
            client.response(1).ok();
        }),
        case(
            "6.10 another frame behind CONTINUATION",
            "http2/6.10/2",
            |origin| {
                let mut client = Http2::open(origin);
                let [request, more] = blocks(&client);
                client.send(start(1, &request));
                client.send(part(1, &more));
                client.send(data(1, b"test").ends());
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case("6.10 SETTINGS amid a block", "", |origin| {
            let mut client = Http2::open(origin);
            let [request, _] = blocks(&client);
            client.send(start(1, &request));
            client.send(settings(&[]));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.10 CONTINUATION on stream 0", "http2/6.10/3", |origin| {
            let mut client = Http2::open(origin);
            let [request, more] = blocks(&client);
            client.send(start(1, &request));
            client.send(continuation(0, more));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.10 CONTINUATION of another stream", "", |origin| {
            let mut client = Http2::open(origin);
            let [request, more] = blocks(&client);
            client.send(start(1, &request));
            client.send(continuation(3, more));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "6.10 CONTINUATION behind whole HEADERS",
            "http2/6.10/4",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                let [_, more] = blocks(&client);
                client.send(continuation(stream, more));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.10 CONTINUATION behind the last one",
            "http2/6.10/5",
            |origin| {
                let mut client = Http2::open(origin);
                let [request, more] = blocks(&client);
                client.send(start(1, &request));
                client.send(continuation(1, &more[..]));
                client.send(continuation(1, more));
                client.expect_connection_error(&[PROTOCOL_ERROR, STREAM_CLOSED]);
            },
        ),
        case("6.10 CONTINUATION behind DATA", "http2/6.10/6", |origin| {
            let (mut client, stream) = open_stream(origin);
            let [_, more] = blocks(&client);
            client.send(data(stream, b"test"));
            client.send(continuation(stream, more));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.10 trailers in two frames", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            let [_, more] = blocks(&client);
            client.send(data(stream, b"test"));
            client.send(start(stream, &more[..3]));
            client.send(continuation(stream, &more[3..]));
            assert!(client.response(stream).ok().contains("test"));
        }),
        case(
            "6.10 a block that is not whole before the end",
            "",
            |origin| {
                let (mut client, _) = closed_stream(origin);
                let [request, _] = blocks(&client);
                client.send(start(3, &request));
                client.send(Frame::new(kind::GOAWAY, 0, 0, [0; 8]));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
    ]
}
