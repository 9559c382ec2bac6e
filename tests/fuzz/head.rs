//! Request heads: the result does not depend on how the bytes are cut; an accepted head
//! has the same meaning when it is written again, and for another parser.

use crate::http::{
    AddressField, Error, Framing, Head, HeadParser, Limits, Policy, SecureSchemeFields,
    TRACEPARENT, TraceParent, Underscores, client_address, percent_decode, settle_trace,
};
use crate::pieces::Choices;
use crate::websocket::{Handshake, is_upgrade};

pub fn check(input: &[u8]) {
    let Some((choices, bytes)) = Choices::split(input) else {
        return;
    };
    let policy = policy(choices);
    let mut parser = HeadParser::default();
    let whole = parse(&mut parser, &[bytes], &policy);
    assert_eq!(
        whole,
        parse(&mut HeadParser::default(), &choices.pieces(bytes), &policy),
        "the cut of the bytes must not matter"
    );
    let Ok(Some((first, size))) = whole else {
        return;
    };
    first.is_consistent();
    settles_its_trace(bytes, &policy);
    let again = Policy {
        limits: Limits::new(0, 0, 1 << 20, 0),
        ..policy.clone()
    };
    let text = first.text();
    let (second, length) = parse(&mut HeadParser::default(), &[&text], &again)
        .expect("what was accepted is accepted again")
        .expect("it is whole");
    assert_eq!(length, text.len());
    assert_eq!(second, first);
    if is_strict(choices) {
        agrees_with_httparse(&first, &bytes[..size]);
    }
    // A parser can be used again.
    let rest = &bytes[size..];
    assert_eq!(
        parse(&mut parser, &[rest], &policy),
        parse(&mut HeadParser::default(), &[rest], &policy)
    );
}

/// After that there is one valid trace or none, and to do it again changes nothing.
fn settles_its_trace(bytes: &[u8], policy: &Policy) {
    let mut head = Head::default();
    let parsed = HeadParser::default().advance(bytes, policy, &mut head);
    assert!(matches!(parsed, Ok(Some(_))));
    let trace = settle_trace(&mut head, true, || None);
    let fields = |head: &Head| {
        let fields = head.fields();
        let fields = fields.map(|(name, value)| (name.to_vec(), value.to_vec()));
        fields.collect::<Vec<_>>()
    };
    let before = fields(&head);
    let told = head.field(TRACEPARENT).and_then(TraceParent::parse);
    assert_eq!(told, trace);
    assert_eq!(settle_trace(&mut head, true, || None), trace);
    assert_eq!(fields(&head), before);
    let made = TraceParent::new(1, 2);
    assert_eq!(settle_trace(&mut head, false, || Some(made)), Some(made));
    assert_eq!(head.field(TRACEPARENT), Some(made.as_str().as_bytes()));
}

fn policy(choices: Choices) -> Policy {
    Policy {
        limits: if choices.has(0) {
            Limits::new(30, 3, 40, 20)
        } else {
            Limits::default()
        },
        obsolete_folding: choices.has(1),
        strip_name_spaces: choices.has(2),
        unconventional_methods: choices.has(3),
        unconventional_versions: choices.has(4),
        casefold_methods: choices.has(5),
        underscores: match (choices.has(6), choices.has(7)) {
            (false, false) => Underscores::Drop,
            (true, false) => Underscores::Refuse,
            _ => Underscores::Keep,
        },
        underscore_fields: vec!["script_name".to_owned()],
        secure_scheme_fields: SecureSchemeFields(vec![(
            "X-Forwarded-Proto".to_owned(),
            "https".to_owned(),
        )]),
        ..Policy::default()
    }
}

/// Whether only what the RFC allows is accepted.
fn is_strict(choices: Choices) -> bool {
    (1..=7).all(|bit| !choices.has(bit))
}

/// What a head means, apart from how it is written.
#[derive(Debug, PartialEq, Eq)]
pub struct Meaning {
    method: Vec<u8>,
    target: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    version: &'static str,
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

fn parse(
    parser: &mut HeadParser,
    pieces: &[&[u8]],
    policy: &Policy,
) -> Result<Option<(Meaning, usize)>, Error> {
    let mut head = Head::default();
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend_from_slice(piece);
        if let Some(size) = parser.advance(&bytes, policy, &mut head)? {
            let meaning = Meaning::of(&head);
            use_it(&head, &meaning);
            return Ok(Some((meaning, size)));
        }
    }
    Ok(None)
}

/// Calls the functions that need an accepted head.
fn use_it(head: &Head, meaning: &Meaning) {
    assert!(percent_decode(head.path()).len() <= head.path().len());
    for field in [AddressField::XForwardedFor, AddressField::Forwarded] {
        client_address(head, field, |address| address.is_loopback());
    }
    let fields = meaning.fields.iter();
    let fields = fields.map(|(name, value)| (name.as_slice(), value.as_slice()));
    if is_upgrade(head.method(), fields.clone())
        && let Ok(handshake) = Handshake::read(fields)
    {
        assert_eq!(handshake.accept.map(|accept| accept.len()), Some(28));
    }
}

impl Meaning {
    pub fn of(head: &Head) -> Meaning {
        Meaning {
            method: head.method().to_vec(),
            target: head.target().to_vec(),
            path: head.path().to_vec(),
            query: head.query().to_vec(),
            version: head.version().as_str(),
            fields: head
                .fields()
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
            framing: head.framing(),
            keep_alive: head.keep_alive(),
            expects_continue: head.expects_continue(),
        }
    }

    /// The same request in HTTP/1.1, without what the version alone decides.
    pub fn in_http1(self) -> Meaning {
        Meaning {
            version: "HTTP/1.1",
            framing: match self.framing {
                Framing::UntilEnd => Framing::Length(0),
                framing => framing,
            },
            keep_alive: true,
            ..self
        }
    }

    /// The simplest way to write it.
    pub fn text(&self) -> Vec<u8> {
        let mut text = [&self.method, &self.target, self.version.as_bytes()].join(&b' ');
        text.extend_from_slice(b"\r\n");
        for (name, value) in &self.fields {
            for part in [name, &b": "[..], value, b"\r\n"] {
                text.extend_from_slice(part);
            }
        }
        text.extend_from_slice(b"\r\n");
        text
    }

    fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value.as_slice())
            .collect()
    }

    /// Checks that two readers of the same head cannot disagree.
    fn is_consistent(&self) {
        for (name, value) in &self.fields {
            assert!(!name.is_empty() && !name.iter().any(|b| b" \t:\r\n\0".contains(b)));
            assert!(!value.iter().any(|b| b"\r\n\0".contains(b)));
        }
        assert!(self.values("host").len() <= 1);
        let lengths = self.values("content-length");
        let codings = self.values("transfer-encoding");
        match self.framing {
            Framing::Chunked => {
                assert!(lengths.is_empty() && self.version == "HTTP/1.1");
                let last = codings
                    .last()
                    .expect("chunked is said")
                    .to_ascii_lowercase();
                assert!(last.ends_with(b"chunked") || last.ends_with(b","));
            }
            Framing::Length(length) => {
                assert!(codings.is_empty() && lengths.len() <= 1);
                let stated = lengths.first().map_or(0, |value| {
                    let text = std::str::from_utf8(value).expect("digits");
                    text.parse::<u64>().expect("a number")
                });
                assert_eq!(length, stated);
            }
            Framing::UntilEnd => panic!("HTTP/1.x has no streams"),
        }
    }
}

/// httparse accepts all strictly valid heads, with the same meaning.
fn agrees_with_httparse(ours: &Meaning, bytes: &[u8]) {
    if !bytes.ends_with(b"\r\n\r\n") || is_higher_version(bytes) {
        return;
    }
    let mut fields = vec![httparse::EMPTY_HEADER; 200];
    let mut theirs = httparse::Request::new(&mut fields);
    let status = theirs.parse(bytes).expect("httparse accepts it too");
    assert_eq!(status, httparse::Status::Complete(bytes.len()));
    assert_eq!(theirs.method.map(str::as_bytes), Some(&*ours.method));
    assert_eq!(theirs.path.map(str::as_bytes), Some(&*ours.target));
    let is_absolute = !ours.target.starts_with(b"/");
    let is_cookie = |name: &str| name.eq_ignore_ascii_case("cookie");
    let cookies = theirs.headers.iter().filter(|field| is_cookie(field.name));
    let cookies = cookies.map(|field| field.value);
    let cookies: Vec<_> = cookies.filter(|value| !value.is_empty()).collect();
    let mut cookies = Some(cookies.join(&b"; "[..]));
    let mut ours = ours.fields.iter();
    for field in theirs.headers.iter() {
        // Left out, as the app could not distinguish it from a name with hyphens.
        if field.name.contains('_') && !field.name.eq_ignore_ascii_case("script_name") {
            continue;
        }
        // All fields with the same name are joined at the place of the first.
        let joined = match is_cookie(field.name) {
            true => cookies.take(),
            false => Some(field.value.to_vec()),
        };
        let Some(theirs) = joined else { continue };
        let (name, value) = ours.next().expect("no field is lost");
        assert_eq!(field.name.as_bytes(), name);
        // The host of an absolute target replaces the field.
        if !(is_absolute && field.name.eq_ignore_ascii_case("host")) {
            assert_eq!(theirs, *value);
        }
    }
    assert!(ours.next().is_none(), "no field is made up");
}

/// Whether it is HTTP/1.2 to 1.9, which we read as 1.1 and httparse refuses.
fn is_higher_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|&b| b == b'\n').find(|line| line.len() > 1);
    line.is_some_and(|line| !line.ends_with(b"HTTP/1.1\r") && !line.ends_with(b"HTTP/1.0\r"))
}
