//! The parsed form of an access log line.

/// One atom of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Atom {
    /// Literal text.
    Literal(Vec<u8>),
    /// `%(h)s`
    Address,
    /// `%(u)s`
    User,
    /// `%(t)s`
    Time,
    /// `%(r)s`
    RequestLine,
    /// `%(m)s`
    Method,
    /// `%(U)s`
    Path,
    /// `%(q)s`
    Query,
    /// `%(H)s`
    Protocol,
    /// `%(s)s`
    Status,
    /// `%(b)s` and `%(B)s`
    Bytes,
    /// `%(T)s`
    Seconds,
    /// `%(M)s`
    Milliseconds,
    /// `%(D)s`
    Microseconds,
    /// `%(L)s`
    DecimalSeconds,
    /// `%(p)s`
    Process,
    /// `%(request_id)s`
    RequestId,
    /// `%(trace_id)s`
    TraceId,
    /// `%(span_id)s`
    SpanId,
    /// `%({name}i)s`, `%(f)s` and `%(a)s`
    RequestField(String),
    /// `%({name}o)s`
    ResponseField(String),
    /// `%({name}e)s`
    Environ(String),
}

/// A compiled `access_log_format`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccessFormat(pub(super) Vec<Atom>);

/// Why a format cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "the format has a '%' that begins no atom, at '{rest}'; \
     write an atom as %(h)s and a percent sign as %%"
)]
pub struct BadFormat {
    rest: String,
}

impl AccessFormat {
    /// Compiles a format in the form of Python's `%` operator: `%(atom)s`, or
    /// `d` or `r` in place of the `s`, and `%%`. An unknown atom gives `-`, as
    /// in Gunicorn.
    pub fn parse(format: &str) -> Result<Self, BadFormat> {
        let mut atoms = Atoms::default();
        let mut rest = format;
        while let Some((before, after)) = rest.split_once('%') {
            atoms.text(before);
            if let Some(after) = after.strip_prefix('%') {
                atoms.text("%");
                rest = after;
                continue;
            }
            let Some((name, after)) = atom_name(after) else {
                let rest = format!("%{after}");
                return Err(BadFormat { rest });
            };
            match atom(name) {
                Some(atom) => atoms.0.push(atom),
                None => atoms.text("-"),
            }
            rest = after;
        }
        atoms.text(rest);
        Ok(Self(atoms.0))
    }
}

/// The atoms so far. Adjacent literal texts become one.
#[derive(Default)]
struct Atoms(Vec<Atom>);

impl Atoms {
    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Atom::Literal(literal)) => literal.extend_from_slice(text.as_bytes()),
            _ if text.is_empty() => {}
            _ => self.0.push(Atom::Literal(text.into())),
        }
    }
}

/// Splits `(name)s...` into the name and what follows.
fn atom_name(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('(')?.split_once(')')?;
    Some((name, rest.strip_prefix(['s', 'd', 'r'])?))
}

/// The atom `%(name)s`; nothing if it always gives a dash.
pub(super) fn atom(name: &str) -> Option<Atom> {
    if let Some((field, kind)) = name.strip_prefix('{').and_then(|it| it.split_once('}')) {
        let field = field.to_owned();
        return Some(match kind {
            "i" => Atom::RequestField(field),
            "o" => Atom::ResponseField(field),
            "e" => Atom::Environ(field),
            _ => return None,
        });
    }
    Some(match name {
        "h" => Atom::Address,
        "u" => Atom::User,
        "t" => Atom::Time,
        "r" => Atom::RequestLine,
        "m" => Atom::Method,
        "U" => Atom::Path,
        "q" => Atom::Query,
        "H" => Atom::Protocol,
        "s" => Atom::Status,
        "b" | "B" => Atom::Bytes,
        "f" => Atom::RequestField("referer".to_owned()),
        "a" => Atom::RequestField("user-agent".to_owned()),
        "T" => Atom::Seconds,
        "M" => Atom::Milliseconds,
        "D" => Atom::Microseconds,
        "L" => Atom::DecimalSeconds,
        "p" => Atom::Process,
        "request_id" => Atom::RequestId,
        "trace_id" => Atom::TraceId,
        "span_id" => Atom::SpanId,
        // `l`, the remote name, is never known.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Atom {
        Atom::Literal(text.into())
    }

    #[test]
    fn a_format_becomes_pieces() {
        assert_eq!(
            AccessFormat::parse("%(h)s %(l)s 100%% %({X-Id}i)s%(D)d").unwrap(),
            AccessFormat(vec![
                Atom::Address,
                literal(" - 100% "),
                Atom::RequestField("X-Id".to_owned()),
                Atom::Microseconds,
            ])
        );
        assert_eq!(AccessFormat::parse("").unwrap(), AccessFormat(vec![]));
    }

    #[test]
    fn what_is_not_known_is_a_dash() {
        assert_eq!(
            AccessFormat::parse("%(nope)s %({x}z)s").unwrap(),
            AccessFormat(vec![literal("- -")])
        );
    }

    #[test]
    fn a_percent_sign_alone_is_refused() {
        for format in ["%", "%h", "100% ", "%(h", "%(h)", "%(h)5"] {
            assert!(AccessFormat::parse(format).is_err(), "{format}");
        }
    }
}
