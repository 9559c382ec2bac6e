//! Clients that make the server hold much for little: for a time, and within a bound.

use super::victim::Victim;
use crate::support::http2::frame::code::FLOW_CONTROL_ERROR;
use crate::support::http2::frame::{
    Frame, MAX_FRAME_SIZE, MAX_WINDOW, data, flag, headers, setting, window_update,
};
use crate::support::http2::hpack::encoder::{self, Literal};
use crate::support::http2::{Http2, PREFACE};
use crate::support::{in_each_class, wait_until};

in_each_class! {
    fields_that_unfold,
    windows_of_a_byte,
    large_windows_that_nobody_reads_from,
    requests_that_never_end,
    heads_that_never_end,
    connections_after_many_streams,
    connections_with_many_open_streams,
}

/// How many streams a connection may have.
const STREAMS: usize = 100;

/// A field of 4,000 bytes is remembered, and then named 16,000 times in 16,000 bytes.
fn fields_that_unfold(class: &[&str]) {
    let mut victim = Victim::start(class, &[]);
    let mut client = victim.attacker();
    let large = Literal::Added.field("x-large", "l".repeat(4000));
    let block = [client.block("GET", "/"), large].concat();
    let first = client.begin(block, true);
    client.response(first).ok();
    let block = [
        client.block("GET", "/"),
        encoder::indexed(62).repeat(16_000),
    ];
    client.begin(block.concat(), true);
    victim.expect_calm(client, 1);
    victim.expect_unharmed(4 << 20);
}

/// What a server may hold of the responses to all streams of one connection.
const MOST_OF_RESPONSES: usize = STREAMS * (384 << 10);

/// Asks for a large response on each stream.
fn ask_for_much(client: &mut Http2) -> Vec<u32> {
    (0..STREAMS).map(|_| client.get("/large")).collect()
}

fn windows_of_a_byte(class: &[&str]) {
    let mut victim = Victim::start(class, &["--send-timeout", "2"]);
    let mut client = Http2::open_with(&victim.origin, &[(setting::INITIAL_WINDOW_SIZE, 1)]);
    client.be_rude();
    let streams = ask_for_much(&mut client);
    victim.serves_others();
    client.wait_until("the end of each stream", |client| {
        let is_reset = |&stream: &u32| client.so_far(stream).reset.is_some();
        client.is_over() || streams.iter().all(is_reset)
    });
    for &stream in &streams {
        assert!(client.so_far(stream).body.len() <= 1);
    }
    victim.expect_unharmed(MOST_OF_RESPONSES);
}

fn large_windows_that_nobody_reads_from(class: &[&str]) {
    let mut victim = Victim::start(class, &["--send-timeout", "2"]);
    let before = victim.descriptors();
    let settings = [(setting::INITIAL_WINDOW_SIZE, MAX_WINDOW)];
    let mut client = Http2::open_with(&victim.origin, &settings);
    client.send(window_update(0, MAX_WINDOW - 65_535));
    ask_for_much(&mut client);
    victim.serves_others();
    // The client reads nothing, not even the end.
    wait_until("the connection is closed", || {
        victim.descriptors() <= before
    });
    let _ = client.read_to_end();
    victim.expect_unharmed(MOST_OF_RESPONSES);
}

fn requests_that_never_end(class: &[&str]) {
    let limits = ["--timeout", "3", "--body-min-rate", "1000000"];
    let mut victim = Victim::start(class, &limits);
    let mut client = victim.attacker();
    let streams: Vec<u32> = (0..STREAMS).map(|_| client.post("/")).collect();
    client.ping();
    for &stream in &streams {
        client.send(data(stream, b"a byte or two"));
    }
    victim.serves_others();
    client.wait_until("the end of each stream", |client| {
        let is_over = |&stream: &u32| {
            let answer = client.so_far(stream);
            answer.reset.is_some() || answer.has_ended
        };
        streams.iter().all(is_over)
    });
    for &stream in &streams {
        let answer = client.so_far(stream);
        assert_eq!(answer.status, 408, "{answer:?}");
    }
    victim.expect_unharmed(4 << 20);
}

fn heads_that_never_end(class: &[&str]) {
    let mut victim = Victim::start(class, &["--header-timeout", "1"]);
    let mut of_nothing = Http2::silent(&victim.origin);
    let mut of_a_preface = Http2::silent(&victim.origin);
    of_a_preface.write(&PREFACE[..20]);
    let mut of_a_frame = victim.attacker();
    of_a_frame.write(&data(1, [0; 100]).bytes()[..50]);
    let mut of_a_block = victim.attacker();
    let block = of_a_block.block("GET", "/");
    let frame: Frame = headers(1, block).without(flag::END_HEADERS);
    of_a_block.send(frame);
    victim.serves_others();
    for client in [
        &mut of_nothing,
        &mut of_a_preface,
        &mut of_a_frame,
        &mut of_a_block,
    ] {
        client.read_to_end();
    }
    victim.expect_unharmed(4 << 20);
}

/// An app that reads nothing stops its client by the window, and only its own stream. More
/// than the window ends the stream (RFC 9113, section 6.9.1).
#[test]
fn more_than_the_window_in_gthread() {
    more_than_the_window(&["--threads", "4", "app:wsgi"]);
}

#[test]
fn more_than_the_window_in_asgi() {
    more_than_the_window(&["-k", "asgi", "app:asgi"]);
}

#[track_caller]
fn more_than_the_window(class: &[&str]) {
    let victim = Victim::start(class, &["--body-buffer-size", "0"]);
    let mut client = victim.attacker();
    let stream = client.post("/unread");
    let mut sent = 0;
    loop {
        client.ping();
        let window = client.window(stream);
        if window == 0 {
            break;
        }
        let length = usize::try_from(window).unwrap().min(MAX_FRAME_SIZE);
        client.send(data(stream, vec![0; length]));
        sent += length;
        assert!(sent <= 1 << 20, "the window is no bound");
    }
    client.expect_service();
    client.send(data(stream, b"x"));
    client.expect_reset(stream, &[FLOW_CONTROL_ERROR]);
    client.expect_service();
    victim.release_unread();
    victim.expect_unharmed(4 << 20);
}

/// What a connection without open streams may take of the worker's memory, in bytes. The
/// session keeps room for as many streams as it once had.
const MOST_OF_A_CONNECTION: usize = 160 << 10;

/// What a connection may take on which the requests of all streams have not ended.
fn most_of_open_streams(class: &[&str]) -> usize {
    if class.contains(&"asgi") {
        // Each of them is an app that runs: a task, a scope, and what it waits for.
        640 << 10
    } else {
        256 << 10
    }
}

fn connections_after_many_streams(class: &[&str]) {
    holds_at_most(class, 50, MOST_OF_A_CONNECTION, |client| {
        let streams: Vec<u32> = (0..STREAMS).map(|_| client.get("/")).collect();
        for stream in streams {
            client.response(stream).ok();
        }
    });
}

fn connections_with_many_open_streams(class: &[&str]) {
    holds_at_most(class, 50, most_of_open_streams(class), open_streams);
}

#[test]
#[ignore = "it opens a thousand connections"]
fn a_thousand_connections_with_many_open_streams() {
    let class = ["--threads", "4", "app:wsgi"];
    holds_at_most(&class, 1000, most_of_open_streams(&class), open_streams);
}

fn open_streams(client: &mut Http2) {
    for _ in 0..STREAMS {
        client.post("/");
    }
    client.ping();
}

/// This many connections, on each of which `act` is done, hold at most this many bytes each.
#[track_caller]
fn holds_at_most(class: &[&str], count: usize, most: usize, act: fn(&mut Http2)) {
    let mut victim = Victim::start(class, &["--worker-connections", "2000"]);
    let connection = || {
        let mut client = victim.attacker();
        act(&mut client);
        client
    };
    // The first one also pays for what is made once.
    let mut clients = vec![connection()];
    let before = victim.memory();
    clients.extend((0..count).map(|_| connection()));
    victim.serves_others();
    let each = victim.memory().saturating_sub(before) / count;
    println!("{each} bytes a connection");
    assert!(each <= most, "{each} bytes a connection");
    victim.expect_unharmed((count + 1) * most);
}
