use super::*;
use crate::http::{Framing, Scheme, SecureSchemeFields, Underscores};

const GET: PseudoFields<'static> = PseudoFields {
    method: b"GET",
    scheme: Some(b"https"),
    authority: Some(b"a"),
    path: Some(b"/"),
    protocol: None,
};

const CONNECT: PseudoFields<'static> = PseudoFields {
    method: b"CONNECT",
    protocol: Some(b"websocket"),
    ..GET
};

/// Reads a request; the same `Head` as for the requests before it on this thread.
fn read(
    pseudo: PseudoFields<'_>,
    fields: &[(&str, &str)],
    ends: bool,
    policy: &Policy,
) -> Result<Head, Error> {
    thread_local! {
        static USED: std::cell::RefCell<Head> = std::cell::RefCell::default();
    }
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    USED.with_borrow_mut(|head| {
        head.read_fields(&pseudo, fields, ends, policy)?;
        Ok(head.clone())
    })
}

fn head(fields: &[(&str, &str)]) -> Head {
    read(GET, fields, true, &Policy::default()).unwrap()
}

fn error(fields: &[(&str, &str)]) -> Error {
    read(GET, fields, true, &Policy::default()).unwrap_err()
}

fn pseudo_error(pseudo: PseudoFields<'_>) -> Error {
    read(pseudo, &[], true, &Policy::default()).unwrap_err()
}

fn fields_of(head: &Head) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    head.fields()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// The fields after the host.
fn rest_of(head: &Head) -> Vec<(String, String)> {
    fields_of(head).split_off(1)
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn an_ordinary_request() {
    let pseudo = PseudoFields {
        authority: Some(b"example.org:80"),
        path: Some(b"/a%20b?c=d"),
        ..GET
    };
    let fields = [("x-two", "a b"), ("empty", ""), ("te", "trailers")];
    let head = read(pseudo, &fields, true, &Policy::default()).unwrap();
    assert_eq!(head.method(), b"GET");
    assert_eq!(head.target(), b"/a%20b?c=d");
    assert_eq!((head.path(), head.query()), (&b"/a%20b"[..], &b"c=d"[..]));
    assert_eq!(head.version(), Version::Http2);
    assert_eq!(head.version().as_str(), "HTTP/2.0");
    assert_eq!(head.framing(), Framing::Length(0));
    assert!(head.keep_alive() && head.accepts_trailers());
    assert!(!head.expects_continue() && !head.asks_to_upgrade());
    assert_eq!((head.protocol(), head.stated_scheme()), (None, None));
    let expected = [
        pair("host", "example.org:80"),
        pair("x-two", "a b"),
        pair("empty", ""),
        pair("te", "trailers"),
    ];
    assert_eq!(fields_of(&head), expected);
}

#[test]
fn the_host_is_the_authority_or_the_field() {
    let with = |authority: Option<&'static str>, hosts: &[&str]| {
        let pseudo = PseudoFields {
            authority: authority.map(str::as_bytes),
            ..GET
        };
        let mut fields = vec![("x", "y")];
        fields.extend(hosts.iter().map(|host| ("host", *host)));
        let head = read(pseudo, &fields, true, &Policy::default())?;
        Ok(fields_of(&head))
    };
    let both = Ok(vec![pair("host", "a:1"), pair("x", "y")]);
    assert_eq!(with(Some("a:1"), &[]), both);
    assert_eq!(with(Some("a:1"), &["A:1"]), both);
    let only_field = Ok(vec![pair("x", "y"), pair("host", "[::1]:80")]);
    assert_eq!(with(None, &["[::1]:80"]), only_field);
    for (authority, hosts) in [
        (None, &[][..]),
        (None, &["a", "a"]),
        (None, &[""]),
        (None, &["a, b"]),
        (None, &["u@a"]),
        (Some(""), &[]),
        (Some(""), &[""]),
        (Some("u@a"), &[]),
        (Some("a/b"), &[]),
        (Some("a b"), &[]),
        (Some("a\r\nx: y"), &[]),
        (Some("a"), &["b"]),
        (Some("a"), &["a:80"]),
        (Some("a"), &["a", "a"]),
        (Some("a"), &[""]),
    ] {
        let error = with(authority, hosts).unwrap_err();
        assert!(
            matches!(error, Error::Field(_)),
            "{authority:?} {hosts:?} {error}"
        );
    }
}

#[test]
fn paths() {
    let path = |path: &'static str| {
        let pseudo = PseudoFields {
            path: Some(path.as_bytes()),
            ..GET
        };
        let head = read(pseudo, &[], true, &Policy::default())?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ok::<_, Error>((text(head.path()), text(head.query())))
    };
    assert_eq!(path("//a?"), Ok(pair("//a", "")));
    assert_eq!(path("/?a=http://b/"), Ok(pair("/", "a=http://b/")));
    // As in HTTP/1.1, a fragment does not belong to the path.
    assert_eq!(path("/a#b?c"), Ok(pair("/a", "")));
    for bad in [
        "",
        "*",
        "a",
        "?a",
        "#a",
        "http://a/",
        "a:80",
        "/ HTTP/1.1\r\nX: y",
        "/a b",
        "/a\tb",
        "/a\0",
        "/caf\u{e9}",
        "/\u{7f}",
    ] {
        let error = path(bad).unwrap_err();
        assert!(matches!(error, Error::RequestLine(_)), "{bad}: {error}");
    }
    let options = |path: &'static [u8]| {
        let pseudo = PseudoFields {
            method: b"OPTIONS",
            path: Some(path),
            ..GET
        };
        read(pseudo, &[], true, &Policy::default())
    };
    assert_eq!(options(b"*").unwrap().path(), b"*");
    assert!(options(b"**").is_err());
    let missing = PseudoFields { path: None, ..GET };
    assert!(matches!(pseudo_error(missing), Error::RequestLine(_)));
}

#[test]
fn methods_and_schemes() {
    for method in ["get", "GE", "G#T", "G T", "GET / HTTP/1.1\r\n", ""] {
        let method = method.as_bytes();
        let error = pseudo_error(PseudoFields { method, ..GET });
        assert!(matches!(error, Error::Method(_)), "{error}");
    }
    let loose = Policy {
        unconventional_methods: true,
        casefold_methods: true,
        ..Policy::default()
    };
    let method = b"-blargh";
    let head = read(PseudoFields { method, ..GET }, &[], true, &loose).unwrap();
    assert_eq!(head.method(), b"-BLARGH");
    for scheme in [None, Some(&b"http"[..]), Some(b"HTTPS")] {
        let head = read(
            PseudoFields { scheme, ..GET },
            &[],
            true,
            &Policy::default(),
        );
        assert_eq!(head.unwrap().stated_scheme(), None);
    }
    for scheme in ["", "ftp", "https ", "http\r\nx: y", "https://a"] {
        let scheme = Some(scheme.as_bytes());
        let error = pseudo_error(PseudoFields { scheme, ..GET });
        assert!(matches!(error, Error::Field(_)), "{error}");
    }
}

#[test]
fn malformed_fields() {
    for name in [
        "",
        "X",
        "x-Y",
        "x y",
        "x:",
        ":x",
        ":path",
        "x\r\n",
        "caf\u{e9}",
        "x\0",
        "host ",
    ] {
        let error = error(&[(name, "a")]);
        assert!(matches!(error, Error::FieldName(_)), "{name:?}: {error}");
    }
    for field in [
        ("x", "a\r\ny: z"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", "\u{7f}"),
        ("x", " a"),
        ("x", "a\t"),
        ("x", " "),
        ("connection", "close"),
        ("connection", ""),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", ""),
    ] {
        let error = error(&[field]);
        assert!(matches!(error, Error::Field(_)), "{field:?}: {error}");
        assert_eq!(error.status().code, 400);
    }
    assert_eq!(rest_of(&head(&[("x", "a\tb")])), [pair("x", "a\tb")]);
    assert!(matches!(
        error(&[("content-type", "a"), ("content-type", "a")]),
        Error::Field(_)
    ));
}

#[test]
fn body_framing() {
    let framing = |lengths: &[&'static str], ends| {
        let fields: Vec<_> = lengths.iter().map(|it| ("content-length", *it)).collect();
        let pseudo = PseudoFields {
            method: b"POST",
            ..GET
        };
        read(pseudo, &fields, ends, &Policy::default()).map(|head| head.framing())
    };
    assert_eq!(framing(&[], true), Ok(Framing::Length(0)));
    assert_eq!(framing(&["0"], true), Ok(Framing::Length(0)));
    assert_eq!(framing(&["0"], false), Ok(Framing::Length(0)));
    assert_eq!(framing(&["0042"], false), Ok(Framing::Length(42)));
    assert_eq!(framing(&[], false), Ok(Framing::UntilEnd));
    assert_eq!(framing(&["1"], true), Err(Error::UnexpectedEnd));
    for bad in [
        &["3", "3"][..],
        &["3", "4"],
        &["3, 3"],
        &["+3"],
        &["-1"],
        &["0x3"],
        &[""],
        &["99999999999999999999"],
    ] {
        let error = framing(bad, false).unwrap_err();
        assert!(matches!(error, Error::Field(_)), "{bad:?}: {error}");
    }
    let small = Policy {
        limits: Limits {
            body: 9,
            ..Limits::default()
        },
        ..Policy::default()
    };
    let length = |length| read(GET, &[("content-length", length)], false, &small);
    assert!(length("9").is_ok());
    assert_eq!(length("10").unwrap_err(), Error::BodyTooLarge(9));
}

#[test]
fn cookies_are_joined() {
    let head = head(&[
        ("cookie", "a=b"),
        ("x", "y"),
        ("cookie", "c=d"),
        ("cookie", "e=f"),
    ]);
    let expected = [pair("cookie", "a=b; c=d; e=f"), pair("x", "y")];
    assert_eq!(rest_of(&head), expected);
}

#[test]
fn limits() {
    let small = Policy {
        limits: Limits {
            request_line: 20,
            fields: 3,
            field_size: 20,
            ..Limits::default()
        },
        ..Policy::default()
    };
    let path = |path: &'static str| {
        let pseudo = PseudoFields {
            path: Some(path.as_bytes()),
            ..GET
        };
        read(pseudo, &[], true, &small).map(drop)
    };
    assert_eq!(path("/234567"), Ok(()));
    assert_eq!(path("/2345678"), Err(Error::RequestLineTooLong(20)));
    let fields = |fields: &[(&str, &str)]| read(GET, fields, true, &small).map(drop);
    // The host counts, and so do fields that are left out.
    let two = [("a", ""), ("b_c", "")];
    assert_eq!(fields(&two), Ok(()));
    let many = Err(Error::TooManyFields(3));
    assert_eq!(fields(&[two[0], two[1], ("d", "")]), many);
    assert_eq!(fields(&[("a", "234567890123456")]), Ok(()));
    let long = Err(Error::FieldTooLong(20));
    assert_eq!(fields(&[("a", "2345678901234567")]), long);
    let authority = Some(&b"a.long-name.to"[..]);
    let pseudo = PseudoFields { authority, ..GET };
    assert_eq!(read(pseudo, &[], true, &small).map(drop), long);
    // The parts of a cookie count as one field.
    let cookie = ("cookie", "12");
    assert_eq!(fields(&[cookie, ("a", ""), cookie, cookie]), Ok(()));
    assert_eq!(fields(&[cookie, cookie, cookie, ("cookie", "")]), long);
}

#[test]
fn names_with_an_underscore() {
    let names = |policy: &Policy| {
        let fields = [("x_real", "a"), ("script_name", "/b"), ("x", "c")];
        let head = read(GET, &fields, true, policy)?;
        let names = rest_of(&head).into_iter().map(|(name, _)| name);
        Ok::<_, Error>(names.collect::<Vec<_>>())
    };
    assert_eq!(names(&Policy::default()).unwrap(), ["x"]);
    let trusting = Policy {
        underscore_fields: vec!["SCRIPT_NAME".into()],
        ..Policy::default()
    };
    assert_eq!(names(&trusting).unwrap(), ["script_name", "x"]);
    let strict = Policy {
        underscores: Underscores::Refuse,
        ..Policy::default()
    };
    assert!(matches!(names(&strict), Err(Error::FieldName(_))));
}

#[test]
fn expectations_and_schemes_are_those_of_http_1_1() {
    assert!(head(&[("expect", "100-Continue")]).expects_continue());
    assert_eq!(error(&[("expect", "200-maybe")]).status().code, 417);
    let policy = Policy {
        secure_scheme_fields: SecureSchemeFields(vec![("X-TLS".into(), "yes".into())]),
        ..Policy::default()
    };
    let scheme =
        |fields: &[(&str, &str)]| read(GET, fields, true, &policy).map(|head| head.stated_scheme());
    assert_eq!(scheme(&[("x-tls", "yes")]), Ok(Some(Scheme::Https)));
    let disagreeing = [("x-tls", "yes"), ("x-tls", "no")];
    assert_eq!(scheme(&disagreeing), Err(Error::SchemeHeaders));
}

#[test]
fn connect_is_for_websockets() {
    let path = Some(&b"/chat?a"[..]);
    let pseudo = PseudoFields { path, ..CONNECT };
    let head = read(pseudo, &[], false, &Policy::default()).unwrap();
    assert_eq!(head.protocol(), Some(&b"websocket"[..]));
    assert_eq!(
        (head.method(), head.path()),
        (&b"CONNECT"[..], &b"/chat"[..])
    );
    assert_eq!(head.framing(), Framing::Length(0));
    assert!(head.keep_alive() && !head.asks_to_upgrade());
    let head = read(GET, &[], true, &Policy::default()).unwrap();
    assert_eq!(head.protocol(), None);

    for protocol in [None, Some(&b"connect-udp"[..]), Some(b"")] {
        let error = pseudo_error(PseudoFields {
            protocol,
            ..CONNECT
        });
        assert_eq!((error.status().code, error), (501, Error::Tunnel));
    }
    let plain = PseudoFields {
        scheme: None,
        path: None,
        protocol: None,
        ..CONNECT
    };
    assert_eq!(pseudo_error(plain), Error::Tunnel);
    for path in [None, Some(&b"*"[..]), Some(b"a:80")] {
        let error = pseudo_error(PseudoFields { path, ..CONNECT });
        assert!(matches!(error, Error::RequestLine(_)), "{error}");
    }
    let protocol = Some(&b"websocket"[..]);
    let error = pseudo_error(PseudoFields { protocol, ..GET });
    assert!(matches!(error, Error::Field(_)), "{error}");
}
