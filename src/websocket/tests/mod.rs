//! The case list of the Autobahn test suite, and more tests of a server's end.

mod cases;
mod compression;
mod frames;
mod handshake;

use super::*;
use frames::{close, frame, take, text};

const OPTIONS: EndpointOptions = EndpointOptions {
    max_message_size: 16 << 20,
    compression: None,
};

/// Echoes messages that come in pieces of `size` bytes; gives all bytes that
/// were sent back.
fn echo(socket: &mut Endpoint, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut sent = Vec::new();
    for piece in bytes.chunks(size.max(1)) {
        let mut input = piece;
        loop {
            let message = match socket.next(&mut input) {
                Some(Incoming::Text(text)) => Ok(text.to_owned()),
                Some(Incoming::Binary(bytes)) => Err(bytes.to_owned()),
                Some(_) => continue,
                None => break,
            };
            sent.extend(socket.take_answers());
            let payload = match &message {
                Ok(text) => Payload::Text(text),
                Err(bytes) => Payload::Binary(bytes),
            };
            let out = socket.message(payload);
            sent.extend_from_slice(out.head.as_bytes());
            sent.extend_from_slice(&out.payload);
        }
        assert!(input.is_empty());
        sent.extend(socket.take_answers());
    }
    sent
}

#[track_caller]
fn check(id: &str, mut sent: Vec<u8>, answers: &[(u8, Vec<u8>)]) {
    for (first, payload) in answers {
        let (f, mut p) = take(&mut sent).unwrap_or_else(|| panic!("{id}: a frame is missing"));
        assert_eq!(f, *first, "{id}");
        if f == 0x88 {
            p.truncate(payload.len());
        }
        assert!(p == *payload, "{id}: {:?}", &p[..p.len().min(80)]);
    }
    assert!(sent.is_empty(), "{id}: {:?}", &sent[..sent.len().min(80)]);
}

#[test]
fn every_case_in_any_pieces() {
    for case in cases::all() {
        let bytes = case.sent.concat();
        // Large cases would take too long byte by byte.
        let sizes: &[usize] = if bytes.len() < 100_000 {
            &[1, 2, 3, 7, 997, usize::MAX]
        } else {
            &[4096, usize::MAX]
        };
        for &size in sizes {
            let mut socket = Endpoint::new(&OPTIONS);
            let sent = echo(&mut socket, &bytes, size);
            check(&case.id, sent, &case.answers);
            assert!(socket.is_closed(), "{}", case.id);
        }
    }
}

#[test]
fn what_is_wrong_is_said_with_the_first_byte_that_shows_it() {
    for (bytes, reason) in [
        (&[0x91][..], "a reserved bit is set"),
        (&[0x83], "a reserved opcode"),
        (&[0x09], "a control frame in fragments"),
        (&[0x81, 0x01], "a frame of a client without a mask"),
        (&[0x89, 0xfe], "a control frame of more than 125 bytes"),
        (&[0x81, 0xfe, 0, 125], "a length that is not minimal"),
    ] {
        let mut socket = Endpoint::new(&OPTIONS);
        let event = socket.next(&mut &bytes[..]);
        assert_eq!(
            event,
            Some(Incoming::Closed(CloseCode::PROTOCOL_ERROR, reason.into()))
        );
    }
}

#[test]
fn the_limit_counts_all_of_a_message() {
    let options = EndpointOptions {
        max_message_size: 100,
        ..OPTIONS
    };
    let fits = [frame(0x01, &[b'a'; 60]), frame(0x80, &[b'b'; 40])].concat();
    let mut socket = Endpoint::new(&options);
    assert!(matches!(socket.next(&mut &fits[..]), Some(Incoming::Text(text)) if text.len() == 100));
    for too_big in [
        frame(0x82, &[0; 101]),
        // The frame's head is enough for the error.
        frame(0x82, &[0; 101])[..6].to_vec(),
        [frame(0x01, &[b'a'; 60]), frame(0x80, &[b'b'; 41])].concat(),
    ] {
        let mut socket = Endpoint::new(&options);
        let event = socket.next(&mut &too_big[..]);
        let reason = "a message of more than 100 bytes".into();
        assert_eq!(event, Some(Incoming::Closed(CloseCode::TOO_BIG, reason)));
        check(
            "1009",
            socket.take_answers(),
            &[(0x88, 1009u16.to_be_bytes().to_vec())],
        );
    }
}

#[test]
fn our_close_waits_for_the_clients() {
    let mut socket = Endpoint::new(&OPTIONS);
    let bye = socket.close(CloseCode::RESTART, "come again").unwrap();
    assert_eq!(bye, [b"\x88\x0c\x03\xf4", &b"come again"[..]].concat());
    assert_eq!(socket.close(CloseCode::NORMAL, ""), None);
    assert!(!socket.is_open() && !socket.is_closed());
    // The app gets nothing more except the end.
    let more = [text("late"), frame(0x89, b"ping"), close(1012, b"bye")].concat();
    let mut input = &more[..];
    assert_eq!(
        socket.next(&mut input),
        Some(Incoming::Closed(CloseCode(1012), "bye".into()))
    );
    assert!(socket.take_answers().is_empty());
    assert!(socket.is_closed());
    assert_eq!(socket.next(&mut &text("x")[..]), None);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let mut socket = Endpoint::new(&OPTIONS);
    let bye = socket
        .close(CloseCode::NORMAL, &"\u{e9}".repeat(100))
        .unwrap();
    assert_eq!(bye.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&bye[4..]).is_ok());
}

#[test]
fn one_that_pings_and_does_not_read_gathers_no_more_than_so_much() {
    let mut socket = Endpoint::new(&OPTIONS);
    let pings = frame(0x89, &[b'p'; 125]).repeat(10_000);
    assert_eq!(socket.next(&mut &pings[..]), None);
    assert!(socket.take_answers().len() < 80_000);
}
