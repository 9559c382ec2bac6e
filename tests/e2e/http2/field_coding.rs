//! The client itself: the examples of RFC 7541, appendix C.

use crate::support::http2::hpack::{Decoder, encoder};
use encoder::Literal;

/// Blocks of one direction of a connection, the fields in each, and the size of the
/// dynamic table after it.
type Blocks = &'static [(&'static str, &'static [(&'static str, &'static str)], usize)];

const REQUESTS: [&[(&str, &str)]; 3] = [
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

const RESPONSES: [&[(&str, &str)]; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ],
];

/// Section, the limit of the table, and blocks.
const CONVERSATIONS: [(&str, usize, Blocks); 8] = [
    (
        "C.2.1",
        4096,
        &[(
            "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            &[("custom-key", "custom-header")],
            55,
        )],
    ),
    (
        "C.2.2",
        4096,
        &[(
            "040c 2f73 616d 706c 652f 7061 7468",
            &[(":path", "/sample/path")],
            0,
        )],
    ),
    (
        "C.2.3",
        4096,
        &[(
            "1008 7061 7373 776f 7264 0673 6563 7265 74",
            &[("password", "secret")],
            0,
        )],
    ),
    ("C.2.4", 4096, &[("82", &[(":method", "GET")], 0)]),
    (
        "C.3",
        4096,
        &[
            (
                "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
                REQUESTS[0],
                57,
            ),
            ("8286 84be 5808 6e6f 2d63 6163 6865", REQUESTS[1], 110),
            (
                "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
                REQUESTS[2],
                164,
            ),
        ],
    ),
    (
        "C.4",
        4096,
        &[
            (
                "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
                REQUESTS[0],
                57,
            ),
            ("8286 84be 5886 a8eb 1064 9cbf", REQUESTS[1], 110),
            (
                "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
                REQUESTS[2],
                164,
            ),
        ],
    ),
    (
        "C.5",
        256,
        &[
            (
                "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
                 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
                 6c65 2e63 6f6d",
                RESPONSES[0],
                222,
            ),
            ("4803 3330 37c1 c0bf", RESPONSES[1], 222),
            (
                "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
                 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
                 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
                 3d31",
                RESPONSES[2],
                215,
            ),
        ],
    ),
    (
        "C.6",
        256,
        &[
            (
                "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
                 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
                RESPONSES[0],
                222,
            ),
            ("4883 640e ffc1 c0bf", RESPONSES[1], 222),
            (
                "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab \
                 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f \
                 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
                RESPONSES[2],
                215,
            ),
        ],
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    let (pairs, _) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(|pair| byte(&pair[..])).collect()
}

#[test]
fn the_decoder_reads_the_examples() {
    for (section, limit, blocks) in CONVERSATIONS {
        let mut decoder = Decoder::new(limit);
        for (hex, fields, size) in blocks {
            let decoded = decoder.decode(&bytes(hex)).expect(section);
            let expected: Vec<(Vec<u8>, Vec<u8>)> = fields
                .iter()
                .map(|&(name, value)| (name.into(), value.into()))
                .collect();
            assert_eq!(decoded, expected, "{section}");
            assert_eq!(decoder.table_size(), *size, "{section}");
        }
    }
}

#[test]
fn the_encoder_writes_the_examples() {
    assert_eq!(encoder::integer(0, 5, 10), [0x0a]);
    assert_eq!(encoder::integer(0, 5, 1337), [0x1f, 0x9a, 0x0a]);
    assert_eq!(encoder::integer(0, 8, 42), [0x2a]);

    let added = Literal::Added.field("custom-key", "custom-header");
    assert_eq!(added, bytes(CONVERSATIONS[0].2[0].0));
    let path = [Literal::NotAdded.index(4), encoder::string("/sample/path")].concat();
    assert_eq!(path, bytes(CONVERSATIONS[1].2[0].0));
    let secret = Literal::NeverAdded.field("password", "secret");
    assert_eq!(secret, bytes(CONVERSATIONS[2].2[0].0));
    let coded = [
        [2, 7, 5, 63].map(encoder::indexed).concat(),
        Literal::Added.coded_field("custom-key", "custom-value"),
    ];
    assert_eq!(coded.concat(), bytes(CONVERSATIONS[5].2[2].0));
}

#[test]
fn every_byte_survives_its_code() {
    let text: Vec<u8> = (0..=255).collect();
    let block = [Literal::NotAdded.index(4), encoder::coded_string(&text)].concat();
    let fields = Decoder::new(0).decode(&block).unwrap();
    assert_eq!(fields, [(b":path".to_vec(), text)]);
}

#[test]
fn bad_codes_are_refused() {
    let path = |string: Vec<u8>| [Literal::NotAdded.index(4), string].concat();
    let bad = [
        ("no field of this index", encoder::indexed(62)),
        ("index 0", encoder::indexed(0)),
        ("cut off", encoder::string("/")),
        ("EOS", path(encoder::string_of_code(&[0xff; 4]))),
        (
            "8 bits of padding",
            path(encoder::string_of_code(&[0x07, 0xff])),
        ),
        ("padding of zeros", path(encoder::string_of_code(&[0x00]))),
        ("too large a table", encoder::table_size(4097)),
        (
            "a late size",
            [encoder::indexed(2), encoder::table_size(0)].concat(),
        ),
        ("an endless integer", [0xff; 8].to_vec()),
    ];
    for (what, block) in bad {
        assert!(Decoder::new(4096).decode(&block).is_err(), "{what}");
    }
    let mut decoder = Decoder::new(4096);
    decoder.allow(100);
    assert!(decoder.decode(&encoder::indexed(2)).is_err());
    let shrunk = [encoder::table_size(100), encoder::indexed(2)].concat();
    assert!(decoder.decode(&shrunk).is_ok());
}
