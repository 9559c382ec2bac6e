//! HPACK: RFC 7541. Sections in the names are those of that RFC.

use super::{Case, case};
use crate::support::http2::frame::code::{COMPRESSION_ERROR, PROTOCOL_ERROR};
use crate::support::http2::frame::setting;
use crate::support::http2::hpack::encoder::{self, Literal};
use crate::support::http2::{Http2, Origin};

/// The error of a block that cannot be read, and the general code.
const UNREADABLE: &[u32] = &[COMPRESSION_ERROR, PROTOCOL_ERROR];

pub fn cases() -> Vec<Case> {
    [tables(), strings(), sizes(), representations(), integers()]
        .into_iter()
        .flatten()
        .collect()
}

/// A request with these bytes behind the fields of its block. Returns the page, which has
/// the fields that the app has got.
#[track_caller]
fn page(client: &mut Http2, more: &[u8]) -> String {
    let block = [&client.block("GET", "/"), more].concat();
    let stream = client.begin(block, true);
    client.response(stream).ok()
}

/// A request with these bytes behind the fields of its block ends the connection.
#[track_caller]
fn bad(origin: &Origin, more: &[u8]) {
    let mut client = Http2::open(origin);
    let block = [&client.block("GET", "/"), more].concat();
    client.begin(block, true);
    client.expect_connection_error(UNREADABLE);
}

/// The app gets this field from these bytes.
#[track_caller]
fn gives(origin: &Origin, bytes: &[u8], name: &str, value: &str) {
    let mut client = Http2::open(origin);
    let page = page(&mut client, bytes);
    assert!(page.contains(&format!("\"{name}\": \"{value}\"")), "{page}");
}

fn tables() -> Vec<Case> {
    vec![
        case(
            "HPACK 2.3.3 an index behind the tables",
            "hpack/2.3.3/1",
            |origin| {
                bad(origin, &encoder::indexed(70));
            },
        ),
        case(
            "HPACK 2.3.3 a name behind the tables",
            "hpack/2.3.3/2",
            |origin| {
                let field = [Literal::Added.index(70), encoder::string("test")].concat();
                bad(origin, &field);
            },
        ),
        case(
            "HPACK 2.3.2 fields are remembered",
            "generic/5/1",
            |origin| {
                let mut client = Http2::open(origin);
                page(&mut client, &Literal::Added.field("x-first", "one"));
                page(&mut client, &Literal::Added.field("x-second", "two"));
                let both = [encoder::indexed(62), encoder::indexed(63)].concat();
                let page = page(&mut client, &both);
                assert!(page.contains("\"HTTP_X_FIRST\": \"one\""), "{page}");
                assert!(page.contains("\"HTTP_X_SECOND\": \"two\""), "{page}");
            },
        ),
        case(
            "HPACK 2.3.2 fields that are not added are not remembered",
            "",
            |origin| {
                for literal in [Literal::NotAdded, Literal::NeverAdded] {
                    let mut client = Http2::open(origin);
                    page(&mut client, &literal.field("x-first", "one"));
                    let block = [client.block("GET", "/"), encoder::indexed(62)].concat();
                    client.begin(block, true);
                    client.expect_connection_error(UNREADABLE);
                }
            },
        ),
        case("HPACK 4.4 old fields make room", "", |origin| {
            let mut client = Http2::open(origin);
            page(&mut client, &Literal::Added.field("x-old", "old"));
            // 3,034 bytes of the table's 4,096, then 1,035 more.
            page(
                &mut client,
                &Literal::Added.field("x-large", "l".repeat(2995)),
            );
            let page = page(&mut client, &encoder::indexed(63));
            assert!(page.contains("\"HTTP_X_OLD\": \"old\""), "{page}");
            let more = Literal::Added.field("x-more", "m".repeat(1000));
            let block = [client.block("GET", "/"), more, encoder::indexed(64)].concat();
            client.begin(block, true);
            client.expect_connection_error(UNREADABLE);
        }),
        case(
            "HPACK 4.4 a field that is larger than the table",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                page(&mut client, &Literal::Added.field("x-old", "old"));
                page(
                    &mut client,
                    &Literal::Added.field("x-large", "l".repeat(4096)),
                );
                let block = [client.block("GET", "/"), encoder::indexed(62)].concat();
                client.begin(block, true);
                client.expect_connection_error(UNREADABLE);
            },
        ),
        case(
            "HPACK 4.4 a new field takes the name of one that it drives out",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                page(
                    &mut client,
                    &Literal::Added.field("x-name", "n".repeat(3000)),
                );
                let value = encoder::string("v".repeat(3000));
                let field = [Literal::Added.index(62), value].concat();
                assert!(page(&mut client, &field).contains("\"HTTP_X_NAME\": \"vvv"));
                assert!(
                    page(&mut client, &encoder::indexed(62)).contains("\"HTTP_X_NAME\": \"vvv")
                );
            },
        ),
        case("HPACK 2.2 streams share the table", "", |origin| {
            let mut client = Http2::open(origin);
            let first = [client.block("POST", "/"), Literal::Added.field("x-a", "b")].concat();
            client.begin(first, false);
            assert!(page(&mut client, &encoder::indexed(62)).contains("\"HTTP_X_A\": \"b\""));
        }),
    ]
}

fn strings() -> Vec<Case> {
    vec![
        case(
            "HPACK 5.2 more than 7 bits of padding",
            "hpack/5.2/1",
            |origin| {
                // "8" is 011100; 10 bits of padding.
                let name = Literal::NotAdded.field("x-test", "")[..8].to_vec();
                bad(
                    origin,
                    &[name, encoder::string_of_code(&[0x73, 0xff])].concat(),
                );
            },
        ),
        case("HPACK 5.2 padding of zeros", "hpack/5.2/2", |origin| {
            let name = Literal::NotAdded.field("x-test", "")[..8].to_vec();
            bad(origin, &[name, encoder::string_of_code(&[0x70])].concat());
        }),
        case("HPACK 5.2 EOS in a string", "hpack/5.2/3", |origin| {
            let name = Literal::NotAdded.field("x-test", "")[..8].to_vec();
            bad(
                origin,
                &[
                    name,
                    encoder::string_of_code(&[0x73, 0xff, 0xff, 0xff, 0xff]),
                ]
                .concat(),
            );
        }),
        case(
            "HPACK 5.2 a string that is longer than its block",
            "",
            |origin| {
                bad(origin, b"\x00\x06x-test\x7f\x80\x01short");
            },
        ),
        case(
            "HPACK 5.2 every byte that a value may have, in Huffman code",
            "",
            |origin| {
                let visible: String = ('!'..='~').filter(|char| !"\"\\".contains(*char)).collect();
                let field = Literal::NotAdded.coded_field("x-test", &visible);
                gives(origin, &field, "HTTP_X_TEST", &visible);
            },
        ),
    ]
}

fn sizes() -> Vec<Case> {
    vec![
        case(
            "HPACK 4.2 a new size at the end of a block",
            "hpack/4.2/1",
            |origin| {
                bad(origin, &encoder::table_size(1));
            },
        ),
        case(
            "HPACK 6.3 a size above the setting",
            "hpack/6.3/1",
            |origin| {
                let mut client = Http2::open(origin);
                let size = client.setting(setting::HEADER_TABLE_SIZE).unwrap_or(4096) as usize;
                let block = [encoder::table_size(size + 1), client.block("GET", "/")].concat();
                client.begin(block, true);
                client.expect_connection_error(UNREADABLE);
            },
        ),
        case("HPACK 6.3 a new size", "generic/5/14", |origin| {
            let mut client = Http2::open(origin);
            for size in [0, 128, 4096] {
                let block = [encoder::table_size(size), client.block("GET", "/")].concat();
                let stream = client.begin(block, true);
                client.response(stream).ok();
            }
        }),
        case("HPACK 6.3 two new sizes", "generic/5/15", |origin| {
            let mut client = Http2::open(origin);
            let sizes = [encoder::table_size(0), encoder::table_size(4096)].concat();
            let block = [sizes, client.block("GET", "/")].concat();
            let stream = client.begin(block, true);
            client.response(stream).ok();
        }),
        case(
            "HPACK 4.3 a size of 0 makes the table empty",
            "",
            |origin| {
                let mut client = Http2::open(origin);
                page(&mut client, &Literal::Added.field("x-old", "old"));
                let sizes = [encoder::table_size(0), encoder::table_size(4096)].concat();
                let block = [sizes, client.block("GET", "/"), encoder::indexed(62)].concat();
                client.begin(block, true);
                client.expect_connection_error(UNREADABLE);
            },
        ),
    ]
}

fn representations() -> Vec<Case> {
    vec![
        case("HPACK 6.1 index 0", "hpack/6.1/1", |origin| {
            bad(origin, &encoder::indexed(0));
        }),
        case("HPACK 6.1 the fields of the static table", "", |origin| {
            let accepted = encoder::indexed(16);
            gives(origin, &accepted, "HTTP_ACCEPT_ENCODING", "gzip, deflate");
            let mut client = Http2::open(origin);
            let scheme = if client.head("GET", "/")[1].1 == "http" {
                6
            } else {
                7
            };
            let pseudo = [2, scheme, 5].map(encoder::indexed).concat();
            let authority = [Literal::NotAdded.index(1), encoder::string("a")].concat();
            let stream = client.begin([pseudo, authority].concat(), true);
            assert!(client.response(stream).ok().contains("\"/index.html\""));
        }),
        case("HPACK 6.2.1 added, known name", "generic/5/2", |origin| {
            let field = [Literal::Added.index(58), encoder::string("plain")].concat();
            gives(origin, &field, "HTTP_USER_AGENT", "plain");
        }),
        case(
            "HPACK 6.2.1 added, known name, Huffman",
            "generic/5/3",
            |origin| {
                let field = [Literal::Added.index(58), encoder::coded_string("coded")].concat();
                gives(origin, &field, "HTTP_USER_AGENT", "coded");
            },
        ),
        case("HPACK 6.2.1 added, new name", "generic/5/4", |origin| {
            let field = Literal::Added.field("x-test", "plain");
            gives(origin, &field, "HTTP_X_TEST", "plain");
        }),
        case(
            "HPACK 6.2.1 added, new name, Huffman",
            "generic/5/5",
            |origin| {
                let field = Literal::Added.coded_field("x-test", "coded");
                gives(origin, &field, "HTTP_X_TEST", "coded");
            },
        ),
        case(
            "HPACK 6.2.2 not added, known name",
            "generic/5/6",
            |origin| {
                let field = [Literal::NotAdded.index(58), encoder::string("plain")].concat();
                gives(origin, &field, "HTTP_USER_AGENT", "plain");
            },
        ),
        case(
            "HPACK 6.2.2 not added, known name, Huffman",
            "generic/5/7",
            |origin| {
                let field = [Literal::NotAdded.index(58), encoder::coded_string("coded")].concat();
                gives(origin, &field, "HTTP_USER_AGENT", "coded");
            },
        ),
        case("HPACK 6.2.2 not added, new name", "generic/5/8", |origin| {
            let field = Literal::NotAdded.field("x-test", "plain");
            gives(origin, &field, "HTTP_X_TEST", "plain");
        }),
        case(
            "HPACK 6.2.2 not added, new name, Huffman",
            "generic/5/9",
            |origin| {
                let field = Literal::NotAdded.coded_field("x-test", "coded");
                gives(origin, &field, "HTTP_X_TEST", "coded");
            },
        ),
        case(
            "HPACK 6.2.3 never added, known name",
            "generic/5/10",
            |origin| {
                let field = [Literal::NeverAdded.index(58), encoder::string("plain")].concat();
                gives(origin, &field, "HTTP_USER_AGENT", "plain");
            },
        ),
        case(
            "HPACK 6.2.3 never added, known name, Huffman",
            "generic/5/11",
            |origin| {
                let field = [
                    Literal::NeverAdded.index(58),
                    encoder::coded_string("coded"),
                ]
                .concat();
                gives(origin, &field, "HTTP_USER_AGENT", "coded");
            },
        ),
        case(
            "HPACK 6.2.3 never added, new name",
            "generic/5/12",
            |origin| {
                let field = Literal::NeverAdded.field("x-test", "plain");
                gives(origin, &field, "HTTP_X_TEST", "plain");
            },
        ),
        case(
            "HPACK 6.2.3 never added, new name, Huffman",
            "generic/5/13",
            |origin| {
                let field = Literal::NeverAdded.coded_field("x-test", "coded");
                gives(origin, &field, "HTTP_X_TEST", "coded");
            },
        ),
        case("HPACK 6.2 a name of the dynamic table", "", |origin| {
            for literal in Literal::ALL {
                let mut client = Http2::open(origin);
                page(&mut client, &Literal::Added.field("x-test", "first"));
                let field = [literal.index(62), encoder::string("second")].concat();
                assert!(page(&mut client, &field).contains("\"HTTP_X_TEST\": \"second\""));
            }
        }),
    ]
}

fn integers() -> Vec<Case> {
    vec![
        case("HPACK 5.1 an integer that is too large", "", |origin| {
            bad(origin, &[0xff; 12]);
        }),
        case("HPACK 5.1 an integer that is cut off", "", |origin| {
            bad(origin, &[0x7f, 0x80]);
        }),
        case("HPACK 5.1 an integer with zeros at its end", "", |origin| {
            // 58 in 6 bits, and its string's length 5, as 0x7f would need more bytes.
            let field = [&[0x7a, 0x7f][..], &[0x80, 0x00], &[b'a'; 127]].concat();
            gives(origin, &field, "HTTP_USER_AGENT", &"a".repeat(127));
        }),
    ]
}
