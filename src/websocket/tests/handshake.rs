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
    assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
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
