//! The fields by which requests of several servers are found to belong together
//! (W3C Trace Context, levels 1 and 2).

use super::head::Head;
use crate::http::field::list;

/// The fields' names.
pub const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The length of `00-TRACE_ID-SPAN_ID-FLAGS`.
const LENGTH: usize = 55;

/// How many entries a `tracestate` may have.
const MOST_ENTRIES: usize = 32;

/// Which requests have a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMode {
    /// The fields are left as they are.
    #[default]
    Off,
    /// Those of trusted clients.
    Accept,
    /// All: one is made for those that have none.
    Make,
}

/// What `traceparent` says: the trace, and the span that the request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent([u8; LENGTH]);

impl TraceParent {
    /// Reads a value of the field. A version of the future may have more at its end,
    /// which is left out.
    pub fn parse(value: &[u8]) -> Option<TraceParent> {
        let (known, rest) = value.split_at_checked(LENGTH)?;
        let known: [u8; LENGTH] = known.try_into().ok()?;
        let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_id = |part: &[u8]| is_hex(part) && part.iter().any(|b| *b != b'0');
        let version = &known[..2];
        let is_whole = match version {
            b"ff" => false,
            b"00" => rest.is_empty(),
            _ => rest.first().is_none_or(|b| *b == b'-'),
        };
        let is_valid = is_whole
            && is_hex(version)
            && [2, 35, 52].iter().all(|dash| known[*dash] == b'-')
            && is_id(&known[3..35])
            && is_id(&known[36..52])
            && is_hex(&known[53..]);
        is_valid.then_some(TraceParent(known))
    }

    /// A new trace, of two numbers that must be random. It is marked as sampled,
    /// since agents that do as their callers do would record nothing otherwise, and
    /// as random.
    pub fn new(trace: u128, span: u64) -> TraceParent {
        // Zeros are no ids.
        let (trace, span) = (trace.max(1), span.max(1));
        let text = format!("00-{trace:032x}-{span:016x}-03");
        TraceParent(text.as_bytes().try_into().expect("it has this length"))
    }

    /// `VERSION-TRACE_ID-SPAN_ID-FLAGS`.
    pub fn as_str(&self) -> &str {
        self.part(0..LENGTH)
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.part(3..35)
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> &str {
        self.part(36..52)
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        str::from_utf8(&self.0[range]).expect("it is ASCII")
    }
}

/// Decides which trace a request belongs to, and leaves only valid fields in its
/// head: those of the client if it is `trusted`, else the new one of `make`, if that
/// makes one.
pub fn settle_trace(
    head: &mut Head,
    trusted: bool,
    make: impl FnOnce() -> Option<TraceParent>,
) -> Option<TraceParent> {
    let taken = parent_of(head).filter(|_| trusted);
    if taken.is_some() {
        if !is_trace_state(values(head, TRACESTATE)) {
            head.remove(TRACESTATE);
        }
        return taken;
    }
    head.remove(TRACEPARENT);
    head.remove(TRACESTATE);
    let made = make();
    if let Some(made) = &made {
        head.append(TRACEPARENT.as_bytes(), made.as_str().as_bytes());
    }
    made
}

/// The only `traceparent`; nothing if there are several.
fn parent_of(head: &Head) -> Option<TraceParent> {
    let mut all = values(head, TRACEPARENT);
    let first = all.next()?;
    match all.next() {
        None => TraceParent::parse(first),
        Some(_) => None,
    }
}

fn values<'a>(head: &'a Head, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let named = head.fields();
    let named = named.filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value)
}

/// True if these lines together are a list of entries `key=value`, each key once.
fn is_trace_state<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut keys = Vec::new();
    for entry in lines.flat_map(list) {
        let Some(equals) = entry.iter().position(|b| *b == b'=') else {
            return false;
        };
        let (key, value) = (&entry[..equals], &entry[equals + 1..]);
        if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MOST_ENTRIES {
            return false;
        }
        keys.push(key);
    }
    true
}

/// Level 2, whose keys include those of level 1.
fn is_key(key: &[u8]) -> bool {
    let [first, rest @ ..] = key else {
        return false;
    };
    let is_start = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    is_start(first) && rest.len() <= 255 && rest.iter().all(|b| is_start(b) || b"_-*/@".contains(b))
}

/// The white space around it is gone already.
fn is_value(value: &[u8]) -> bool {
    let is_fit = |b: &u8| matches!(b, b' '..=b'~') && !b",=".contains(b);
    (1..=256).contains(&value.len()) && value.iter().all(is_fit)
}

#[cfg(test)]
#[path = "tests/trace_context.rs"]
mod tests;
