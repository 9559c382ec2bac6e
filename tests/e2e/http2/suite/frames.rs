//! The preface, and what all frames have in common: sections 3.4, 4.1 to 4.3 and 5.5.

use super::{Case, case, open_stream};
use crate::support::http2::frame::code::{COMPRESSION_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR};
use crate::support::http2::frame::{
    Frame, MAX_FRAME_SIZE, data, flag, headers, kind, ping, priority, setting, settings,
};
use crate::support::http2::{Http2, PREFACE};

pub fn cases() -> Vec<Case> {
    [preface(), format(), size(), compression(), extension()]
        .into_iter()
        .flatten()
        .collect()
}

fn preface() -> Vec<Case> {
    vec![
        case(
            "3.4 a request directly behind the preface",
            "generic/1/1",
            |origin| {
                let mut client = Http2::silent(origin);
                let block = client.block("GET", "/");
                let frames = vec![settings(&[]), headers(1, block).ends()];
                client.send_in_pieces(PREFACE, frames, usize::MAX);
                client.response(1).ok();
            },
        ),
        case(
            "3.4 the server sends SETTINGS first",
            "http2/3.5/1",
            |origin| {
                let mut client = Http2::silent(origin);
                client.write(PREFACE);
                client.settings(&[]);
            },
        ),
        case("3.4 another preface", "http2/3.5/2", |origin| {
            let mut client = Http2::silent(origin);
            client.write(b"INVALID CONNECTION PREFACE\r\n\r\n");
            // In clear text it is bad HTTP/1.1.
            let answer = client.read_to_end();
            let page = String::from_utf8_lossy(&answer);
            assert!(
                !page.starts_with("HTTP") || page.starts_with("HTTP/1.1 400 "),
                "{page}"
            );
        }),
        case("3.4 the preface byte by byte", "", |origin| {
            let mut client = Http2::silent(origin);
            client.send_in_pieces(PREFACE, vec![settings(&[])], 1);
            client.expect_service();
        }),
        case("3.4 a preface without SETTINGS", "", |origin| {
            let mut client = Http2::silent(origin);
            client.write(&[PREFACE, &ping(*b"too soon").bytes()].concat());
            client.expect_closed();
            assert!(!client.has_pong(*b"too soon"));
        }),
        case("3.4 an acknowledgement instead of SETTINGS", "", |origin| {
            let mut client = Http2::silent(origin);
            client.write(&[PREFACE, &settings(&[]).with(flag::ACK).bytes()].concat());
            client.expect_closed();
        }),
    ]
}

fn format() -> Vec<Case> {
    vec![
        case(
            "4.1 a frame of a type that nobody knows",
            "http2/4.1/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(Frame::new(kind::UNKNOWN, 0, 0, [0; 8]));
                client.ping();
            },
        ),
        case("4.1 a flag that nobody knows", "http2/4.1/2", |origin| {
            let mut client = Http2::open(origin);
            client.send(ping(*b"flagged!").with(0x16));
            client.expect_pong(*b"flagged!");
        }),
        case(
            "4.1 the reserved bit of the stream identifier",
            "http2/4.1/3",
            |origin| {
                let mut client = Http2::open(origin);
                let mut bytes = ping(*b"reserved").bytes();
                bytes[5] |= 0x80;
                client.write(&bytes);
                client.expect_pong(*b"reserved");
            },
        ),
        case("4.1 frames in single bytes", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.new_stream();
            let block = client.block("POST", "/");
            let frames = vec![headers(stream, block), data(stream, b"slow").ends()];
            client.send_in_pieces(b"", frames, 1);
            assert!(client.response(stream).ok().contains("slow"));
        }),
    ]
}

fn size() -> Vec<Case> {
    vec![
        case("4.2 DATA of 16,384 bytes", "http2/4.2/1", |origin| {
            let (mut client, stream) = open_stream(origin);
            client.send(data(stream, [b'd'; MAX_FRAME_SIZE]).ends());
            assert!(
                client
                    .response(stream)
                    .ok()
                    .contains(&"d".repeat(MAX_FRAME_SIZE))
            );
        }),
        case("4.2 DATA that is too large", "http2/4.2/2", |origin| {
            let (mut client, stream) = open_stream(origin);
            let largest = client.setting(setting::MAX_FRAME_SIZE);
            let largest = largest.map_or(MAX_FRAME_SIZE, |size| size as usize);
            client.send(data(stream, vec![0; largest + 1]));
            client.expect_stream_error(stream, &[FRAME_SIZE_ERROR]);
        }),
        case("4.2 HEADERS that are too large", "http2/4.2/3", |origin| {
            let mut client = Http2::open(origin);
            let largest = client.setting(setting::MAX_FRAME_SIZE);
            let largest = largest.map_or(MAX_FRAME_SIZE, |size| size as usize);
            let mut block = client.block("GET", "/");
            block.resize(largest + 1, 0x82);
            client.begin(block, true);
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
        case("4.2 the head of a frame of 16 MiB", "", |origin| {
            let mut client = Http2::open(origin);
            client.write(&settings(&[]).bytes_of_length((1 << 24) - 1));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
        case("4.2 an unknown frame that is too large", "", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::UNKNOWN, 0, 0, [0; MAX_FRAME_SIZE + 1]));
            client.expect_connection_error(&[FRAME_SIZE_ERROR]);
        }),
    ]
}

fn compression() -> Vec<Case> {
    vec![
        case(
            "4.3 a block of fields that cannot be read",
            "http2/4.3/1",
            |origin| {
                let mut client = Http2::open(origin);
                // A literal whose name and value are missing.
                client.begin(vec![0x40], true);
                client.expect_connection_error(&[COMPRESSION_ERROR, PROTOCOL_ERROR]);
            },
        ),
        case(
            "4.3 PRIORITY amid a block of fields",
            "http2/4.3/2",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(headers(1, block).ends().without(flag::END_HEADERS));
                client.send(priority(1, 0, false, 255));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "4.3 HEADERS of another stream amid a block",
            "http2/4.3/3",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                client.send(headers(1, &block[..]).ends().without(flag::END_HEADERS));
                client.send(headers(3, block).ends());
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
    ]
}

fn extension() -> Vec<Case> {
    vec![
        case(
            "5.5 an unknown frame on the connection",
            "http2/5.5/1",
            |origin| {
                let mut client = Http2::open(origin);
                client.send(Frame::new(kind::UNKNOWN, 0xff, 0, *b"unknown"));
                client.ping();
            },
        ),
        case(
            "5.5 an unknown frame amid a block of fields",
            "http2/5.5/2",
            |origin| {
                let mut client = Http2::open(origin);
                let block = client.block("GET", "/");
                let (start, end) = block.split_at(5);
                client.send(headers(1, start).ends().without(flag::END_HEADERS));
                client.send(Frame::new(kind::UNKNOWN, 0, 0, *b"unknown"));
                client.send(Frame::new(kind::CONTINUATION, flag::END_HEADERS, 1, end));
                client.expect_connection_error(&[PROTOCOL_ERROR]);
            },
        ),
        case(
            "5.5 unknown frames on streams of every state",
            "",
            |origin| {
                let (mut client, open) = open_stream(origin);
                let closed = client.get("/");
                client.response(closed).ok();
                for stream in [open, closed, open + 100, 2] {
                    client.send(Frame::new(kind::UNKNOWN, 0xff, stream, *b"unknown"));
                }
                client.send(data(open, b"known").ends());
                assert!(client.response(open).ok().contains("known"));
            },
        ),
        case("5.5 PRIORITY_UPDATE of RFC 9218", "", |origin| {
            let (mut client, open) = open_stream(origin);
            for (stream, value) in [
                (open, "u=0"),
                (open + 2, "u=7, i"),
                (open, "bad;"),
                (1001, ""),
            ] {
                let payload = [&stream.to_be_bytes()[..], value.as_bytes()].concat();
                client.send(Frame::new(kind::PRIORITY_UPDATE, 0, 0, payload));
            }
            client.send(data(open, b"urgent").ends());
            assert!(client.response(open).ok().contains("urgent"));
        }),
        case("5.5 the largest unknown frame", "", |origin| {
            let mut client = Http2::open(origin);
            client.send(Frame::new(kind::UNKNOWN, 0, 0, [1; MAX_FRAME_SIZE]));
            client.expect_service();
        }),
    ]
}
