//! The opening handshake.

use super::*;

type Field = (&'static str, &'static str);

const GOOD: [Field; 4] = [
    ("Upgrade", "websocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

fn bytes(fields: &[Field]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
}

#[test]
fn the_example_of_the_rfc() {
    let fields = [
        &GOOD[..],
        &[
            ("Sec-WebSocket-Protocol", "chat, superchat"),
            ("sec-websocket-protocol", "x"),
        ],
    ]
    .concat();
    assert!(is_upgrade(b"GET", bytes(&fields)));
    let handshake = Handshake::read(bytes(&fields)).unwrap();
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert_eq!(handshake.accept.as_deref(), Some(accept));
    let answer: Vec<_> = handshake.answer().collect();
    assert_eq!(answer, [("Sec-WebSocket-Accept", accept.to_owned())]);
    assert_eq!(handshake.subprotocols, ["chat", "superchat", "x"]);
    assert_eq!(handshake.compression, None);
}

#[test]
fn what_is_no_upgrade() {
    assert!(!is_upgrade(b"POST", bytes(&GOOD)));
    assert!(!is_upgrade(b"GET", bytes(&GOOD[1..])));
    assert!(!is_upgrade(
        b"GET",
        bytes(&[GOOD[0], ("Connection", "close")])
    ));
    assert!(!is_upgrade(b"GET", bytes(&[("Upgrade", "h2c"), GOOD[1]])));
}

#[test]
fn what_is_refused() {
    let with = |change: Field| {
        let mut fields = GOOD;
        for field in &mut fields {
            if field.0 == change.0 {
                *field = change;
            }
        }
        Handshake::read(bytes(&fields)).map(drop)
    };
    assert_eq!(with(("Sec-WebSocket-Version", "8")), Err(Refusal::Version));
    for key in [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZSE=",
    ] {
        assert_eq!(with(("Sec-WebSocket-Key", key)), Err(Refusal::Key), "{key}");
    }
    assert_eq!(Handshake::read(bytes(&GOOD[..2])), Err(Refusal::Version));
    assert_eq!(Handshake::read(bytes(&GOOD[..3])), Err(Refusal::Key));
    let twice = [&GOOD[..], &GOOD[3..]].concat();
    assert_eq!(Handshake::read(bytes(&twice)), Err(Refusal::Key));
}

#[test]
fn an_extended_connect_needs_no_key() {
    let fields = [
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, x"),
        ("sec-websocket-extensions", "permessage-deflate"),
    ];
    let handshake = Handshake::read_connect(bytes(&fields)).unwrap();
    assert_eq!(handshake.subprotocols, ["chat", "x"]);
    let answer: Vec<_> = handshake.answer().map(|(name, _)| name).collect();
    assert_eq!(answer, ["Sec-WebSocket-Extensions"]);
    // Who sends a key nevertheless gets no answer to it.
    let with_key = [&GOOD[2..], &fields[1..2]].concat();
    let handshake = Handshake::read_connect(bytes(&with_key)).unwrap();
    assert_eq!(handshake.answer().count(), 0);
    for fields in [
        &fields[1..],
        &[fields[0], fields[0]],
        &[("sec-websocket-version", "8")],
    ] {
        let read = Handshake::read_connect(bytes(fields)).map(drop);
        assert_eq!(read, Err(Refusal::Version), "{fields:?}");
    }
}
