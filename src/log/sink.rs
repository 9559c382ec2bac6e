//! Another way for both logs than our own: Python's `logging`, when a logging
//! config asks for it. What implements it is not known here.

use super::clock::Stamp;
use super::format::{AccessFormat, Piece, atom};
use super::record::AccessRecord;
use super::text::render_piece;

/// Takes the records of both logs.
pub trait Sink: Send + Sync {
    /// A record of the error log, its level numbered as in Python's `logging`.
    fn error(&self, level: u8, message: &str);

    /// A request: what `access_log_format` is filled with.
    fn access(&self, atoms: &[(String, Atom)]);

    /// Opens log files anew.
    fn reopen(&self);
}

/// The value of an atom, in Gunicorn's types.
#[derive(Clone, Debug, PartialEq)]
pub enum Atom {
    Text(String),
    Number(u64),
}

/// The atoms that do not name a field.
const NAMES: [&str; 20] = [
    "h",
    "l",
    "u",
    "t",
    "r",
    "s",
    "m",
    "U",
    "q",
    "H",
    "b",
    "B",
    "f",
    "a",
    "T",
    "D",
    "M",
    "L",
    "p",
    "request_id",
];

/// All of those, and the ones with a field's name that the format has.
pub fn atoms(
    format: &AccessFormat,
    record: &AccessRecord<'_>,
    time: &Stamp,
) -> Vec<(String, Atom)> {
    let elapsed = record.elapsed;
    let text = |piece: Option<&Piece>| {
        let mut value = Vec::new();
        match piece {
            Some(piece) => render_piece(&mut value, piece, record, time),
            None => value.push(b'-'),
        }
        Atom::Text(String::from_utf8_lossy(&value).into_owned())
    };
    let known = NAMES.iter().map(|&name| {
        let value = match name {
            "B" => Atom::Number(record.body_bytes),
            "T" => Atom::Number(elapsed.as_secs()),
            "M" => Atom::Number(elapsed.as_millis() as u64),
            "D" => Atom::Number(elapsed.as_micros() as u64),
            name => text(atom(name).as_ref()),
        };
        (name.to_owned(), value)
    });
    let of_fields = format.0.iter().filter_map(|piece| {
        let name = match piece {
            Piece::RequestField(name) => format!("{{{name}}}i"),
            Piece::ResponseField(name) => format!("{{{name}}}o"),
            Piece::Environ(name) => format!("{{{name}}}e"),
            _ => return None,
        };
        Some((name, text(Some(piece))))
    });
    known.chain(of_fields).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn atoms_have_gunicorns_types() {
        let format = AccessFormat::parse("%(h)s %({X-Id}i)s").unwrap();
        let record = AccessRecord {
            method: b"G\"T",
            status: 200,
            body_bytes: 14,
            ..AccessRecord::unknown()
        };
        let atoms = atoms(&format, &record, &Stamp::now());
        let value = |name: &str| &atoms.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(value("s"), &Atom::Text("200".to_owned()));
        assert_eq!(value("b"), &Atom::Text("14".to_owned()));
        assert_eq!(value("B"), &Atom::Number(14));
        assert_eq!(value("m"), &Atom::Text("G\\\"T".to_owned()));
        assert_eq!(value("l"), &Atom::Text("-".to_owned()));
        assert_eq!(value("{X-Id}i"), &Atom::Text("-".to_owned()));
    }
}
