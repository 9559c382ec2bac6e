use super::*;
use crate::http::{Framing, Limits, Scheme, SecureSchemeFields, Underscores};

fn policy() -> Policy {
    Policy::default()
}

/// Parses the bytes at once, byte by byte, and split in two at every position,
/// and checks that the results agree. All use one parser and one head.
fn parse_split(bytes: &[u8], policy: &Policy) -> Result<Option<(Head, usize)>, Error> {
    let mut parser = HeadParser::default();
    let mut head = Head::default();
    let mut feed = |ends: &[usize]| {
        let result = ends
            .iter()
            .map(|&end| parser.advance(&bytes[..end], policy, &mut head))
            .find(|result| !matches!(result, Ok(None)))
            .unwrap_or(Ok(None));
        if result == Ok(None) {
            parser = HeadParser::default();
        }
        result.map(|length| length.map(|length| (head.clone(), length)))
    };
    let whole = feed(&[bytes.len()]);
    let expected = format!("{whole:?}");
    // All of them would take Miri an hour.
    for cut in (0..bytes.len()).step_by(if cfg!(miri) { 47 } else { 1 }) {
        let result = feed(&[cut, bytes.len()]);
        assert_eq!(format!("{result:?}"), expected, "cut at {cut}");
    }
    let single: Vec<_> = (0..=bytes.len()).collect();
    assert_eq!(format!("{:?}", feed(&single)), expected);
    whole
}

fn head(text: &str) -> Head {
    let (head, length) = parse_split(text.as_bytes(), &policy()).unwrap().unwrap();
    assert_eq!(length, text.len());
    head
}

fn error(text: &str) -> Error {
    parse_split(text.as_bytes(), &policy()).unwrap_err()
}

/// A request with these header lines after a correct Host.
fn with(fields: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn an_ordinary_request() {
    let head =
        head("GET /a%20b?c=d HTTP/1.1\r\nHost: example.org:80\r\nX-Two:  a b\t\r\nEmpty:\r\n\r\n");
    assert_eq!(head.method(), b"GET");
    assert_eq!(head.target(), b"/a%20b?c=d");
    assert_eq!(head.path(), b"/a%20b");
    assert_eq!(head.query(), b"c=d");
    assert_eq!(head.version(), Version::Http11);
    assert_eq!(head.framing(), Framing::Length(0));
    assert!(head.keep_alive() && !head.expects_continue());
    let fields: Vec<_> = head.fields().collect();
    assert_eq!(
        fields,
        [
            (&b"Host"[..], &b"example.org:80"[..]),
            (b"X-Two", b"a b"),
            (b"Empty", b"")
        ]
    );
    assert_eq!(head.field("x-two"), Some(&b"a b"[..]));
}

#[test]
fn what_follows_the_head_is_left() {
    let text = b"GET / HTTP/1.0\r\n\r\nGET /next";
    let mut head = Head::default();
    let length = HeadParser::default()
        .advance(text, &policy(), &mut head)
        .unwrap()
        .unwrap();
    assert_eq!(&text[length..], b"GET /next");
}

#[test]
fn unfinished_heads_wait() {
    for text in [
        "",
        "\r",
        "\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] {
        assert!(parse_split(text.as_bytes(), &policy()).unwrap().is_none());
    }
}

#[test]
fn one_empty_line_may_come_first() {
    assert_eq!(head("\r\nGET / HTTP/1.0\r\n\r\n").method(), b"GET");
    assert!(matches!(
        error("\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
        Error::RequestLine(_)
    ));
}

#[test]
fn bad_request_lines() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
    ] {
        let error = error(&format!("{line}\r\nHost: a\r\n\r\n"));
        assert_eq!(error.status().code, 400, "{line}: {error}");
    }
    for method in ["get", "GE", "G#T", "G(T", "ABCDEFGHIJKLMNOPQRSTU", ""] {
        assert!(matches!(
            error(&format!("{method} / HTTP/1.1\r\n\r\n")),
            Error::Method(_)
        ));
    }
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        let error = error(&format!("GET / {version}\r\n\r\n"));
        assert_eq!(error.status().code, 505);
    }
    for version in ["http/1.1", "HTTP/1.10", "HTTP/1.", "HTTP/1.1\r", "HTTP/1,1"] {
        assert!(matches!(
            error(&format!("GET / {version}\r\n\r\n")),
            Error::Version(_)
        ));
    }
    assert_eq!(
        head("GET / HTTP/1.9\r\nHost: a\r\n\r\n").version(),
        Version::Http11
    );
}

#[test]
fn line_ends() {
    assert_eq!(error("GET / HTTP/1.1\n"), Error::BareLineFeed);
    assert_eq!(error(&with("X: a\n")), Error::BareLineFeed);
    assert!(matches!(error(&with("X: a\rb\r\n")), Error::Field(_)));
    assert_eq!(error(&with("X: a\r\n b\r\n")), Error::ObsoleteFolding);
}

#[test]
fn limits() {
    let line = |length: usize| format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(length - 14));
    assert!(parse_split(line(4094).as_bytes(), &policy()).is_ok());
    let small = Policy {
        limits: Limits {
            request_line: 20,
            fields: 2,
            field_size: 12,
            ..Limits::default()
        },
        ..Policy::default()
    };
    let check = |text: &str| parse_split(text.as_bytes(), &small);
    assert!(check(&line(20)).is_ok());
    assert_eq!(check(&line(21)).unwrap_err(), Error::RequestLineTooLong(20));
    assert_eq!(
        check(&line(21)[..22]).unwrap_err(),
        Error::RequestLineTooLong(20)
    );
    assert!(check("GET / HTTP/1.0\r\nA: 4567890\r\nB: b\r\n\r\n").is_ok());
    assert_eq!(
        check("GET / HTTP/1.0\r\nA: 45678901\r\n\r\n").unwrap_err(),
        Error::FieldTooLong(12)
    );
    assert_eq!(
        check("GET / HTTP/1.0\r\nA: a\r\nB: b\r\nC: c\r\n\r\n").unwrap_err(),
        Error::TooManyFields(2)
    );
    assert_eq!(Error::RequestLineTooLong(1).status().code, 414);
    assert_eq!(Error::FieldTooLong(1).status().code, 431);
}

#[test]
fn host() {
    assert!(matches!(error("GET / HTTP/1.1\r\n\r\n"), Error::Field(_)));
    assert!(matches!(error(&with("Host: a\r\n")), Error::Field(_)));
    assert!(matches!(
        error("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        Error::Field(_)
    ));
    assert!(matches!(
        error("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        Error::Field(_)
    ));
    head("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n");
    head("GET / HTTP/1.1\r\nHost:\r\n\r\n");
    head("GET / HTTP/1.0\r\n\r\n");
}

#[test]
fn body_framing() {
    let framing = |fields: &str| head(&with(fields)).framing();
    assert_eq!(framing(""), Framing::Length(0));
    assert_eq!(framing("Content-Length: 0042\r\n"), Framing::Length(42));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Framing::Chunked);
    assert_eq!(
        framing("Transfer-Encoding: identity, chunked\r\n"),
        Framing::Chunked
    );
    let compressed = head(&with(
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    ));
    assert_eq!(compressed.framing(), Framing::Chunked);
    assert!(!compressed.keep_alive());
}

#[test]
fn ambiguous_framing_is_refused() {
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3, 3\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Type: a\r\nContent-Type: a\r\n",
    ] {
        let error = error(&with(fields));
        assert_eq!(error.status().code, 400, "{fields}: {error}");
    }
    assert_eq!(error(&with("Transfer-Encoding: x\r\n")).status().code, 501);
    let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(error(old).status().code, 400);
}

#[test]
fn connection() {
    let kept = |text: &str| head(text).keep_alive();
    assert!(kept(&with("")));
    assert!(!kept(&with("Connection: Close\r\n")));
    assert!(!kept(&with("Connection: upgrade, close\r\n")));
    assert!(!kept(&with(
        "Connection: keep-alive\r\nConnection: close\r\n"
    )));
    assert!(!kept("GET / HTTP/1.0\r\n\r\n"));
    assert!(kept("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
    assert!(!kept("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn upgrades() {
    let asks = |text: &str| head(text).asks_to_upgrade();
    let websocket = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert!(asks(&with(websocket)));
    assert!(!asks(&with("Upgrade: websocket\r\n")));
    assert!(!asks(&with("Connection: upgrade\r\n")));
    // A server need not agree to an upgrade: the request is handled as it is.
    assert!(!asks(&with("Connection: Upgrade\r\nUpgrade: h2c\r\n")));
    assert!(!asks(&format!("GET / HTTP/1.0\r\n{websocket}\r\n")));
    assert!(asks("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"));
}

#[test]
fn expectations() {
    assert!(head(&with("Expect: 100-Continue\r\n")).expects_continue());
    assert_eq!(error(&with("Expect: 200-maybe\r\n")).status().code, 417);
    assert!(!head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expects_continue());
}

#[test]
fn names_with_an_underscore() {
    let text = with("X_Real: a\r\nSCRIPT_NAME: /b\r\nContent_Length: 4\r\n");
    let names = |policy: &Policy| {
        let (head, _) = parse_split(text.as_bytes(), policy).unwrap().unwrap();
        head.fields()
            .map(|(name, _)| String::from_utf8(name.to_vec()).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&policy()), ["Host"]);
    let trusting = Policy {
        underscore_fields: vec!["script_name".into()],
        ..policy()
    };
    assert_eq!(names(&trusting), ["Host", "SCRIPT_NAME"]);
}

#[test]
fn names_with_an_underscore_may_be_refused_or_kept() {
    let text = with("X_Real: a\r\n");
    let parse = |underscores, listed: &str| {
        let policy = Policy {
            underscores,
            underscore_fields: vec![listed.to_owned()],
            ..policy()
        };
        let parsed = parse_split(text.as_bytes(), &policy)?;
        Ok(parsed.unwrap().0.fields().count())
    };
    assert_eq!(parse(Underscores::Keep, ""), Ok(2));
    assert_eq!(parse(Underscores::Drop, "*"), Ok(2));
    assert_eq!(parse(Underscores::Refuse, "X_REAL"), Ok(2));
    assert!(matches!(
        parse(Underscores::Refuse, ""),
        Err(Error::FieldName(_))
    ));
}

#[test]
fn folding_may_be_allowed() {
    let allowed = Policy {
        obsolete_folding: true,
        limits: Limits {
            fields: 2,
            field_size: 25,
            ..Limits::default()
        },
        ..policy()
    };
    let parse = |fields: &str| parse_split(with(fields).as_bytes(), &allowed);
    let (head, _) = parse("X:  one \r\n two\r\n\t three\r\n").unwrap().unwrap();
    assert_eq!(head.field("X"), Some(&b"one two three"[..]));
    let (head, _) = parse("X:\r\n two\r\n").unwrap().unwrap();
    assert_eq!(head.field("X"), Some(&b"two"[..]));
    assert_eq!(
        parse("X: 3456789\r\n 1234567890123\r\n").unwrap_err(),
        Error::FieldTooLong(25)
    );
    assert!(matches!(parse("X: a\r\n b\x01\r\n"), Err(Error::Field(_))));
    let first = "GET / HTTP/1.0\r\n X: a\r\n\r\n";
    assert_eq!(
        parse_split(first.as_bytes(), &allowed).unwrap_err(),
        Error::ObsoleteFolding
    );
}

#[test]
fn more_may_be_permitted() {
    let loose = Policy {
        strip_name_spaces: true,
        unconventional_methods: true,
        unconventional_versions: true,
        casefold_methods: true,
        ..policy()
    };
    let head = |text: &str| parse_split(text.as_bytes(), &loose).unwrap().unwrap().0;
    let spaced = head(&with("Content-Length \t: 3\r\n"));
    assert_eq!(spaced.framing(), Framing::Length(3));
    assert_eq!(spaced.field("content-length"), Some(&b"3"[..]));
    assert_eq!(head("-blargh /a HTTP/1.0\r\n\r\n").method(), b"-BLARGH");
    assert_eq!(
        head("GET / HTTP/2.0\r\nHost: a\r\n\r\n").version(),
        Version::Http11
    );
    assert_eq!(head("GET / HTTP/0.9\r\n\r\n").version(), Version::Http10);
    for still_bad in ["g(t / HTTP/1.0\r\n\r\n", "GET / HTTP/1\r\n\r\n"] {
        assert!(parse_split(still_bad.as_bytes(), &loose).is_err());
    }
}

#[test]
fn an_absolute_target_has_the_last_word_on_the_host() {
    let head = head("GET http://u:p@a:80/b HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!(head.field("Host"), Some(&b"a:80"[..]));
    assert_eq!(head.path(), b"/b");
    let bad = "GET http://a/b HTTP/1.1\r\nHost: o,ther\r\n\r\n";
    assert!(matches!(error(bad), Error::Field(_)));
}

#[test]
fn bodies_that_are_too_large() {
    let small = Policy {
        limits: Limits {
            body: 9,
            ..Limits::default()
        },
        ..policy()
    };
    let parse = |length: u64| {
        parse_split(
            with(&format!("Content-Length: {length}\r\n")).as_bytes(),
            &small,
        )
    };
    assert!(parse(9).is_ok());
    assert_eq!(parse(10).unwrap_err(), Error::BodyTooLarge(9));
    assert_eq!(Error::BodyTooLarge(9).status().code, 413);
}

#[test]
fn another_protocol_is_known_by_its_first_byte() {
    assert!(matches!(error("\x16\x03\x01"), Error::RequestLine(_)));
    assert!(matches!(error("\r\n\0"), Error::RequestLine(_)));
}

#[test]
fn the_scheme_is_taken_from_the_listed_fields() {
    let policy = Policy {
        secure_scheme_fields: SecureSchemeFields(vec![("X-TLS".into(), "yes".into())]),
        ..policy()
    };
    let scheme = |fields: &str| {
        let parsed = parse_split(with(fields).as_bytes(), &policy)?;
        Ok(parsed.unwrap().0.stated_scheme())
    };
    assert_eq!(scheme("x-tls: yes\r\n"), Ok(Some(Scheme::Https)));
    assert_eq!(scheme("X-Forwarded-Proto: https\r\n"), Ok(None));
    assert_eq!(
        scheme("x-tls: yes\r\nX-TLS: no\r\n"),
        Err(Error::SchemeHeaders)
    );
}
