//! Lines as JSON objects. Numbers are JSON numbers, and unknown values are
//! null.

use std::borrow::Cow;
use std::process;
use std::time::Duration;

use super::clock::Timestamp;
use super::record::AccessRecord;

/// The fields of a line of the access log.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessFields(Vec<(String, JsonField)>);

#[derive(Clone, Debug, PartialEq)]
enum JsonField {
    Time,
    Pid,
    RemoteAddr,
    User,
    Method,
    Target,
    Path,
    Query,
    Protocol,
    Status,
    Bytes,
    Seconds,
    Milliseconds,
    Microseconds,
    RequestId,
    TraceId,
    SpanId,
    RequestHeader(String),
    ResponseHeader(String),
    Environ(String),
}

/// Why a list of fields cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "the access log has no field '{0}'; there are time, pid, remote_addr, user, method, target, \
     path, query, protocol, status, bytes, duration_s, duration_ms, duration_us, user_agent, \
     referer, request_id, trace_id, span_id, and {{name}}i, {{name}}o or {{name}}e for a field of \
     the request, of the response or of the environ"
)]
pub struct UnknownField(String);

impl AccessFields {
    /// Parses a list with commas: `time,status,trace={x-trace-id}i`. The key of
    /// a field is its own name, or the name before the equals sign.
    pub fn parse(list: &str) -> Result<Self, UnknownField> {
        let names = list.split(',').map(str::trim);
        let fields = names.filter(|name| !name.is_empty()).map(|name| {
            let (key, value) = match name.split_once('=') {
                Some((key, value)) => (key.trim(), value.trim()),
                None => (name, name),
            };
            let field = field(value).ok_or_else(|| UnknownField(value.to_owned()))?;
            Ok((key.to_owned(), field))
        });
        Ok(Self(fields.collect::<Result<_, _>>()?))
    }

    /// Appends the line, without its end.
    pub fn render(&self, line: &mut Vec<u8>, record: &AccessRecord<'_>, time: &Timestamp) {
        let mut object = Object::begin(line);
        for (key, field) in &self.0 {
            object.key(key);
            object.field(field, record, time);
        }
        object.end();
    }
}

fn field(name: &str) -> Option<JsonField> {
    if let Some((field, kind)) = name.strip_prefix('{').and_then(|it| it.split_once('}')) {
        let field = field.to_owned();
        return Some(match kind {
            "i" => JsonField::RequestHeader(field),
            "o" => JsonField::ResponseHeader(field),
            "e" => JsonField::Environ(field),
            _ => return None,
        });
    }
    Some(match name {
        "time" => JsonField::Time,
        "pid" => JsonField::Pid,
        "remote_addr" => JsonField::RemoteAddr,
        "user" => JsonField::User,
        "method" => JsonField::Method,
        "target" => JsonField::Target,
        "path" => JsonField::Path,
        "query" => JsonField::Query,
        "protocol" => JsonField::Protocol,
        "status" => JsonField::Status,
        "bytes" => JsonField::Bytes,
        "duration_s" => JsonField::Seconds,
        "duration_ms" => JsonField::Milliseconds,
        "duration_us" => JsonField::Microseconds,
        "user_agent" => JsonField::RequestHeader("user-agent".to_owned()),
        "referer" => JsonField::RequestHeader("referer".to_owned()),
        "request_id" => JsonField::RequestId,
        "trace_id" => JsonField::TraceId,
        "span_id" => JsonField::SpanId,
        _ => return None,
    })
}

/// A line of the error log.
pub fn error_line(level: &str, message: &str, time: &Timestamp) -> Vec<u8> {
    let mut line = Vec::new();
    let mut object = Object::begin(&mut line);
    object.key("time");
    object.time(time);
    object.key("level");
    object.text(level);
    object.key("pid");
    object.integer(process::id().into());
    object.key("message");
    object.text(message);
    object.end();
    line.push(b'\n');
    line
}

/// A JSON object being written.
struct Object<'a> {
    line: &'a mut Vec<u8>,
    empty: bool,
}

impl<'a> Object<'a> {
    fn begin(line: &'a mut Vec<u8>) -> Self {
        line.push(b'{');
        Object { line, empty: true }
    }

    fn end(self) {
        self.line.push(b'}');
    }

    /// Writes a key. One value must follow.
    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.empty) {
            self.line.extend_from_slice(b", ");
        }
        self.text(key);
        self.line.extend_from_slice(b": ");
    }

    fn field(&mut self, field: &JsonField, record: &AccessRecord<'_>, time: &Timestamp) {
        match field {
            JsonField::Time => self.time(time),
            JsonField::Pid => self.integer(process::id().into()),
            JsonField::RemoteAddr => self.known(record.remote_addr.as_bytes()),
            JsonField::User => self.found(record.user().map(Cow::Owned)),
            JsonField::Method => self.known(record.method),
            JsonField::Target => self.known(record.target),
            JsonField::Path => self.known(record.path),
            // An empty query is known, too, if there is a path.
            JsonField::Query if record.path.is_empty() => self.known(record.query),
            JsonField::Query => self.bytes(record.query),
            JsonField::Protocol => self.known(record.protocol.as_bytes()),
            JsonField::Status => self.integer(record.status.into()),
            JsonField::Bytes => self.integer(record.body_bytes),
            JsonField::Seconds => self.decimal(record.elapsed, 1_000_000),
            JsonField::Milliseconds => self.decimal(record.elapsed, 1_000),
            JsonField::Microseconds => self.integer(record.elapsed.as_micros() as u64),
            JsonField::RequestId => self.known(&record.id()),
            JsonField::TraceId => self.known(record.trace.unwrap_or_default().0.as_bytes()),
            JsonField::SpanId => self.known(record.trace.unwrap_or_default().1.as_bytes()),
            JsonField::RequestHeader(name) => self.found((record.request_field)(name)),
            JsonField::ResponseHeader(name) => self.found((record.response_field)(name)),
            JsonField::Environ(name) => self.found((record.environ)(name)),
        }
    }

    fn known(&mut self, value: &[u8]) {
        self.found((!value.is_empty()).then_some(value.into()));
    }

    fn found(&mut self, value: Option<Cow<'_, [u8]>>) {
        match value {
            Some(value) => self.bytes(&value),
            None => self.line.extend_from_slice(b"null"),
        }
    }

    /// Reads the bytes as UTF-8, or as Latin-1 if they are not UTF-8.
    fn bytes(&mut self, value: &[u8]) {
        match std::str::from_utf8(value) {
            Ok(text) => self.text(text),
            Err(_) => self.text(
                &value
                    .iter()
                    .map(|&byte| char::from(byte))
                    .collect::<String>(),
            ),
        }
    }

    /// Writes text in printable ASCII, as Python's `json` does: other
    /// characters could control a terminal, or end the line for a reader.
    fn text(&mut self, text: &str) {
        let start = self.line.len();
        // Writing to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *self.line, text);
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~');
        if self.line[start..].iter().all(is_plain) {
            return;
        }
        let written = self.line.split_off(start);
        for character in String::from_utf8_lossy(&written).chars() {
            match character {
                ' '..='~' => self.line.push(character as u8),
                other => self.code_units(other),
            }
        }
    }

    /// A character as its code units in UTF-16 (RFC 8259, section 7).
    fn code_units(&mut self, character: char) {
        for unit in character.encode_utf16(&mut [0; 2]) {
            self.line
                .extend_from_slice(format!("\\u{unit:04x}").as_bytes());
        }
    }

    fn integer(&mut self, number: u64) {
        let mut digits = itoa::Buffer::new();
        self.line
            .extend_from_slice(digits.format(number).as_bytes());
    }

    /// The time in units of this many microseconds, with all digits.
    fn decimal(&mut self, time: Duration, unit: u64) {
        let microseconds = time.as_micros() as u64;
        self.integer(microseconds / unit);
        // One digit more than the fraction has. The first digit becomes the
        // point.
        let point = self.line.len();
        self.integer(unit + microseconds % unit);
        self.line[point] = b'.';
    }

    /// The time in the form of RFC 3339.
    fn time(&mut self, time: &Timestamp) {
        let (seconds, zone) = time.rfc3339();
        self.line.push(b'"');
        self.line.extend_from_slice(seconds.as_bytes());
        let point = self.line.len();
        self.integer(1_000_000 + u64::from(time.microseconds()));
        self.line[point] = b'.';
        self.line.extend_from_slice(zone.as_bytes());
        self.line.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn line(fields: &str, record: &AccessRecord<'_>) -> String {
        let mut line = Vec::new();
        let fields = AccessFields::parse(fields).unwrap();
        fields.render(&mut line, record, &Timestamp::now());
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn numbers_are_numbers_and_the_unknown_is_null() {
        let record = AccessRecord {
            method: b"GET",
            path: b"/",
            status: 200,
            body_bytes: 14,
            elapsed: Duration::from_micros(2_034_067),
            ..AccessRecord::unknown()
        };
        assert_eq!(
            line(
                "method,query,status,bytes,duration_s,duration_ms,duration_us,remote_addr,user",
                &record
            ),
            r#"{"method": "GET", "query": "", "status": 200, "bytes": 14, "duration_s": 2.034067, "duration_ms": 2034.067, "duration_us": 2034067, "remote_addr": null, "user": null}"#
        );
        assert_eq!(
            line("query", &AccessRecord::unknown()),
            r#"{"query": null}"#
        );
        assert_eq!(line("", &record), "{}");
    }

    #[test]
    fn a_field_can_have_a_name_of_its_own() {
        let field = |name: &str| Some(Cow::Owned(name.to_ascii_uppercase().into_bytes()));
        let record = AccessRecord {
            request_field: &field,
            ..AccessRecord::unknown()
        };
        assert_eq!(
            line(" trace = {x-trace}i, {dnt}i ,user_agent", &record),
            r#"{"trace": "X-TRACE", "{dnt}i": "DNT", "user_agent": "USER-AGENT"}"#
        );
        assert!(AccessFields::parse("status,nope").is_err());
        assert!(AccessFields::parse("{x}z").is_err());
    }

    #[test]
    fn any_bytes_are_one_valid_object() {
        let hostile: Vec<u8> = (0..=255).collect();
        let record = AccessRecord {
            target: &hostile,
            path: "/é\"\\\n".as_bytes(),
            ..AccessRecord::unknown()
        };
        let line = line("target,path", &record);
        assert!(
            line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{line}"
        );
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["path"], "/é\"\\\n");
        let target = object["target"].as_str().unwrap();
        assert!(target.chars().map(|c| c as u32).eq(0..=255), "{target}");
    }

    #[test]
    fn what_is_not_printable_ascii_is_escaped() {
        let text = "\u{9b}2J \u{7f} \u{85} \u{2028} \u{202e} \u{e9} \u{1f600}";
        let record = AccessRecord {
            path: text.as_bytes(),
            ..AccessRecord::unknown()
        };
        let escaped = r"\u009b2J \u007f \u0085 \u2028 \u202e \u00e9 \ud83d\ude00";
        assert_eq!(line("path", &record), format!(r#"{{"path": "{escaped}"}}"#));
        let error = error_line("ERROR", text, &Timestamp::now());
        let error = String::from_utf8(error).unwrap();
        assert!(error.contains(escaped), "{error}");
        let object: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(object["message"], text);
        let named = line(&format!("{text}=path"), &record);
        assert!(named.starts_with(&format!("{{\"{escaped}\"")), "{named}");
    }

    #[test]
    fn an_error_is_one_line() {
        let line = error_line("ERROR", "first\nsecond", &Timestamp::now());
        assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
        let object: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(object["message"], "first\nsecond");
        assert_eq!(object["pid"], process::id());
        let time = object["time"].as_str().unwrap();
        let form: String = time
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        assert_eq!(form.replace('-', "+"), "0000+00+00T00:00:00.000000+00:00");
    }
}
