//! The fields of requests: sections 8.2 and 8.3.

use super::{Case, case, open_stream};
use crate::support::http2::frame::code::PROTOCOL_ERROR;
use crate::support::http2::frame::{data, headers};
use crate::support::http2::hpack::encoder;
use crate::support::http2::{Http2, Origin};

pub fn cases() -> Vec<Case> {
    [
        names_and_values(),
        of_connections(),
        cookies(),
        pseudo_fields(),
        requests(),
        targets(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A request with these fields behind the pseudo-fields is malformed (section 8.1.1), and
/// the connection goes on.
#[track_caller]
fn malformed_with(origin: &Origin, fields: &[(&[u8], &[u8])]) {
    let mut client = Http2::open(origin);
    let block = [client.block("GET", "/"), encoder::block(fields)].concat();
    let stream = client.begin(block, true);
    client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
    if !client.is_over() {
        client.expect_service();
    }
}

/// So is a request with exactly these fields.
#[track_caller]
fn malformed(origin: &Origin, fields: &[(&str, &str)]) {
    let mut client = Http2::open(origin);
    let stream = client.begin(encoder::block(fields), true);
    client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
    if !client.is_over() {
        client.expect_service();
    }
}

/// A request with exactly these fields does not reach the app: the server answers it with an
/// error of the client, or resets its stream.
#[track_caller]
fn refused(origin: &Origin, fields: &[(&str, &str)]) {
    let mut client = Http2::open(origin);
    let stream = client.begin(encoder::block(fields), true);
    client.expect_refused(stream, &[PROTOCOL_ERROR]);
    if !client.is_over() {
        client.expect_service();
    }
}

fn names_and_values() -> Vec<Case> {
    vec![
        case("8.2.1 upper case in a name", "http2/8.1.2/1", |origin| {
            malformed_with(origin, &[(b"X-TEST", b"ok")]);
        }),
        case("8.2.1 bytes that no name may have", "", |origin| {
            let names: [&[u8]; 12] = [
                b"", b" x", b"x y", b"x\ty", b"x:y", b"x\r\ny", b"x\0", b"x\x7f", b"x\x80", b"(x)",
                b"x/y", b"xY",
            ];
            for name in names {
                malformed_with(origin, &[(name, b"ok")]);
            }
        }),
        case("8.2.1 bytes that no value may have", "", |origin| {
            for value in [
                &b"a\0b"[..],
                b"a\rb",
                b"a\nb",
                b"a\r\nx-smuggled: yes",
                b"\n",
            ] {
                malformed_with(origin, &[(b"x-test", value)]);
            }
        }),
        case("8.2.1 bytes above 0x7f in a value", "", |origin| {
            let mut client = Http2::open(origin);
            let field = encoder::block(&[("x-test", "gr\u{fc}n")]);
            let stream = client.begin([client.block("GET", "/"), field].concat(), true);
            assert!(client.response(stream).ok().contains("HTTP_X_TEST"));
        }),
        case("8.2.1 a bad name in trailers", "", |origin| {
            for field in [("X-Sum", "9"), ("x sum", "9"), ("connection", "close")] {
                let (mut client, stream) = open_stream(origin);
                client.send(data(stream, b"test"));
                client.send(headers(stream, encoder::block(&[field])).ends());
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            }
        }),
    ]
}

fn of_connections() -> Vec<Case> {
    vec![
        case(
            "8.2.2 a field of the connection",
            "http2/8.1.2.2/1",
            |origin| {
                malformed_with(origin, &[(b"connection", b"keep-alive")]);
            },
        ),
        case("8.2.2 every field of the connection", "", |origin| {
            for (name, value) in [
                ("connection", "close"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "keep-alive"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "websocket"),
            ] {
                malformed_with(origin, &[(name.as_bytes(), value.as_bytes())]);
            }
        }),
        case(
            "8.2.2 TE with more than trailers",
            "http2/8.1.2.2/2",
            |origin| {
                malformed_with(origin, &[(b"te", b"trailers, deflate")]);
            },
        ),
        case("8.2.2 TE of trailers", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.request("GET", "/", &[("te", "trailers")], b"");
            client.response(stream).ok();
        }),
    ]
}

fn cookies() -> Vec<Case> {
    vec![case("8.2.3 cookies are put together again", "", |origin| {
        let mut client = Http2::open(origin);
        let crumbs = [("cookie", "a=b"), ("x-other", "1"), ("cookie", "c=d; e=f")];
        let stream = client.request("GET", "/", &crumbs, b"");
        let page = client.response(stream).ok();
        assert!(
            page.contains("\"HTTP_COOKIE\": \"a=b; c=d; e=f\""),
            "{page}"
        );
    })]
}

fn pseudo_fields() -> Vec<Case> {
    vec![
        case(
            "8.3 a pseudo-field that nobody knows",
            "http2/8.1.2.1/1",
            |origin| {
                malformed_with(origin, &[(b":test", b"ok")]);
            },
        ),
        case(
            "8.3 a pseudo-field of responses",
            "http2/8.1.2.1/2",
            |origin| {
                malformed_with(origin, &[(b":status", b"200")]);
            },
        ),
        case(
            "8.3 a pseudo-field in trailers",
            "http2/8.1.2.1/3",
            |origin| {
                let (mut client, stream) = open_stream(origin);
                client.send(data(stream, b"test"));
                client.send(headers(stream, encoder::block(&[(":method", "POST")])));
                client.expect_stream_error(stream, &[PROTOCOL_ERROR]);
            },
        ),
        case(
            "8.3 a pseudo-field behind others",
            "http2/8.1.2.1/4",
            |origin| {
                malformed(
                    origin,
                    &[
                        (":method", "GET"),
                        (":scheme", "http"),
                        (":authority", "testserver"),
                        ("x-test", "ok"),
                        (":path", "/"),
                    ],
                );
            },
        ),
    ]
}

fn requests() -> Vec<Case> {
    vec![
        case("8.3.1 an empty :path", "http2/8.1.2.3/1", |origin| {
            let fields = Http2::open(origin).head("GET", "");
            malformed(origin, &fields);
        }),
        case("8.3.1 no :method", "http2/8.1.2.3/2", |origin| {
            without(origin, ":method");
        }),
        case("8.3.1 no :scheme", "http2/8.1.2.3/3", |origin| {
            without(origin, ":scheme");
        }),
        case("8.3.1 no :path", "http2/8.1.2.3/4", |origin| {
            without(origin, ":path");
        }),
        case("8.3.1 two of :method", "http2/8.1.2.3/5", |origin| {
            twice(origin, ":method");
        }),
        case("8.3.1 two of :scheme", "http2/8.1.2.3/6", |origin| {
            twice(origin, ":scheme");
        }),
        case("8.3.1 two of :path", "http2/8.1.2.3/7", |origin| {
            twice(origin, ":path");
        }),
        case("8.3.1 two of :authority", "", |origin| {
            twice(origin, ":authority");
        }),
        case("8.3.1 Host instead of :authority", "", |origin| {
            let mut client = Http2::open(origin);
            let mut fields = client.head("GET", "/");
            fields.retain(|(name, _)| *name != ":authority");
            fields.push(("host", "other.test"));
            let stream = client.begin(encoder::block(&fields), true);
            let page = client.response(stream).ok();
            assert!(page.contains("\"HTTP_HOST\": \"other.test\""), "{page}");
        }),
        case("8.3.1 neither Host nor :authority", "", |origin| {
            let mut fields = Http2::open(origin).head("GET", "/");
            fields.retain(|(name, _)| *name != ":authority");
            refused(origin, &fields);
        }),
        case("8.3.1 Host and the same :authority", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.request("GET", "/", &[("host", "testserver")], b"");
            let page = client.response(stream).ok();
            assert!(page.contains("\"HTTP_HOST\": \"testserver\""), "{page}");
        }),
        case("8.3.1 Host and another :authority", "", |origin| {
            let mut fields = Http2::open(origin).head("GET", "/");
            fields.push(("host", "other.test"));
            refused(origin, &fields);
        }),
        case("8.3.1 :authority with a user", "", |origin| {
            let mut fields = Http2::open(origin).head("GET", "/");
            fields.retain(|(name, _)| *name != ":authority");
            fields.push((":authority", "user@testserver"));
            refused(origin, &fields);
        }),
    ]
}

#[track_caller]
fn without(origin: &Origin, name: &str) {
    let mut fields = Http2::open(origin).head("GET", "/");
    fields.retain(|&(other, _)| other != name);
    malformed(origin, &fields);
}

#[track_caller]
fn twice(origin: &Origin, name: &str) {
    let mut fields = Http2::open(origin).head("GET", "/");
    let field = fields.iter().copied().find(|&(other, _)| other == name);
    fields.push(field.unwrap());
    malformed(origin, &fields);
}

fn targets() -> Vec<Case> {
    vec![
        case("8.3.1 paths that are none", "", |origin| {
            for path in ["page", "*", "http://testserver/", "/a b", "/a\tb", "?a=b"] {
                let fields = Http2::open(origin).head("GET", path);
                refused(origin, &fields);
            }
        }),
        case("8.3.1 OPTIONS for the whole server", "", |origin| {
            let mut client = Http2::open(origin);
            let stream = client.request("OPTIONS", "*", &[], b"");
            let page = client.response(stream).ok();
            assert!(page.contains("\"method\": \"OPTIONS\""), "{page}");
        }),
        case("8.3.1 methods that are none", "", |origin| {
            for method in ["", "GE T", "G\u{e4}T", "GET\r\nX: y", "(GET)"] {
                let fields = Http2::open(origin).head(method, "/");
                refused(origin, &fields);
            }
        }),
    ]
}
