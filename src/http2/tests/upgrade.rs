use super::*;
use crate::http::{HeadParser, Limits, Policy};
use crate::http2::{Advance, Session, SessionOptions};

/// SETTINGS_MAX_CONCURRENT_STREAMS = 100, and how `HTTP2-Settings` has it.
const SETTING_100: [u8; 6] = [0, 3, 0, 0, 0, 100];
const ENCODED_100: &str = "AAMAAABk";

const ASKS: &str =
    "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";

fn head(text: &str) -> Head {
    let mut head = Head::default();
    let parsed = HeadParser::default().advance(text.as_bytes(), &Policy::default(), &mut head);
    assert_eq!(parsed, Ok(Some(text.len())));
    head
}

/// A request with these lines.
fn with(lines: &str) -> Head {
    head(&format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n"))
}

fn settings_frame(flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = FrameHead {
        length: payload.len(),
        kind: kind::SETTINGS,
        flags,
        stream,
    };
    let mut bytes = Vec::new();
    head.write(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

/// Reads a frame from the front.
fn next_frame<'a>(bytes: &mut &'a [u8]) -> (FrameHead, &'a [u8]) {
    let (head, rest) = bytes.split_first_chunk().unwrap();
    let head = FrameHead::parse(head);
    let (payload, rest) = rest.split_at(head.length);
    *bytes = rest;
    (head, payload)
}

/// Reads fields in the form that they are written in.
fn fields_of(mut block: &[u8]) -> Vec<(String, String)> {
    fn string(block: &mut &[u8]) -> String {
        let mut take = |length: usize| {
            let (taken, rest) = block.split_at(length);
            *block = rest;
            taken
        };
        let mut length = usize::from(take(1)[0]);
        let mut shift = 0;
        while length >= 0x7f {
            let more = take(1)[0];
            length += usize::from(more & 0x7f) << shift;
            shift += 7;
            if more & 0x80 == 0 {
                break;
            }
        }
        String::from_utf8(take(length).to_vec()).unwrap()
    }
    let mut fields = Vec::new();
    while let Some((&0, rest)) = block.split_first() {
        block = rest;
        fields.push((string(&mut block), string(&mut block)));
    }
    assert!(block.is_empty());
    fields
}

/// What the session gets for a client that sends this after its request.
fn upgraded(head: &Head, sent: &[u8]) -> Vec<u8> {
    let settings = asked(head).unwrap();
    let mut whole = Upgrade::new(settings, head).unwrap();
    let expected = whole.push(sent).unwrap().unwrap();
    for size in 1..sent.len().min(60) {
        let mut upgrade = Upgrade::new(settings, head).unwrap();
        let pieces = sent.chunks(size).map(|piece| upgrade.push(piece).unwrap());
        let bytes: Vec<u8> = pieces.flatten().flatten().collect();
        assert_eq!(bytes, expected, "pieces of {size} bytes");
    }
    expected
}

#[test]
fn the_session_gets_the_request_as_frames() {
    let request = format!(
        "GET http://other/a%20b?c=d HTTP/1.1\r\nHost: a:80\r\n{ASKS}Connection: X-Hop\r\n\
         X-Hop: 1\r\nX-Kept: Aa\r\nTE: trailers\r\nCookie: e=f\r\nCookie: g=h\r\n\
         Keep-Alive: 5\r\n\r\n"
    );
    let own = [0, 4, 0, 1, 0, 0];
    let after = b"what follows";
    let sent = [PREFACE, &settings_frame(0, 0, &own), after].concat();
    let bytes = upgraded(&head(&request), &sent);
    let mut bytes = bytes.strip_prefix(PREFACE).unwrap();

    let (settings, payload) = next_frame(&mut bytes);
    assert_eq!((settings.kind, settings.flags, settings.stream), (4, 0, 0));
    assert_eq!(payload, [SETTING_100, own].concat());

    let (headers, block) = next_frame(&mut bytes);
    let flags = flag::END_STREAM | flag::END_HEADERS;
    assert_eq!((headers.kind, headers.flags, headers.stream), (1, flags, 1));
    let fields = fields_of(block);
    let fields: Vec<_> = fields.iter().map(|(n, v)| (&**n, &**v)).collect();
    let expected = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "other"),
        (":path", "/a%20b?c=d"),
        ("x-kept", "Aa"),
        ("te", "trailers"),
        ("cookie", "e=f; g=h"),
    ];
    assert_eq!(fields, expected);
    assert_eq!(bytes, after);
}

#[test]
fn the_session_understands_what_it_gets() {
    let lines = format!("{ASKS}X: {}\r\n", "y".repeat(20_000));
    let policy = Policy {
        limits: Limits::new(0, 0, 30_000, 0),
        ..Policy::default()
    };
    let text = format!("HEAD /a?b HTTP/1.1\r\nHost: c\r\n{lines}\r\n");
    let mut head = Head::default();
    let parsed = HeadParser::default().advance(text.as_bytes(), &policy, &mut head);
    assert_eq!(parsed, Ok(Some(text.len())));
    let mut session = Session::new(&SessionOptions {
        max_streams: 100,
        window: 65_535,
        frame_size: 16_384,
        field_bytes: 65_536,
        websockets: false,
        max_resets: 0,
    });
    session.receive(&upgraded(
        &head,
        &[PREFACE, &settings_frame(0, 0, &[])].concat(),
    ));
    let Advance::Request(request) = session.advance() else {
        panic!("the request is there");
    };
    assert_eq!((request.carrier.id(), request.ends), (1, true));
    assert_eq!(request.head.method, "HEAD");
    assert_eq!(request.head.uri, "http://c/a?b");
    let fields: Vec<_> = request.head.headers.iter().collect();
    assert_eq!(fields.len(), 1);
    assert_eq!((fields[0].0.as_str(), fields[0].1.len()), ("x", 20_000));
    assert!(matches!(session.advance(), Advance::Waiting));
    // The server's settings, and one acknowledgement.
    let output = session.take_output();
    let mut output = &output[..];
    let mut acknowledged = 0;
    while !output.is_empty() {
        let (head, _) = next_frame(&mut output);
        let is_settings = head.kind == kind::SETTINGS;
        acknowledged += usize::from(is_settings && head.has(flag::ACK));
    }
    assert_eq!(acknowledged, 1);
}

#[test]
fn a_long_head_takes_several_frames() {
    let long = |name: &str| format!("{name}: {}\r\n", "y".repeat(8_000));
    let lines = [ASKS.to_owned(), long("A"), long("B"), long("C"), long("D")];
    let sent = [PREFACE, &settings_frame(0, 0, &[])].concat();
    let bytes = upgraded(&with(&lines.concat()), &sent);
    let mut bytes = bytes.strip_prefix(PREFACE).unwrap();
    assert_eq!(next_frame(&mut bytes).1, SETTING_100);
    let (first, mut block) = next_frame(&mut bytes);
    assert_eq!((first.kind, first.flags), (kind::HEADERS, flag::END_STREAM));
    assert_eq!(first.length, SAFE_LENGTH);
    let (last, rest) = next_frame(&mut bytes);
    assert_eq!(
        (last.kind, last.flags, last.stream),
        (kind::CONTINUATION, flag::END_HEADERS, 1)
    );
    let joined = [block, rest].concat();
    block = &joined;
    let fields = fields_of(block);
    let lengths: Vec<_> = fields[4..].iter().map(|(_, value)| value.len()).collect();
    assert_eq!(lengths, [8_000; 4]);
    assert!(bytes.is_empty());
}

#[test]
fn targets_are_paths() {
    for (request, path) in [
        ("GET /a? HTTP/1.1", "/a"),
        ("GET http://b HTTP/1.1", "/"),
        ("GET http://b?c HTTP/1.1", "/?c"),
        ("OPTIONS * HTTP/1.1", "*"),
    ] {
        let head = head(&format!("{request}\r\nHost: a\r\n\r\n"));
        let fields = fields_of(&block_of(&head));
        assert_eq!(fields[3], (":path".to_owned(), path.to_owned()));
    }
    // Without a host, there is no `:authority`, and the request is refused later.
    let fields = fields_of(&block_of(&head("GET / HTTP/1.1\r\nHost:\r\n\r\n")));
    assert!(fields.iter().all(|(name, _)| name != ":authority"));
}

#[test]
fn only_some_requests_ask() {
    assert_eq!(asked(&with(ASKS)), Some(ENCODED_100.as_bytes()));
    let apart = "Connection: upgrade\r\nUpgrade: other, H2C\r\nHTTP2-Settings:\r\n\
                 Connection: x,http2-settings\r\n";
    assert_eq!(asked(&with(apart)), Some(&b""[..]));
    for lines in [
        "".to_owned(),
        ASKS.replace("h2c", "h2"),
        ASKS.replace("Upgrade, ", ""),
        ASKS.replace(", HTTP2-Settings", ""),
        format!("{ASKS}HTTP2-Settings: AAMAAABk\r\n"),
        format!("{ASKS}Content-Length: 1\r\n"),
        format!("{ASKS}Transfer-Encoding: chunked\r\n"),
    ] {
        assert_eq!(asked(&with(&lines)), None, "{lines}");
    }
    let old = format!("GET / HTTP/1.0\r\nHost: a\r\n{ASKS}\r\n");
    assert_eq!(asked(&head(&old)), None);
}

#[test]
fn invalid_settings_are_refused() {
    let head = with(ASKS);
    assert!(Upgrade::new(b"", &head).is_ok());
    for bad in ["AAM", "AAMAAABkAA", "AAMAAAB*", "AAMAAABk=", "AAMA\r\n"] {
        let error = Upgrade::new(bad.as_bytes(), &head).unwrap_err();
        assert_eq!(error, UpgradeError::Settings, "{bad}");
    }
    let long = ENCODED_100.repeat(SAFE_LENGTH);
    assert!(Upgrade::new(long.as_bytes(), &head).is_err());
}

#[test]
fn a_client_must_begin_as_every_client_of_http_2() {
    let head = with(ASKS);
    let push = |bytes: &[u8]| Upgrade::new(b"", &head).unwrap().push(bytes);
    for bad in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r",
    ] {
        assert_eq!(push(bad), Err(UpgradeError::Preface));
    }
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0];
    for bad in [
        &settings_frame(flag::ACK, 0, &[])[..],
        &settings_frame(0, 1, &[]),
        &settings_frame(0, 0, &[0; 5]),
        &settings_frame(0, 0, &vec![0; SAFE_LENGTH]),
        &ping,
    ] {
        let sent = [PREFACE, bad].concat();
        assert_eq!(push(&sent), Err(UpgradeError::FirstFrame), "{bad:?}");
    }
    let settings = settings_frame(0, 0, &SETTING_100);
    let sent = [PREFACE, &settings].concat();
    for length in 0..sent.len() {
        assert_eq!(push(&sent[..length]), Ok(None));
    }
    assert!(matches!(push(&sent), Ok(Some(_))));
}
