//! The field that tells monitoring agents when the request arrived, so that they
//! know how long it has waited for the app.

use super::head::Head;

/// Agents also know it by other names; this one is known to all of them.
const NAME: &str = "X-Request-Start";

/// Sets the field to this moment, in milliseconds since 1970. One of a trusted client
/// stays.
///
/// The value has the form that nginx's `t=${msec}` has: seconds, with a point before
/// the milliseconds. Every agent knows it, but some take no microseconds.
pub fn stamp_start(head: &mut Head, trusted: bool, millis: u64) {
    if trusted && head.field(NAME).is_some() {
        return;
    }
    head.remove(NAME);
    let stamp = format!("t={}.{:03}", millis / 1000, millis % 1000);
    head.append(NAME.as_bytes(), stamp.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{HeadParser, Policy, Underscores};

    fn stamped(lines: &str, trusted: bool) -> Vec<String> {
        let mut head = Head::default();
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let policy = Policy {
            underscores: Underscores::Keep,
            ..Policy::default()
        };
        let parsed = HeadParser::default().advance(text.as_bytes(), &policy, &mut head);
        assert_eq!(parsed, Ok(Some(text.len())));
        stamp_start(&mut head, trusted, 1_512_379_167_074);
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        head.fields()
            .skip(1)
            .map(|(name, value)| text(name) + "=" + &text(value))
            .collect()
    }

    #[test]
    fn the_start_is_that_of_the_first_trusted_server() {
        let own = ["X-Request-Start=t=1512379167.074"];
        assert_eq!(stamped("", true), own);
        assert_eq!(stamped("", false), own);
        let sent = "x-request-start: t=1\r\n";
        assert_eq!(stamped(sent, true), ["x-request-start=t=1"]);
        assert_eq!(stamped(sent, false), own);
        // CGI does not tell an underscore from a hyphen.
        assert_eq!(stamped("X_Request-Start: t=1\r\n", false), own);
    }
}
