//! How urgent the client finds the answer to a request (RFC 9218).

use crate::http::field::trim;

/// The order in which a client wants its answers (RFC 9218 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// From 0, the most urgent, to 7.
    pub urgency: u8,
    /// True if the client can use the answer in parts, so that it may come in turns
    /// with others of this urgency.
    pub incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Priority {
            urgency: 3,
            incremental: false,
        }
    }
}

impl Priority {
    /// Reads the field `priority`, or the value of a PRIORITY_UPDATE frame: a
    /// dictionary of which `u` and `i` count (RFC 8941 section 3.2). What is not
    /// valid is as if it were not there.
    pub fn parse(value: &[u8]) -> Priority {
        let mut priority = Priority::default();
        for member in split_unquoted(value, b',').map(trim) {
            // The parameters of a member say nothing that is known.
            let item = split_unquoted(member, b';').next().unwrap_or_default();
            let (key, value) = match memchr::memchr(b'=', item) {
                Some(equals) => (&item[..equals], Some(&item[equals + 1..])),
                None => (item, None),
            };
            let default = Priority::default();
            // If a key comes twice, its last value counts.
            match (key, value) {
                (b"u", Some([digit @ b'0'..=b'7'])) => priority.urgency = digit - b'0',
                (b"u", _) => priority.urgency = default.urgency,
                (b"i", None | Some(b"?1")) => priority.incremental = true,
                (b"i", _) => priority.incremental = default.incremental,
                _ => {}
            }
        }
        priority
    }
}

/// The parts between these bytes outside of quoted strings.
fn split_unquoted(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    bytes.split(move |&byte| {
        // A backslash in a string takes the meaning from the byte after it.
        let is_quote = byte == b'"' && !escaped;
        escaped = quoted && byte == b'\\' && !escaped;
        quoted ^= is_quote;
        byte == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgency_and_increments_are_read() {
        for (value, urgency, incremental) in [
            ("", 3, false),
            ("u=0", 0, false),
            ("u=7, i", 7, true),
            ("i,u=1", 1, true),
            ("i=?1", 3, true),
            ("i, i=?0", 3, false),
            ("u=1,\tu=5", 5, false),
            ("u=2;x=9;y, i;z=\"a,b\"", 2, true),
            ("x=\"u=0, \\\", i\", u=4", 4, false),
            ("x=(a b), y=?0, u=6", 6, false),
        ] {
            let expected = Priority {
                urgency,
                incremental,
            };
            assert_eq!(Priority::parse(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn what_is_not_valid_does_not_count() {
        for value in [
            "u",
            "u=",
            "u=8",
            "u=-1",
            "u=10",
            "u=1.0",
            "u=\"1\"",
            "u =1",
            "U=1",
            "I",
            "i=1",
            "i=true",
            "i=?2",
            "u=1, u=9",
            "x=\"u=1, i",
            ",;=\u{0},\u{ff}",
        ] {
            let default = Priority::default();
            assert_eq!(Priority::parse(value.as_bytes()), default, "{value}");
        }
    }
}
