use super::*;

const GET: ResponseRules = ResponseRules {
    version: Version::Http11,
    is_head: false,
    keep_alive: true,
    asks_to_upgrade: false,
};

/// The bytes of a response with these fields and blocks, and whether the
/// connection is kept.
fn respond(
    rules: ResponseRules,
    status: &str,
    fields: &[(&str, &str)],
    blocks: &[&str],
) -> (String, bool) {
    let mut head = ResponseHead::new(status.as_bytes()).unwrap();
    for (name, value) in fields {
        head.add(name.as_bytes(), value.as_bytes()).unwrap();
    }
    let mut out = Vec::new();
    let mut body = head.begin(rules, "test", "today", &mut out);
    for block in blocks {
        let frame = body.frame(block.len());
        if frame.length > 0 {
            out.extend_from_slice(frame.prefix.as_bytes());
            out.extend_from_slice(&block.as_bytes()[..frame.length]);
            out.extend_from_slice(frame.suffix);
        }
    }
    out.extend_from_slice(body.end());
    (String::from_utf8(out).unwrap(), body.keeps_alive())
}

#[test]
fn chunked_where_no_length_is_known() {
    let (text, kept) = respond(
        GET,
        "200 OK",
        &[("X-A", "b")],
        &["hello", "", &"x".repeat(26)],
    );
    assert_eq!(
        text,
        format!(
            "HTTP/1.1 200 OK\r\nServer: test\r\nDate: today\r\nConnection: keep-alive\r\n\
             Transfer-Encoding: chunked\r\nX-A: b\r\n\r\n\
             5\r\nhello\r\n1a\r\n{}\r\n0\r\n\r\n",
            "x".repeat(26)
        )
    );
    assert!(kept);
}

#[test]
fn http_1_0_ends_with_the_connection() {
    let rules = ResponseRules {
        version: Version::Http10,
        ..GET
    };
    let (text, kept) = respond(rules, "200 OK", &[], &["a"]);
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && text.contains("Connection: close"));
    assert!(text.ends_with("\r\n\r\na") && !kept);
}

#[test]
fn a_length_is_kept_to() {
    let length = [("content-length", "3")];
    let (text, kept) = respond(GET, "200 OK", &length, &["ab", "cd", "e"]);
    assert!(text.ends_with("Content-Length: 3\r\n\r\nabc") && kept);
    assert!(!text.contains("chunked"));
    assert!(
        !respond(GET, "200 OK", &length, &["ab"]).1,
        "a short body closes"
    );
}

#[test]
fn no_body_where_none_may_be() {
    let head = ResponseRules {
        is_head: true,
        ..GET
    };
    let (text, kept) = respond(head, "200 OK", &[("Content-Length", "3")], &["abc"]);
    assert!(text.ends_with("Content-Length: 3\r\n\r\n") && kept);
    let (text, _) = respond(head, "200 OK", &[], &["abc"]);
    assert!(
        !text.contains("chunked")
            && text.ends_with("close\r\n\r\n") | text.ends_with("keep-alive\r\n\r\n")
    );
    for (status, length_stays) in [("204 No Content", false), ("304 Not Modified", true)] {
        let (text, kept) = respond(GET, status, &[("Content-Length", "3")], &["abc"]);
        assert!(text.ends_with("\r\n\r\n") && kept);
        assert_eq!(text.contains("Content-Length"), length_stays);
        assert!(!text.contains("chunked"));
    }
}

#[test]
fn fields_that_are_not_the_apps() {
    let fields = [
        ("Server", "mine"),
        ("DATE", "x"),
        ("Transfer-Encoding", "gzip"),
        ("Keep-Alive", "x"),
        ("Connection", "close"),
        ("Upgrade", "h2c"),
    ];
    let (text, _) = respond(GET, "200 OK", &fields, &[]);
    assert_eq!(text.matches("\r\n").count(), 8, "{text}");
    let upgrade = [("Connection", "Upgrade"), ("Upgrade", "websocket")];
    let (text, kept) = respond(GET, "426 Upgrade Required", &upgrade, &[]);
    assert!(text.contains("Connection: close, upgrade\r\n"), "{text}");
    assert!(text.contains("Upgrade: websocket\r\n") && !kept, "{text}");
}

#[test]
fn only_the_server_ends_http_on_a_connection() {
    for code in [100, 101, 103, 199] {
        let interim = Err(ResponseError::Interim(code));
        let status = format!("{code} x");
        assert_eq!(ResponseHead::new(status.as_bytes()).map(drop), interim);
        assert_eq!(ResponseHead::with_code(code).map(drop), interim);
    }
    let head = ResponseHead::switching_to("websocket").unwrap();
    let mut out = Vec::new();
    head.begin(GET, "", "today", &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\nDate: today\r\nConnection: upgrade\r\n\
         Upgrade: websocket\r\n\r\n"
    );
}

#[test]
fn what_an_app_may_not_send() {
    for status in ["", "20", "OK", "200OK", "2000 OK", "200 O\r\nK", "020 x"] {
        assert!(ResponseHead::new(status.as_bytes()).is_err(), "{status:?}");
    }
    assert_eq!(
        respond(GET, "299", &[], &[]).0.lines().next(),
        Some("HTTP/1.1 299 ")
    );
    let mut head = ResponseHead::new(b"200 OK").unwrap();
    for (name, value) in [
        ("A B", "c"),
        ("", "c"),
        ("A:", "c"),
        ("A", "b\r\nC: d"),
        ("A", "b\0"),
        ("Content-Length", "-1"),
        ("Content-Length", "1a"),
    ] {
        assert!(
            head.add(name.as_bytes(), value.as_bytes()).is_err(),
            "{name}: {value:?}"
        );
    }
    head.add(b"Content-Length", b"1").unwrap();
    assert!(head.add(b"Content-Length", b"2").is_err());
}

#[test]
fn lengths_are_written_as_they_are() {
    for length in [0, 9, 10, 99, 12_345, u64::MAX] {
        let mut head = ResponseHead::new(b"200 OK").unwrap();
        head.set_known_length(length);
        let mut out = Vec::new();
        head.begin(GET, "test", "today", &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with(&format!("\r\nContent-Length: {length}\r\n\r\n")));
    }
}

#[test]
fn the_server_may_keep_its_name_to_itself() {
    let head = ResponseHead::new(b"200 OK").unwrap();
    let mut out = Vec::new();
    head.begin(GET, "", "today", &mut out);
    assert!(out.starts_with(b"HTTP/1.1 200 OK\r\nDate: today\r\n"));
}
