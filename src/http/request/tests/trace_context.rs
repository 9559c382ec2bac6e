use super::*;
use crate::http::{HeadParser, Policy};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn head(lines: &str) -> Head {
    let mut head = Head::default();
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let parsed = HeadParser::default().advance(text.as_bytes(), &Policy::default(), &mut head);
    assert_eq!(parsed, Ok(Some(text.len())));
    head
}

fn fields(head: &Head) -> String {
    let fields = head.fields().map(|(name, value)| {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        format!("{}: {}\n", text(name), text(value))
    });
    fields.collect()
}

#[test]
fn a_parent_is_read() {
    let parent = TraceParent::parse(PARENT.as_bytes()).unwrap();
    assert_eq!(parent.as_str(), PARENT);
    assert_eq!(parent.trace_id(), TRACE);
    assert_eq!(parent.span_id(), "b7ad6b7169203331");
    for fine in [
        PARENT.replace("-01", "-00"),
        PARENT.replace("-01", "-ff"),
        // Versions of the future, with and without something new.
        PARENT.replace("00-", "01-"),
        PARENT.replace("00-", "cc-") + "-what-the-future-brings",
        PARENT.replace("00-", "fe-") + "-",
    ] {
        let parent = TraceParent::parse(fine.as_bytes()).expect(&fine);
        assert_eq!(parent.trace_id(), TRACE, "{fine}");
    }
}

#[test]
fn what_is_no_parent_is_refused() {
    let zeros = |count| "0".repeat(count);
    for bad in [
        String::new(),
        "00".to_owned(),
        PARENT.replace("00-", "ff-"),
        PARENT.replace("00-", "0-"),
        PARENT.replace("00-", "0g-"),
        PARENT.replace("00-", "0A-"),
        PARENT.replace(TRACE, &zeros(32)),
        PARENT.replace(TRACE, &TRACE.to_uppercase()),
        PARENT.replace(TRACE, &TRACE[1..]),
        PARENT.replace(TRACE, &format!("{TRACE}0")),
        PARENT.replace(TRACE, &TRACE.replace('9', "x")),
        PARENT.replace("b7ad6b7169203331", &zeros(16)),
        PARENT.replace("b7ad6b7169203331", "B7AD6B7169203331"),
        PARENT.replace("-01", "-1"),
        PARENT.replace("-01", "-0x"),
        PARENT.replace("-01", "-0A"),
        PARENT.replace('-', "_"),
        format!("{PARENT}-"),
        format!("{PARENT}-more"),
        format!("{PARENT}0"),
        format!("{}0", PARENT.replace("00-", "01-")),
        format!("{PARENT},{PARENT}"),
        format!(" {PARENT}"),
    ] {
        assert_eq!(TraceParent::parse(bad.as_bytes()), None, "{bad}");
    }
    // No cut and no byte in any place makes it panic.
    for place in 0..LENGTH {
        let _ = TraceParent::parse(&PARENT.as_bytes()[..place]);
        for byte in [0, b'-', 0x80, 0xff] {
            let mut bytes = PARENT.as_bytes().to_vec();
            bytes[place] = byte;
            let _ = TraceParent::parse(&bytes);
        }
    }
}

#[test]
fn a_made_one_is_valid() {
    for (trace, span) in [(0, 0), (1, 2), (u128::MAX, u64::MAX)] {
        let made = TraceParent::new(trace, span);
        assert_eq!(TraceParent::parse(made.as_str().as_bytes()), Some(made));
    }
    let made = TraceParent::new(0xab, 0xcd);
    assert!(made.as_str().ends_with("ab-00000000000000cd-03"));
}

#[test]
fn states_have_entries_with_different_keys() {
    let is_state = |lines: &[&str]| is_trace_state(lines.iter().map(|line| line.as_bytes()));
    let entries = |count| {
        let entries: Vec<_> = (0..count).map(|n| format!("k{n}=v")).collect();
        entries.join(",")
    };
    let (key, value) = ("k".repeat(256), "v".repeat(256));
    for fine in [
        &[][..],
        &[""],
        &["foo=1"],
        &["foo=1 \t, \tbar=2", "baz=3"],
        &["foo=1,,bar=2"],
        &["fw529a3039@dt=FfFf, 0a-b*c/d_e= x y:;<>"],
        &[&format!("{key}={value}")],
        &[&entries(32)],
    ] {
        assert!(is_state(fine), "{fine:?}");
    }
    for bad in [
        &["foo"][..],
        &["foo="],
        &["=1"],
        &["foo =1"],
        &["Foo=1"],
        &["_foo=1"],
        &["foo=1=2"],
        &["foo=1\t2"],
        &["foo=1\u{e9}"],
        &["foo=1,foo=2"],
        &["foo=1", "bar=2,foo=3"],
        &[&format!("{key}k=1")],
        &[&format!("foo={value}v")],
        &[&entries(33)],
    ] {
        assert!(!is_state(bad), "{bad:?}");
    }
}

#[test]
fn only_valid_fields_of_trusted_clients_stay() {
    let none = || None;
    let sent = format!("TraceParent: {PARENT}\r\nA: b\r\nTracestate: foo=1\r\n");
    let mut kept = head(&sent);
    let trace = settle_trace(&mut kept, true, || unreachable!("it has one"));
    assert_eq!(trace.unwrap().as_str(), PARENT);
    assert_eq!(fields(&kept), fields(&head(&sent)));
    let mut untrusted = head(&sent);
    assert_eq!(settle_trace(&mut untrusted, false, none), None);
    assert_eq!(fields(&untrusted), "Host: a\nA: b\n");
    let mut untrusted = head(&sent);
    let made = TraceParent::new(1, 2);
    let trace = settle_trace(&mut untrusted, false, || Some(made));
    assert_eq!(trace, Some(made));
    let expected = format!("Host: a\nA: b\ntraceparent: {}\n", made.as_str());
    assert_eq!(fields(&untrusted), expected);
    // The state may be wrong, and the parent right; not the other way round.
    let mut half = head(&format!("traceparent: {PARENT}\r\ntracestate: Foo\r\n"));
    assert!(settle_trace(&mut half, true, none).is_some());
    assert_eq!(fields(&half), format!("Host: a\ntraceparent: {PARENT}\n"));
    for bad in [
        "tracestate: foo=1\r\n".to_owned(),
        format!("traceparent: {PARENT}\r\nTRACEPARENT: {PARENT}\r\n"),
        "traceparent: \r\ntracestate: foo=1\r\n".to_owned(),
    ] {
        let mut bad = head(&bad);
        assert_eq!(settle_trace(&mut bad, true, none), None);
        assert_eq!(fields(&bad), "Host: a\n");
    }
}
