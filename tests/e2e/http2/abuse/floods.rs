//! Floods of frames that are cheap to send. The server tells the client to calm down, ends
//! the connection, and writes one line.

use super::victim::Victim;
use crate::support::http2::Http2;
use crate::support::http2::frame::code::CANCEL;
use crate::support::http2::frame::{
    self, Frame, MAX_WINDOW, continuation, data, flag, headers, kind, ping, priority, reset,
    setting, settings, window_update,
};
use crate::support::http2::hpack::encoder;
use crate::support::in_each_class;

in_each_class! {
    requests_that_are_cancelled_at_once,
    requests_of_a_slow_app_that_are_cancelled_at_once,
    requests_that_the_server_has_to_reset,
    pings,
    settings_that_change_nothing,
    settings_that_change_much,
    priorities,
    updates_of_priorities,
    window_updates_of_the_connection,
    window_updates_of_a_stream,
    data_without_content,
    frames_that_nobody_knows,
    blocks_of_fields_that_never_end,
    blocks_of_fields_in_empty_frames,
    blocks_of_fields_in_tiny_frames,
}

/// How much more memory a flood may take for a moment, in bytes.
const MOST_GROWTH: usize = 8 << 20;

/// More streams than may be reset in one connection.
const MOST_RESETS: usize = 2000;

#[track_caller]
fn flood(class: &[&str], next: impl FnMut(&mut Http2) -> Vec<Frame>) {
    let mut victim = Victim::start(class, &[]);
    let mut client = victim.attacker();
    victim.flood(&mut client, next);
    victim.expect_calm(client, 1);
    victim.expect_unharmed(MOST_GROWTH);
}

/// A request, and its end (CVE-2023-44487).
fn cancelled(client: &mut Http2, path: &str) -> Vec<Frame> {
    let stream = client.new_stream();
    let block = client.block("GET", path);
    vec![headers(stream, block).ends(), reset(stream, CANCEL)]
}

fn requests_that_are_cancelled_at_once(class: &[&str]) {
    flood(class, |client| cancelled(client, "/"));
}

fn requests_of_a_slow_app_that_are_cancelled_at_once(class: &[&str]) {
    flood(class, |client| cancelled(client, "/slow"));
}

/// Frames for which the server must reset a stream: as costly for it as if the client had
/// done so (CVE-2025-8671).
fn requests_that_the_server_has_to_reset(class: &[&str]) {
    type Provoke = fn(&mut Http2) -> Vec<Frame>;
    const WAYS: [(&str, Provoke); 5] = [
        ("a window that is too large", |client| {
            let stream = client.new_stream();
            let block = client.block("POST", "/");
            vec![headers(stream, block), window_update(stream, MAX_WINDOW)]
        }),
        ("a request without a path", |client| {
            let stream = client.new_stream();
            let mut fields = client.head("GET", "/");
            fields.retain(|(name, _)| *name != ":path");
            let block = encoder::block(&fields);
            vec![headers(stream, block).ends()]
        }),
        ("more DATA than was said", |client| {
            let stream = client.new_stream();
            let length = encoder::block(&[("content-length", "1")]);
            let block = [client.block("POST", "/"), length].concat();
            vec![headers(stream, block), data(stream, b"two")]
        }),
        ("trailers that do not end the request", |client| {
            let stream = client.new_stream();
            let block = client.block("POST", "/");
            let trailers = encoder::block(&[("x-sum", "9")]);
            vec![headers(stream, block), headers(stream, trailers)]
        }),
        ("a stream that depends on itself", |client| {
            let stream = client.new_stream();
            let block = client.block("POST", "/");
            vec![headers(stream, block), priority(stream, stream, false, 1)]
        }),
    ];
    let mut victim = Victim::start(class, &[]);
    for (place, (way, provoke)) in WAYS.into_iter().enumerate() {
        println!("{way}");
        let mut client = victim.attacker();
        for _ in 0..MOST_RESETS {
            if client.is_over() {
                break;
            }
            let frames = provoke(&mut client);
            let stream = frames[0].stream;
            client.send_in_pieces(b"", frames, usize::MAX);
            client.wait_until("a reset", |client| {
                client.is_over() || client.so_far(stream).reset.is_some()
            });
        }
        victim.expect_calm(client, place + 1);
    }
    victim.expect_unharmed(MOST_GROWTH);
}

fn pings(class: &[&str]) {
    flood(class, |_| vec![ping(*b"annoying")]);
}

fn settings_that_change_nothing(class: &[&str]) {
    flood(class, |_| vec![settings(&[])]);
}

fn settings_that_change_much(class: &[&str]) {
    let mut size = 0;
    flood(class, |_| {
        size = (size + 4096) % 65_536;
        let pairs = [
            (setting::INITIAL_WINDOW_SIZE, size),
            (setting::HEADER_TABLE_SIZE, size),
        ];
        vec![settings(&pairs.repeat(100))]
    });
}

fn priorities(class: &[&str]) {
    let mut stream = 1;
    flood(class, |_| {
        stream += 2;
        vec![priority(stream, stream - 2, true, 255)]
    });
}

fn updates_of_priorities(class: &[&str]) {
    let mut stream = 1u32;
    flood(class, |_| {
        stream += 2;
        let payload = [&stream.to_be_bytes()[..], b"u=0"].concat();
        vec![Frame::new(kind::PRIORITY_UPDATE, 0, 0, payload)]
    });
}

fn window_updates_of_the_connection(class: &[&str]) {
    flood(class, |_| vec![window_update(0, 1)]);
}

fn window_updates_of_a_stream(class: &[&str]) {
    let mut opened = None;
    flood(class, |client| {
        let mut frames = Vec::new();
        let stream = *opened.get_or_insert_with(|| {
            let stream = client.new_stream();
            frames.push(headers(stream, client.block("POST", "/")));
            stream
        });
        frames.push(window_update(stream, 1));
        frames
    });
}

fn data_without_content(class: &[&str]) {
    let mut opened = None;
    flood(class, |client| {
        let mut frames = Vec::new();
        let stream = *opened.get_or_insert_with(|| {
            let stream = client.new_stream();
            frames.push(headers(stream, client.block("POST", "/")));
            stream
        });
        frames.push(data(stream, b""));
        frames
    });
}

fn frames_that_nobody_knows(class: &[&str]) {
    flood(class, |_| vec![Frame::new(kind::UNKNOWN, 0, 0, *b"who?")]);
}

/// HEADERS without END_HEADERS, and then this again and again.
#[track_caller]
fn endless_block(class: &[&str], part: &[u8]) {
    let mut began = false;
    flood(class, |client| {
        if std::mem::replace(&mut began, true) {
            return vec![continuation(1, part).without(flag::END_HEADERS)];
        }
        let block = client.block("GET", "/");
        vec![headers(1, block).ends().without(flag::END_HEADERS)]
    });
}

fn blocks_of_fields_that_never_end(class: &[&str]) {
    let field = encoder::block(&[("x-more", "m".repeat(1000))]);
    endless_block(class, &field.repeat(frame::MAX_FRAME_SIZE / field.len()));
}

fn blocks_of_fields_in_empty_frames(class: &[&str]) {
    endless_block(class, b"");
}

fn blocks_of_fields_in_tiny_frames(class: &[&str]) {
    // A field of the static table in one byte.
    endless_block(class, &encoder::indexed(16));
}
