//! WebSockets: the events and answers do not depend on how the bytes are cut, and one
//! side receives what the other sends.

use crate::pieces::Choices;
use crate::websocket::{CloseCode, Compression, Endpoint, EndpointOptions, Incoming, Payload};

pub fn check(input: &[u8]) {
    let Some((choices, bytes)) = Choices::split(input) else {
        return;
    };
    let options = EndpointOptions {
        max_message_size: if choices.has(0) { 100 } else { 1 << 20 },
        compression: choices.has(1).then(|| compression(choices)),
    };
    let whole = receive(&options, &[bytes]);
    let cut = receive(&options, &choices.pieces(bytes));
    if !(whole.has_bad_data() && cut.has_bad_data()) {
        assert_eq!(whole, cut, "the cut of the bytes must not matter");
    } else {
        // Compressed data may have two errors. It depends on the pieces which one is
        // found first.
        let before = whole.events.len() - 1;
        assert_eq!(cut.events.len() - 1, before);
        assert_eq!(whole.events[..before], cut.events[..before]);
    }
    for event in &whole.events {
        if let Received::Text(text) = event {
            assert!(text.len() <= options.max_message_size);
        } else if let Received::Binary(bytes) = event {
            assert!(bytes.len() <= options.max_message_size);
        }
    }
    well_formed(&whole.answers);
    if bytes.len() <= options.max_message_size {
        there_and_back(choices, &options, bytes);
    }
}

fn compression(choices: Choices) -> Compression {
    let offer = match (choices.has(2), choices.has(3)) {
        (false, false) => "permessage-deflate",
        (true, false) => "permessage-deflate; client_no_context_takeover",
        (false, true) => "permessage-deflate; server_no_context_takeover",
        (true, true) => "permessage-deflate; server_max_window_bits=9",
    };
    Compression::choose([offer.as_bytes()].into_iter()).expect("the offer is good")
}

#[derive(Debug, PartialEq, Eq)]
enum Received {
    Text(String),
    Binary(Vec<u8>),
    Pong,
    Closed(CloseCode, String),
}

#[derive(Debug, PartialEq, Eq)]
struct Conversation {
    events: Vec<Received>,
    answers: Vec<u8>,
    is_open: bool,
    is_closed: bool,
}

impl Conversation {
    /// Whether it ended because of the content of a message.
    fn has_bad_data(&self) -> bool {
        let bad = [CloseCode::INVALID_DATA, CloseCode::TOO_BIG];
        matches!(self.events.last(), Some(Received::Closed(code, _)) if bad.contains(code))
    }
}

fn receive(options: &EndpointOptions, pieces: &[&[u8]]) -> Conversation {
    let mut socket = Endpoint::new(options);
    let mut events = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        while let Some(event) = socket.next(&mut input) {
            events.push(match event {
                Incoming::Text(text) => Received::Text(text.to_owned()),
                Incoming::Binary(bytes) => Received::Binary(bytes.to_vec()),
                Incoming::Pong => Received::Pong,
                Incoming::Closed(code, reason) => Received::Closed(code, reason.into_owned()),
            });
        }
        assert!(input.is_empty());
    }
    Conversation {
        events,
        answers: socket.take_answers(),
        is_open: socket.is_open(),
        is_closed: socket.is_closed(),
    }
}

/// Checks frames that a server may send: pongs and at most one close frame, which is
/// the last.
fn well_formed(mut answers: &[u8]) {
    while let Some((&[first, length], rest)) = answers.split_first_chunk() {
        assert!(first == 0x8a || first == 0x88, "a whole pong or close");
        assert!(length <= 125, "no mask, and short");
        let (payload, rest) = rest.split_at(length.into());
        if first == 0x88 {
            assert!(rest.is_empty() && payload.len() != 1);
            if let Some((&code, reason)) = payload.split_first_chunk() {
                assert!(CloseCode(u16::from_be_bytes(code)).may_be_sent());
                assert!(std::str::from_utf8(reason).is_ok());
            }
        }
        answers = rest;
    }
    assert!(answers.is_empty());
}

/// Sends a message as a server does, passes it on as a client would, in fragments, and
/// receives it.
fn there_and_back(choices: Choices, options: &EndpointOptions, message: &[u8]) {
    let mut sender = Endpoint::new(options);
    let mut sent = Vec::new();
    let mut expected = Vec::new();
    for _ in 0..2 {
        let payload = match std::str::from_utf8(message) {
            Ok(text) => Payload::Text(text),
            Err(_) => Payload::Binary(message),
        };
        let frame = sender.message(payload);
        let first = frame.head.as_bytes()[0];
        let fragments = choices.pieces(&frame.payload);
        let last = fragments.len().saturating_sub(1);
        for (place, fragment) in fragments.iter().enumerate() {
            let is_final = if place == last { 0x80 } else { 0 };
            let kind = if place == 0 { first & 0x7f } else { 0 };
            client_frame(is_final | kind, fragment, &mut sent);
            if place == 0 && last > 0 {
                client_frame(0x89, b"amid", &mut sent);
            }
        }
        if fragments.is_empty() {
            client_frame(first, b"", &mut sent);
        }
        expected.push(match payload {
            Payload::Text(text) => Received::Text(text.to_owned()),
            Payload::Binary(bytes) => Received::Binary(bytes.to_vec()),
        });
    }
    client_frame(0x88, b"\x03\xe8bye", &mut sent);
    expected.push(Received::Closed(CloseCode::NORMAL, "bye".to_owned()));
    let received = receive(&turned(options), &choices.pieces(&sent));
    let events: Vec<Received> = received
        .events
        .into_iter()
        .filter(|event| *event != Received::Pong)
        .collect();
    assert_eq!(events, expected);
    assert!(received.is_closed && !received.is_open);
    well_formed(&received.answers);
}

/// The agreed options, for a client that compresses as our server does.
fn turned(options: &EndpointOptions) -> EndpointOptions {
    let compression = options.compression.map(|agreed| Compression {
        client_no_context_takeover: agreed.server_no_context_takeover,
        ..agreed
    });
    EndpointOptions {
        compression,
        ..*options
    }
}

fn client_frame(first: u8, payload: &[u8], out: &mut Vec<u8>) {
    const MASK: [u8; 4] = [1, 0x80, 0xff, 7];
    out.push(first);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length => {
            let length = u16::try_from(length).expect("fragments are small");
            out.push(0x80 | 126);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}
