//! A line of the access log in the form of `access_log_format`.

use std::borrow::Cow;
use std::process;

use super::clock::Timestamp;
use super::escape::{escape, escape_word};
use super::format::{AccessFormat, Atom};
use super::record::AccessRecord;

/// Appends the line, without its end.
pub fn render(
    line: &mut Vec<u8>,
    format: &AccessFormat,
    record: &AccessRecord<'_>,
    time: &Timestamp,
) {
    for atom in &format.0 {
        render_atom(line, atom, record, time);
    }
}

/// Appends the value of one atom.
pub fn render_atom(line: &mut Vec<u8>, atom: &Atom, record: &AccessRecord<'_>, time: &Timestamp) {
    let elapsed = record.elapsed;
    match atom {
        Atom::Literal(text) => line.extend_from_slice(text),
        Atom::Address => known(line, record.remote_addr.as_bytes()),
        Atom::User => match record.user() {
            Some(user) => escape_word(line, &user),
            None => line.push(b'-'),
        },
        Atom::Time => line.extend_from_slice(time.access_log().as_bytes()),
        Atom::RequestLine => request_line(line, record),
        Atom::Method => known(line, record.method),
        Atom::Path => match (record.environ)("PATH_INFO") {
            Some(path) => escape(line, &path),
            None => known(line, record.path),
        },
        Atom::Query => escape(line, record.query),
        Atom::Protocol => known(line, record.protocol.as_bytes()),
        Atom::Status => number(line, record.status.into()),
        Atom::Bytes => number(line, record.body_bytes),
        Atom::Seconds => number(line, elapsed.as_secs()),
        Atom::Milliseconds => number(line, elapsed.as_millis() as u64),
        Atom::Microseconds => number(line, elapsed.as_micros() as u64),
        Atom::DecimalSeconds => {
            number(line, elapsed.as_secs());
            // Seven digits. The first one becomes the point.
            let point = line.len();
            number(line, 1_000_000 + u64::from(elapsed.subsec_micros()));
            line[point] = b'.';
        }
        Atom::Process => {
            line.push(b'<');
            number(line, process::id().into());
            line.push(b'>');
        }
        Atom::RequestId => known(line, &record.id()),
        Atom::TraceId => known(line, record.trace.unwrap_or_default().0.as_bytes()),
        Atom::SpanId => known(line, record.trace.unwrap_or_default().1.as_bytes()),
        Atom::RequestField(name) => found(line, (record.request_field)(name)),
        Atom::ResponseField(name) => found(line, (record.response_field)(name)),
        Atom::Environ(name) => found(line, (record.environ)(name)),
    }
}

/// The known parts. Of a refused line, only the bytes may be known.
fn request_line(line: &mut Vec<u8>, record: &AccessRecord<'_>) {
    let start = line.len();
    for part in [record.method, record.target, record.protocol.as_bytes()] {
        if !part.is_empty() {
            if line.len() > start {
                line.push(b' ');
            }
            escape(line, part);
        }
    }
    if line.len() == start {
        line.push(b'-');
    }
}

fn known(line: &mut Vec<u8>, value: &[u8]) {
    escape(line, if value.is_empty() { b"-" } else { value });
}

fn found(line: &mut Vec<u8>, value: Option<Cow<'_, [u8]>>) {
    escape(line, value.as_deref().unwrap_or(b"-"));
}

fn number(line: &mut Vec<u8>, number: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DEFAULT: &str = r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#;

    fn line(format: &str, record: &AccessRecord<'_>) -> String {
        let format = AccessFormat::parse(format).unwrap();
        let mut line = Vec::new();
        render(&mut line, &format, record, &Timestamp::now());
        String::from_utf8(line).unwrap()
    }

    fn with_fields(format: &str, fields: &[(&str, &str)]) -> String {
        let field = |name: &str| {
            let mut all = fields.iter();
            let (_, value) = all.find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some(Cow::Owned(value.as_bytes().to_vec()))
        };
        let record = AccessRecord {
            remote_addr: "127.0.0.1",
            method: b"GET",
            target: b"/a?b=\"c",
            path: b"/a",
            query: b"b=\"c",
            protocol: "HTTP/1.1",
            status: 200,
            body_bytes: 0,
            elapsed: Duration::from_micros(2_034_067),
            request_id: b"",
            request_field: &field,
            response_field: &field,
            environ: &field,
            ..AccessRecord::unknown()
        };
        line(format, &record)
    }

    #[test]
    fn the_default_line_is_gunicorns() {
        let line = with_fields(DEFAULT, &[("User-Agent", "curl/8")]);
        let (before, rest) = line.split_once('[').unwrap();
        let (_, after) = rest.split_once(']').unwrap();
        assert_eq!(before, "127.0.0.1 - - ");
        assert_eq!(after, r#" "GET /a?b=\"c HTTP/1.1" 200 0 "-" "curl/8""#);
    }

    #[test]
    fn every_atom_has_its_value() {
        assert_eq!(
            with_fields("%(m)s %(U)s %(q)s %(H)s %(B)s %(T)s %(M)s %(D)s %(L)s", &[]),
            r#"GET /a b=\"c HTTP/1.1 0 2 2034 2034067 2.034067"#
        );
        let fields = [("X-Id", "7"), ("Path_Info", "/a b"), ("X-Request-ID", "r1")];
        assert_eq!(
            with_fields("%({x-id}i)s %({X-ID}o)s %({X-Id}e)s %({y}i)s", &fields),
            "7 7 7 -"
        );
        assert_eq!(with_fields("%(U)s %(request_id)s", &fields), "/a b r1");
        let traced = AccessRecord {
            trace: Some(("aa", "bb")),
            ..AccessRecord::unknown()
        };
        assert_eq!(line("%(trace_id)s %(span_id)s", &traced), "aa bb");
        assert_eq!(with_fields("%(trace_id)s %(span_id)s", &fields), "- -");
        assert_eq!(with_fields("%(p)s", &[]), format!("<{}>", process::id()));
    }

    #[test]
    fn a_refused_request_has_a_line_too() {
        let refused = AccessRecord {
            remote_addr: "::1",
            target: b"GET\x16 /",
            status: 400,
            ..AccessRecord::unknown()
        };
        assert_eq!(
            line("%(h)s \"%(r)s\" %(s)s %(U)s %(m)s", &refused),
            r#"::1 "GET\x16 /" 400 - -"#
        );
        assert_eq!(line("%(h)s %(r)s", &AccessRecord::unknown()), "- -");
    }

    #[test]
    fn a_value_cannot_forge_a_line() {
        let agent = "x\" 200\r\n127.0.0.1 \\ \u{1b}[2J";
        assert_eq!(
            with_fields("\"%(a)s\"", &[("user-agent", agent)]),
            r#""x\" 200\x0d\x0a127.0.0.1 \\ \x1b[2J""#
        );
    }

    #[test]
    fn the_user_is_that_of_basic_authentication() {
        // "al ice:secret" and "bob:" and no colon at all.
        for (field, user) in [
            ("Basic YWwgaWNlOnNlY3JldA==", "al\\x20ice"),
            ("basic Ym9iOg==", "bob"),
            ("Basic bm9jb2xvbg==", "-"),
            ("Basic ****", "-"),
            ("Bearer Ym9iOg==", "-"),
            ("", "-"),
        ] {
            let line = with_fields("%(u)s", &[("authorization", field)]);
            assert_eq!(line, user, "{field}");
        }
    }
}
