//! SETTINGS, PING, GOAWAY and error codes: sections 6.5, 6.7, 6.8 and 7.

use super::{Case, case, half_closed_stream, open_stream};
use crate::support::http2::Http2;
use crate::support::http2::frame::code::{
    FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, NO_ERROR, PROTOCOL_ERROR,
};
use crate::support::http2::frame::{
    Frame, MAX_WINDOW, data, flag, goaway, kind, ping, reset, setting, settings,
};

pub fn cases() -> Vec<Case> {
    [
        frames(),
        values(),
        synchronisation(),
        pings(),
        goaways(),
        codes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn frames() -> Vec<Case> {
    vec![
        case("6.5 SETTINGS", "generic/3.5/1", |origin| {
            let mut client = Http2::open(origin);
            client.settings(&[(setting::MAX_CONCURRENT_STREAMS, 100)]);
            client.expect_service();
        }),
        case(
            "6.5 an acknowledgement with content",
            "http2/6.5/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]).with(flag::ACK));
                client.expect_connection_error(&[FRAME_SIZE_ERROR]);
            },
        ),
        case("6.5 SETTINGS on a stream", "http2/6.5/2", |origin| {
            let (mut client, stream) = open_stream(origin);
            let frame = settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
            client.send(Frame { stream, ..frame });
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.5 SETTINGS of 3 bytes", "http2/6.5/3", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::SETTINGS, 0, 0, [0, 3, 0]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
    ]
}

fn values() -> Vec<Case> {
    vec![
        case("6.5.2 ENABLE_PUSH of 2", "http2/6.5.2/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(settings(&[(setting::ENABLE_PUSH, 2)]));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "6.5.2 INITIAL_WINDOW_SIZE of 2^31",
            "http2/6.5.2/2",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]));
                client.expect_connection_error(&[FLOW_CONTROL_ERROR, PROTOCOL_ERROR]);
            },
        ),
        case(
            "6.5.2 MAX_FRAME_SIZE of 16,383",
            "http2/6.5.2/3",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(settings(&[(setting::MAX_FRAME_SIZE, 16_383)]));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case("6.5.2 MAX_FRAME_SIZE of 2^24", "http2/6.5.2/4", |origin| {
            let mut client = Http2::open(origin);
            client.send(settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case(
            "6.5.2 a setting that nobody knows",
            "http2/6.5.2/5",
            |origin| {
                let mut client = Http2::open(origin);
                client.settings(&[(0xff, 1)]);
                client.ping();
            },
        ),
        case("6.5.2 the smallest and largest values", "", |origin| {
            for settings in [
                [
                    (setting::HEADER_TABLE_SIZE, 0),
                    (setting::ENABLE_PUSH, 0),
                    (setting::MAX_CONCURRENT_STREAMS, 0),
                    (setting::INITIAL_WINDOW_SIZE, MAX_WINDOW),
                    (setting::MAX_FRAME_SIZE, 16_384),
                    (setting::MAX_HEADER_LIST_SIZE, u32::MAX),
                ],
                [
                    (setting::HEADER_TABLE_SIZE, u32::MAX),
                    (setting::ENABLE_PUSH, 1),
                    (setting::MAX_CONCURRENT_STREAMS, u32::MAX),
                    (setting::INITIAL_WINDOW_SIZE, 65_535),
                    (setting::MAX_FRAME_SIZE, (1 << 24) - 1),
                    (setting::MAX_HEADER_LIST_SIZE, u32::MAX),
                ],
            ] {
                let mut client = Http2::open_with(origin, &settings);
                client.expect_service();
                client.expect_service();
            }
        }),
        case("6.5.2 the table of fields becomes smaller", "", |origin| {
            let mut client = Http2::open(origin);
            client.expect_service();
            for size in [64, 0, 4096] {
                client.settings(&[(setting::HEADER_TABLE_SIZE, size)]);
                client.expect_service();
            }
        }),
    ]
}

fn synchronisation() -> Vec<Case> {
    vec![
        case(
            "6.5.3 the last of several values counts",
            "http2/6.5.3/1",
            |origin| {
                let sizes = [100, 1].map(|size| (setting::INITIAL_WINDOW_SIZE, size));
                let mut client = Http2::open_with(origin, &sizes);
                client.be_rude();
                let stream = client.get("/");
                client.body_of(stream, 1);
                client.ping();
                assert_eq!(client.so_far(stream).body.len(), 1);
            },
        ),
        case(
            "6.5.3 SETTINGS are acknowledged",
            "http2/6.5.3/2",
            |origin| {
                let mut client = Http2::open(origin);
                for _ in 0..3 {
                    client.send(settings(&[]));
                }
                client.settings(&[]);
            },
        ),
    ]
}

fn pings() -> Vec<Case> {
    vec![
        case("6.7 PING", "generic/3.7/1", |origin| {
            let mut client = Http2::open(origin);
            client.ping();
        }),
        case(
            "6.7 the answer has the same content",
            "http2/6.7/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(ping(*b"rgunicor"));
                client.expect_pong(*b"rgunicor");
            },
        ),
        case("6.7 an answer is not answered", "http2/6.7/2", |origin| {
            let mut client = Http2::open(origin);
            client.send(ping(*b"answered").with(flag::ACK));
            client.send(ping(*b"question"));
            client.expect_pong(*b"question");
            assert!(!client.has_pong(*b"answered"));
        }),
        case("6.7 PING on a stream", "http2/6.7/3", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(Frame::new(kind::PING, 0, stream, [0; 8]));
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.7 PING of 6 bytes", "http2/6.7/4", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::PING, 0, 0, [0; 6]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
        case("6.7 PING of 9 bytes", "", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::PING, 0, 0, [0; 9]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
    ]
}

fn goaways() -> Vec<Case> {
    vec![
        case("6.8 GOAWAY", "generic/3.8/1", |origin| {
            let mut client = Http2::open(origin);
            client.send(goaway(0, NO_ERROR));
            client.expect_closed();
        }),
        case("6.8 GOAWAY on a stream", "http2/6.8/1", |origin| {
            let (mut client, stream) = open_stream(origin);
            let frame = goaway(0, NO_ERROR);
            client.send(Frame { stream, ..frame });
            client.expect_connection_error(&[PROTOCOL_ERROR]);
        }),
        case("6.8 GOAWAY of 7 bytes", "", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::GOAWAY, 0, 0, [0; 7]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR]);
        }),
        case("6.8 GOAWAY with words", "", |origin| {
            let mut client = Http2::open(origin);
            let mut frame = goaway(0, NO_ERROR);
            frame.payload.extend(b"good bye");
            client.send(frame);
            client.expect_closed();
        }),
        case("6.8 requests before GOAWAY are answered", "", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(goaway(0, NO_ERROR));
            client.send(data(stream, b"the last").ends());
            assert!(client.response(stream).ok().contains("the last"));
            client.expect_closed();
        }),
    ]
}

fn codes() -> Vec<Case> {
    const UNKNOWN: u32 = 0xff;
    vec![
        case(
            "7 GOAWAY with a code that nobody knows",
            "http2/7/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(goaway(0, UNKNOWN));
                client.expect_closed();
            },
        ),
        case(
            "7 RST_STREAM with a code that nobody knows",
            "http2/7/2",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(reset(stream, UNKNOWN));
                client.ping();
                client.expect_service();
            },
        ),
        case("7 RST_STREAM with each code", "", |origin| {
            for code in (NO_ERROR..=13).chain([u32::MAX]) {
                let (mut client, stream) = half_closed_stream(origin);
                client.send(reset(stream, code));
                client.ping();
            }
        }),
    ]
}
