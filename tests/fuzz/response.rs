//! Responses: another parser reads from our bytes exactly what the app meant, whatever
//! the app gives.
//!
//! The bytes are the app: a line with the status, a line for each field, an empty line,
//! and the body, cut into the blocks that the app gives.

use crate::http::{Head, HeadParser, Interim, Policy, ResponseHead, ResponseRules};
use crate::pieces::Choices;

pub fn check(input: &[u8]) {
    let Some((choices, bytes)) = Choices::split(input) else {
        return;
    };
    let mut lines = bytes.split(|&b| b == b'\n');
    let status = lines.next().unwrap_or_default();
    let Ok(mut head) = ResponseHead::new(status) else {
        return;
    };
    let mut size = status.len() + 1;
    let mut fields = Vec::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        size += line.len() + 1;
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        if head.add(name, value).is_ok() {
            fields.push((name, value));
        }
    }
    let given = bytes.get(size + 1..).unwrap_or_default();
    if choices.has(0) {
        head.set_known_length(given.len() as u64);
    }
    let request = request(choices);
    let rules = ResponseRules::of(&request);
    let mut out = Vec::new();
    let mut body = head.begin(rules, "test", "today", &mut out);
    for block in choices.pieces(given) {
        let frame = body.frame(block.len());
        if frame.length > 0 {
            out.extend_from_slice(frame.prefix.as_bytes());
            out.extend_from_slice(&block[..frame.length]);
            out.extend_from_slice(frame.suffix);
        }
    }
    out.extend_from_slice(body.end());
    read_back(&head, rules, &fields, given, &out, body.keeps_alive());
    hints(&fields);
}

/// The request for this response.
fn request(choices: Choices) -> Head {
    let method = if choices.has(1) { "HEAD" } else { "GET" };
    let text = match (choices.has(2), choices.has(3)) {
        (false, false) => format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (false, true) => format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        (true, false) => format!("{method} / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        (true, true) => format!("{method} / HTTP/1.0\r\n\r\n"),
    };
    let mut head = Head::default();
    let size = HeadParser::default().advance(text.as_bytes(), &Policy::default(), &mut head);
    assert_eq!(size, Ok(Some(text.len())));
    head
}

fn read_back(
    head: &ResponseHead,
    rules: ResponseRules,
    given_fields: &[(&[u8], &[u8])],
    given: &[u8],
    out: &[u8],
    keeps_alive: bool,
) {
    let mut fields = vec![httparse::EMPTY_HEADER; given_fields.len() + 8];
    let mut read = httparse::Response::new(&mut fields);
    let status = read.parse(out).expect("httparse reads it");
    let httparse::Status::Complete(size) = status else {
        panic!("the head has no end");
    };
    assert_eq!(read.code, Some(head.code()));
    let values = |name: &str| -> Vec<&[u8]> {
        read.headers
            .iter()
            .filter(|field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
            .collect()
    };
    assert_eq!(values("server"), [b"test"]);
    assert_eq!(values("date"), [b"today"]);
    let [connection] = *values("connection") else {
        panic!("one Connection field is sent");
    };
    let ours = [
        "server",
        "date",
        "connection",
        "transfer-encoding",
        "content-length",
    ];
    for field in read.headers.iter() {
        let is_given = given_fields.iter().any(|(name, value)| {
            field.name.as_bytes() == *name && field.value == value.trim_ascii()
        });
        let is_ours = ours
            .iter()
            .any(|name| field.name.eq_ignore_ascii_case(name));
        assert!(is_given || is_ours, "{} was not given", field.name);
    }
    let after = &out[size..];
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    let forbids_body = head.code() < 200 || matches!(head.code(), 204 | 304);
    if rules.is_head || forbids_body {
        assert!(after.is_empty() && codings.is_empty());
        assert!(head.code() == 304 || !forbids_body || lengths.is_empty());
    } else if let [coding] = *codings {
        assert_eq!((coding, lengths.len()), (&b"chunked"[..], 0));
        assert_eq!(dechunked(after), given);
    } else if let [length] = *lengths {
        let length: u64 = std::str::from_utf8(length).unwrap().parse().unwrap();
        let sent = given
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        assert_eq!(after, &given[..sent], "no more than was stated");
        assert!(!keeps_alive || sent as u64 == length, "the rest is owed");
    } else {
        assert_eq!(after, given);
        assert!(!keeps_alive && connection.starts_with(b"close"));
    }
    assert!(!keeps_alive || connection == b"keep-alive");
    assert!(!keeps_alive || rules.keep_alive);
}

fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(bytes)
        else {
            panic!("no chunk begins here");
        };
        let end = start + size as usize;
        body.extend_from_slice(&bytes[start..end]);
        bytes = bytes[end..].strip_prefix(b"\r\n").expect("the chunk ends");
        if size == 0 {
            assert!(bytes.is_empty(), "nothing after the last chunk");
            return body;
        }
    }
}

/// The same fields in a 103 response.
fn hints(fields: &[(&[u8], &[u8])]) {
    let Ok(hints) = Interim::early_hints(fields.iter().copied()) else {
        return;
    };
    let mut room = vec![httparse::EMPTY_HEADER; fields.len()];
    let mut read = httparse::Response::new(&mut room);
    let bytes = hints.text();
    let status = read.parse(&bytes).expect("httparse reads it");
    assert_eq!(status, httparse::Status::Complete(bytes.len()));
    assert_eq!((read.code, read.headers.len()), (Some(103), fields.len()));
}
