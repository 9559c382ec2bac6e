//! permessage-deflate: cases 12 and 13 of the suite, and the agreed parameters.

use super::*;
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};

#[track_caller]
fn agreed(offers: &[&str]) -> Option<String> {
    Compression::choose(offers.iter().map(|offer| offer.as_bytes())).map(|it| it.answer())
}

#[test]
fn offers_and_answers() {
    let name = "permessage-deflate";
    for (offer, answer) in [
        ("", "; server_max_window_bits=12"),
        (
            "; client_max_window_bits",
            "; server_max_window_bits=12; client_max_window_bits=12",
        ),
        (
            "; client_max_window_bits=9",
            "; server_max_window_bits=12; client_max_window_bits=9",
        ),
        (
            "; client_max_window_bits=8",
            "; server_max_window_bits=12; client_max_window_bits=8",
        ),
        (
            "; server_max_window_bits=\"10\"",
            "; server_max_window_bits=10",
        ),
        ("; server_max_window_bits=15", "; server_max_window_bits=12"),
        (
            " ;server_no_context_takeover ; client_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12",
        ),
    ] {
        assert_eq!(
            agreed(&[&format!("{name}{offer}")]),
            Some(format!("{name}{answer}"))
        );
    }
    for offer in [
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=\"10",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    ] {
        assert_eq!(agreed(&[offer]), None, "{offer}");
    }
    let second = agreed(&["foo, permessage-deflate; bar", "permessage-deflate"]);
    assert_eq!(
        second.as_deref(),
        Some("permessage-deflate; server_max_window_bits=12")
    );
}

/// A client that compresses.
struct Peer {
    compress: Compress,
    decompress: Decompress,
    agreed: Compression,
}

impl Peer {
    fn new(agreed: Compression) -> Peer {
        let bits = agreed.client_max_window_bits.unwrap_or(15).max(9);
        Peer {
            compress: Compress::new_with_window_bits(flate2::Compression::default(), false, bits),
            decompress: Decompress::new_with_window_bits(false, agreed.server_max_window_bits),
            agreed,
        }
    }

    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len() + 1000);
        self.compress
            .compress_vec(payload, &mut out, FlushCompress::Sync)
            .unwrap();
        out.truncate(out.len() - 4);
        if self.agreed.client_no_context_takeover {
            self.compress.reset();
        }
        out
    }

    fn read(&mut self, first: u8, mut payload: Vec<u8>) -> Vec<u8> {
        if first & 0x40 == 0 {
            return payload;
        }
        payload.extend([0, 0, 0xff, 0xff]);
        let mut out = Vec::with_capacity(1 << 20);
        self.decompress
            .decompress_vec(&payload, &mut out, FlushDecompress::Sync)
            .unwrap();
        if self.agreed.server_no_context_takeover {
            self.decompress.reset(false);
        }
        out
    }
}

#[test]
fn messages_in_every_mode() {
    for offer in [
        "",
        "; client_max_window_bits",
        "; server_no_context_takeover",
        "; client_no_context_takeover",
        "; server_max_window_bits=9; client_max_window_bits=9",
        "; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10",
    ] {
        let offer = format!("permessage-deflate{offer}");
        let compression = Compression::choose([offer.as_bytes()].into_iter()).unwrap();
        let mut socket = Endpoint::new(&EndpointOptions {
            compression: Some(compression),
            ..OPTIONS
        });
        let mut peer = Peer::new(compression);
        for size in [0, 16, 64, 127, 128, 129, 1024, 4096, 8192, 131_072, 300_000] {
            // Text that compresses, but not very well.
            let text: String = (0..)
                .map(|i| format!("{{\"id\": {}}}, ", i * 31 % 997))
                .flat_map(|s| s.chars().collect::<Vec<_>>())
                .take(size)
                .collect();
            let compressed = peer.message(text.as_bytes());
            let (one, two) = compressed.split_at(compressed.len() / 3);
            for frames in [
                frame(0xc1, &compressed),
                [frame(0x41, one), frame(0x89, b"p"), frame(0x80, two)].concat(),
            ] {
                if frames[0] == 0x41 && !compression.client_no_context_takeover {
                    // The same compressed bytes again would not give the same
                    // text.
                    continue;
                }
                let mut sent = echo(&mut socket, &frames, 1000);
                if frames[0] == 0x41 {
                    assert_eq!(take(&mut sent), Some((0x8a, b"p".to_vec())));
                }
                let (first, payload) = take(&mut sent).unwrap();
                assert_eq!(first & 0x0f, 1);
                assert_eq!(first & 0x40 != 0, size >= 128, "{size}");
                assert!(size < 1024 || payload.len() < size);
                assert!(
                    peer.read(first, payload) == text.as_bytes(),
                    "{offer} {size}"
                );
            }
        }
        // A message that is not compressed is accepted, too.
        let mut sent = echo(&mut socket, &text("plain"), 1000);
        assert_eq!(take(&mut sent), Some((0x81, b"plain".to_vec())));
    }
}

fn socket(limit: usize) -> (Endpoint, Peer) {
    let compression = Compression::choose([&b"permessage-deflate"[..]].into_iter()).unwrap();
    let options = EndpointOptions {
        max_message_size: limit,
        compression: Some(compression),
    };
    (Endpoint::new(&options), Peer::new(compression))
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    let (mut socket, mut peer) = socket(1 << 20);
    let bomb = peer.message(&vec![b'a'; 64 << 20]);
    let bytes = frame(0xc1, &bomb);
    let event = socket.next(&mut &bytes[..]);
    assert!(
        matches!(event, Some(Incoming::Closed(CloseCode::TOO_BIG, _))),
        "{event:?}"
    );
}

#[test]
fn nonsense_and_text_that_is_none() {
    let (mut broken, _) = socket(1 << 20);
    let event = broken.next(&mut &frame(0xc1, &[0xff; 20])[..]);
    assert!(
        matches!(event, Some(Incoming::Closed(CloseCode::INVALID_DATA, _))),
        "{event:?}"
    );

    let (mut wrong, mut peer) = socket(1 << 20);
    let bytes = frame(0xc1, &peer.message(b"\xed\xa0\x80"));
    let event = wrong.next(&mut &bytes[..]);
    assert!(
        matches!(event, Some(Incoming::Closed(CloseCode::INVALID_DATA, _))),
        "{event:?}"
    );

    // Only the first frame of a message may have the bit.
    for bad in [
        frame(0xc9, b""),
        [frame(0x41, b""), frame(0xc0, b"")].concat(),
    ] {
        let (mut socket, _) = socket(1 << 20);
        let event = socket.next(&mut &bad[..]);
        assert!(
            matches!(event, Some(Incoming::Closed(CloseCode::PROTOCOL_ERROR, _))),
            "{event:?}"
        );
    }
}

#[test]
fn a_final_block_does_not_end_the_connection() {
    let (mut socket, _) = socket(1 << 20);
    let mut compress = Compress::new(flate2::Compression::default(), false);
    let mut block = Vec::with_capacity(1000);
    compress
        .compress_vec(b"Hello", &mut block, FlushCompress::Finish)
        .unwrap();
    // RFC 7692 section 7.2.3.4: an empty octet follows it.
    block.push(0);
    for _ in 0..2 {
        let mut sent = echo(&mut socket, &frame(0xc1, &block), 1000);
        assert_eq!(take(&mut sent), Some((0x81, b"Hello".to_vec())));
    }
}
