//! Requests and responses: DATA, HEADERS and PRIORITY (sections 6.1 to 6.4), and the form of
//! messages (sections 8.1, 8.4 and 8.5).

use super::{Case, case, half_closed_stream, open_stream};
use crate::support::http2::Http2;
use crate::support::http2::frame::code::{CANCEL, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED};
use crate::support::http2::frame::{
    Frame, continuation, data, flag, headers, kind, priority, reset, setting,
};
use crate::support::http2::hpack::encoder;

/// The frames that messages are made of.
pub fn frames() -> Vec<Case> {
    [
        data_frames(),
        headers_frames(),
        priority_frames(),
        reset_frames(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub fn cases() -> Vec<Case> {
    [exchanges(), forms(), lengths(), pushes()]
        .into_iter()
        .flatten()
        .collect()
}

fn data_frames() -> Vec<Case> {
    vec![
        case("6.1 DATA", "generic/3.1/1", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(data(stream, b"test").ends());
            assert!(client.response(stream).ok().contains("\"test\""));
        }),
        case("6.1 several DATA frames", "generic/3.1/2", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(data(stream, b"te"));
            client.send(data(stream, b""));
            client.send(data(stream, b"st").ends());
            assert!(client.response(stream).ok().contains("\"test\""));
        }),
        case("6.1 DATA with padding", "generic/3.1/3", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(data(stream, b"te").padded(0));
            client.send(data(stream, b"st").padded(6).ends());
            assert!(client.response(stream).ok().contains("\"test\""));
        }),
        case("6.1 DATA on stream 0", "http2/6.1/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(data(0, b"test").ends());
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "6.1 DATA behind the end of the request",
            "http2/6.1/2",
            |origin| {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(data(stream, b"test"));
                client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.1 DATA with more padding than content",
            "http2/6.1/3",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                let mut frame = data(stream, b"test").padded(0).ends();
                frame.payload[0] = 5;
                client.send(frame);
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.1 padded DATA without the length of its padding",
            "",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(data(stream, b"").with(flag::PADDED));
                client.expect_connection_error(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]);
            },
        ),
        case("6.1 flags that DATA does not have", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(data(stream, b"test").with(0xf6));
            client.send(data(stream, b"").ends());
            assert!(client.response(stream).ok().contains("\"test\""));
        }),
    ]
}

fn headers_frames() -> Vec<Case> {
    vec![
        case("6.2 HEADERS", "generic/3.2/1", |origin| {
            Http2::open(origin).expect_service();
        }),
        case("6.2 HEADERS with padding", "generic/3.2/2", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("GET", "/");
            client.send(headers(1, block).padded(8).ends());
            client.response(1).ok();
        }),
        case("6.2 HEADERS with a priority", "generic/3.2/3", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("GET", "/");
            client.send(headers(1, block).prioritised(0, 255).ends());
            client.response(1).ok();
        }),
        case("6.2 HEADERS with padding and a priority", "", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("GET", "/");
            client.send(headers(1, block).prioritised(7, 0).padded(255).ends());
            client.response(1).ok();
        }),
        case(
            "6.2 HEADERS that are not whole, then PRIORITY",
            "http2/6.2/1",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(headers(1, block).without(flag::END_HEADERS));
                client.send(priority(1, 0, false, 255));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.2 HEADERS that are not whole, then others",
            "http2/6.2/2",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(headers(1, &block[..]).without(flag::END_HEADERS));
                client.send(headers(3, block).ends());
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case("6.2 HEADERS on stream 0", "http2/6.2/3", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("GET", "/");
            client.send(headers(0, block).ends());
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "6.2 HEADERS with more padding than content",
            "http2/6.2/4",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                let length = block.len();
                let mut frame = headers(1, block).padded(0).ends();
                frame.payload[0] = u8::try_from(length + 1).unwrap();
                client.send(frame);
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case("6.2 a priority that is cut off", "", |origin| {
            let mut client = Http2::open(origin);
            client.send(headers(1, [0; 4]).with(flag::PRIORITY).ends());
            client.expect_connection_error(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]);
        }),
        case("6.2 HEADERS without a block", "", |origin| {
            let mut client = Http2::open(origin);
            client.begin(Vec::new(), true);
            client.expect_stream_error(1, &[PROTOCOL_ERROR]);
        }),
    ]
}

fn priority_frames() -> Vec<Case> {
    vec![
        case("6.3 PRIORITY of weight 1", "generic/3.3/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(priority(1, 0, false, 0));
            client.expect_service();
        }),
        case("6.3 PRIORITY of weight 256", "generic/3.3/2", |origin| {
            let mut client = Http2::open(origin);
            client.send(priority(1, 0, false, 255));
            client.expect_service();
        }),
        case(
            "6.3 PRIORITY with a dependency",
            "generic/3.3/3",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(priority(1, 0, false, 255));
                client.send(priority(3, 1, false, 255));
                client.expect_service();
            },
        ),
        case(
            "6.3 PRIORITY with an exclusive dependency",
            "generic/3.3/4",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(priority(3, 1, true, 255));
                client.expect_service();
            },
        ),
        case(
            "6.3 PRIORITY of an idle stream, then a lower one",
            "generic/3.3/5",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(priority(5, 0, false, 255));
                let block = client.block("GET", "/");
                client.send(headers(3, block).ends());
                client.response(3).ok();
            },
        ),
        case("6.3 PRIORITY on stream 0", "http2/6.3/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(priority(0, 1, false, 255));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.3 PRIORITY of 4 bytes", "http2/6.3/2", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(Frame::new(kind::PRIORITY, 0, stream, [0; 4]));
            client.expect_stream_error(stream, &[FRAME_SIZE_ERROR, PROTOCOL_ERROR]);
        }),
    ]
}

fn reset_frames() -> Vec<Case> {
    vec![
        case("6.4 RST_STREAM", "generic/3.4/1", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(reset(stream, CANCEL));
            client.ping();
            client.expect_service();
        }),
        case("6.4 RST_STREAM on stream 0", "http2/6.4/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(reset(0, CANCEL));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "6.4 RST_STREAM on an idle stream",
            "http2/6.4/2",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(reset(1, CANCEL));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case("6.4 RST_STREAM of 3 bytes", "http2/6.4/3", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(Frame::new(kind::RST_STREAM, 0, stream, [0; 3]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
        case("6.4 RST_STREAM of 5 bytes", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(Frame::new(kind::RST_STREAM, 0, stream, [0; 5]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
    ]
}

fn exchanges() -> Vec<Case> {
    vec![
        case("8.1 GET", "generic/4/1", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.get("/page?a=b");
            let page = client.response(stream).ok();
            assert!(page.contains("\"method\": \"GET\""), "{page}");
            assert!(page.contains("\"target\": \"/page?a=b\""), "{page}");
            assert!(page.contains("\"HTTP_HOST\": \"testserver\""), "{page}");
            assert!(page.contains("\"protocol\": \"HTTP/2"), "{page}");
        }),
        case("8.1 HEAD", "generic/4/2", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.request("HEAD", "/", &[], b"");
            let answer = client.response(stream);
            assert_eq!((answer.status, answer.body.len()), (200, 0));
        }),
        case("8.1 POST", "generic/4/3", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.request("POST", "/", &[("content-length", "4")], b"test");
            let page = client.response(stream).ok();
            assert!(page.contains("\"CONTENT_LENGTH\": \"4\""), "{page}");
            assert!(page.contains("\"body\": \"test\""), "{page}");
        }),
        case("8.1 POST with trailers", "generic/4/4", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(data(stream, b"test"));
            client.send(headers(stream, encoder::block(&[("x-sum", "9")])).ends());
            let page = client.response(stream).ok();
            assert!(page.contains("\"body\": \"test\""), "{page}");
            // A trailer must not pass for a field (RFC 9110, section 6.5.1).
            assert!(!page.contains("X_SUM"), "{page}");
        }),
        case("8.1 a POST with trailers and no DATA", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(headers(stream, encoder::block(&[("x-sum", "9")])).ends());
            client.response(stream).ok();
        }),
        case("8.1 an answer before the request is whole", "", |origin| {
            let mut client = Http2::open(origin);
            let head = [&client.head("POST", "/")[..], &[("content-length", "bad")]].concat();
            let stream = client.begin(encoder::block(&head), false);
            client.wait_until("an answer or a reset", |client| {
                let answer = client.so_far(stream);
                answer.has_ended || answer.reset.is_some()
            });
            client.expect_service();
        }),
    ]
}

fn forms() -> Vec<Case> {
    vec![
        case(
            "8.1 second HEADERS that do not end the stream",
            "http2/8.1/1",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(data(stream, b"test"));
                client.send(headers(stream, encoder::block(&[("x-sum", "9")])));
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case("8.1 DATA behind trailers", "", |origin| {
            let mut client = Http2::open_with(origin, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
            let stream = client.post("/");
            client.send(headers(stream, encoder::block(&[("x-sum", "9")])).ends());
            client.send(data(stream, b"test").ends());
            client.expect_stream_error(stream, &[STREAM_CLOSED, PROTOCOL_ERROR]);
        }),
        case(
            "8.1 END_STREAM on HEADERS that CONTINUATION ends",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("POST", "/");
                client.send(headers(1, &block[..9]).ends().without(flag::END_HEADERS));
                client.send(continuation(1, &block[9..]));
                client.response(1).ok();
            },
        ),
    ]
}

/// A request with these lengths in its fields and this content, in DATA frames.
#[track_caller]
fn with_length(client: &mut Http2, lengths: &[&str], content: &[&[u8]]) -> u32 {
    let mut head = client.head("POST", "/");
    head.extend(lengths.iter().map(|&length| ("content-length", length)));
    let stream = client.begin(encoder::block(&head), content.is_empty());
    for (place, &part) in content.iter().enumerate() {
        let frame = data(stream, part);
        client.send(if place + 1 == content.len() {
            frame.ends()
        } else {
            frame
        });
    }
    stream
}

fn lengths() -> Vec<Case> {
    vec![
        case(
            "8.1.1 less DATA than Content-Length",
            "http2/8.1.2.6/1",
            |origin| {
                let mut client = Http2::open(origin);
                let stream = with_length(&mut client, &["10"], &[b"test"]);
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case(
            "8.1.1 less in several DATA frames",
            "http2/8.1.2.6/2",
            |origin| {
                let mut client = Http2::open(origin);
                let stream = with_length(&mut client, &["10"], &[b"te", b"st"]);
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case("8.1.1 more DATA than Content-Length", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = with_length(&mut client, &["3"], &[b"te", b"st"]);
            client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
        }),
        case("8.1.1 DATA with a Content-Length of 0", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = with_length(&mut client, &["0"], &[b"test"]);
            client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
        }),
        case("8.1.1 a Content-Length, and no DATA", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = with_length(&mut client, &["4"], &[]);
            client.expect_refused(stream, &[PROTOCOL_ERROR]);
        }),
        case(
            "8.1.1 a Content-Length, and trailers instead of DATA",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                let head = [&client.head("POST", "/")[..], &[("content-length", "4")]].concat();
                let stream = client.begin(encoder::block(&head), false);
                client.send(headers(stream, encoder::block(&[("x-sum", "9")])).ends());
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case("8.1.1 lengths that differ", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = with_length(&mut client, &["4", "5"], &[b"test"]);
            client.expect_refused(stream, &[PROTOCOL_ERROR]);
        }),
        case("8.1.1 lengths that are no numbers", "", |origin| {
            let mut client = Http2::open(origin);
            for length in [
                "",
                "-4",
                "+4",
                "4 ",
                "0x4",
                "4,4",
                "four",
                "99999999999999999999",
            ] {
                let stream = with_length(&mut client, &[length], &[b"test"]);
                client.expect_refused(stream, &[PROTOCOL_ERROR]);
            }
        }),
        case(
            "8.1.1 a HEAD request gets the length of GET",
            "",
            |origin| {
                let mut client = Http2::open_with(origin, &[(setting::ENABLE_PUSH, 0)]);
                let stream = client.request("HEAD", "/", &[], b"");
                let answer = client.response(stream);
                assert_eq!((answer.status, answer.body.len()), (200, 0));
                client.expect_service();
            },
        ),
    ]
}

fn pushes() -> Vec<Case> {
    vec![
        case("8.4 PUSH_PROMISE of a client", "http2/8.2/1", |origin| {
            let (mut client, stream) = open_stream(origin);
            let block = client.block("GET", "/");
            let payload = [&2u32.to_be_bytes()[..], &block].concat();
            client.send(Frame::new(
                kind::PUSH_PROMISE,
                flag::END_HEADERS,
                stream,
                payload,
            ));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("8.5 CONNECT", "", |origin| {
            let mut client = Http2::open(origin);
            let head = [(":method", "CONNECT"), (":authority", "testserver:443")];
            let stream = client.begin(encoder::block(&head), false);
            client.expect_refused(stream, &[PROTOCOL_ERROR]);
            client.expect_service();
        }),
        case("8.5 CONNECT with a scheme and a path", "", |origin| {
            let mut client = Http2::open(origin);
            let block = client.block("CONNECT", "/");
            let stream = client.begin(block, true);
            client.expect_refused(stream, &[PROTOCOL_ERROR]);
            client.expect_service();
        }),
    ]
}
