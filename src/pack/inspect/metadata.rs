//! The metadata of a package: the file METADATA of a wheel (core metadata
//! specification, PEP 566 and 639).

/// The fields that are used here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackageMetadata {
    pub name: String,
    pub version: String,
    pub licence: Option<Licence>,
    /// The packages that it requires, by their normal names (PEP 503).
    pub requires: Vec<String>,
}

/// A licence as the package states it.
#[derive(Clone, Debug, PartialEq)]
pub enum Licence {
    /// An SPDX expression.
    Expression(String),
    /// Any other text.
    Name(String),
}

impl Licence {
    pub fn text(&self) -> &str {
        let (Self::Expression(text) | Self::Name(text)) = self;
        text
    }

    /// An expression if the text can be one, else a name.
    pub fn told(text: &str) -> Self {
        // Old crates have a slash between two licences.
        let spaced = text
            .replace('/', " OR ")
            .replace('(', " ( ")
            .replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        if is_expression(&words) {
            let joined = words.join(" ").replace("( ", "(").replace(" )", ")");
            Self::Expression(joined)
        } else {
            Self::Name(text.to_owned())
        }
    }
}

/// Whether words are identifiers with operators between them (SPDX 2.3, annex D). It is
/// not checked which identifiers exist.
fn is_expression(words: &[&str]) -> bool {
    let is_operator = |word: &str| matches!(word, "AND" | "OR" | "WITH");
    let mut depth = 0_usize;
    let mut wants_identifier = true;
    for word in words {
        match (*word, wants_identifier) {
            ("(", true) => depth += 1,
            (")", false) if depth > 0 => depth -= 1,
            (word, false) if is_operator(word) => wants_identifier = true,
            (word, true) if !is_operator(word) && is_identifier(word) => wants_identifier = false,
            _ => return false,
        }
    }
    depth == 0 && !wants_identifier
}

fn is_identifier(word: &str) -> bool {
    word.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'+'))
}

impl PackageMetadata {
    /// Reads the fields; unknown ones are ignored.
    pub fn read(text: &str) -> Self {
        let mut found = Self::default();
        let (mut expression, mut plain) = (None, None);
        let mut classified = Vec::new();
        for (field, value) in fields(text) {
            match field.to_ascii_lowercase().as_str() {
                "name" => found.name = value,
                "version" => found.version = value,
                "license-expression" => expression = Some(value),
                "license" => plain = Some(value),
                "classifier" => classified.extend(classified_licence(&value)),
                "requires-dist" => found.requires.extend(required(&value)),
                _ => {}
            }
        }
        // Some packages have the whole text of the licence there.
        let plain = plain.filter(|it| !it.is_empty() && it != "UNKNOWN" && is_short(it));
        found.licence = match (expression, plain) {
            (Some(expression), _) => Some(Licence::told(&expression)),
            (None, Some(plain)) => Some(Licence::Name(plain)),
            (None, None) if classified.is_empty() => None,
            (None, None) => Some(Licence::Name(classified.join(", "))),
        };
        found.requires.sort();
        found.requires.dedup();
        found
    }
}

fn is_short(licence: &str) -> bool {
    licence.chars().count() <= 60 && !licence.contains('\n')
}

/// The header fields with their values. A line that begins with white space continues
/// the one before (RFC 822).
fn fields(text: &str) -> Vec<(&str, String)> {
    let mut fields: Vec<(&str, String)> = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name, value.trim().to_owned()));
        }
    }
    fields
}

/// `MIT License` for `License :: OSI Approved :: MIT License`.
fn classified_licence(classifier: &str) -> Option<String> {
    let licence = classifier.strip_prefix("License :: ")?;
    let last = licence.rsplit(" :: ").next()?;
    (last != "OSI Approved").then(|| last.to_owned())
}

/// The package that a requirement names (PEP 508); `None` if only an extra requires it.
fn required(requirement: &str) -> Option<String> {
    let (wanted, marker) = requirement.split_once(';').unwrap_or((requirement, ""));
    if marker.contains("extra") {
        return None;
    }
    let end = wanted.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let name = &wanted[..end.unwrap_or(wanted.len())];
    (!name.is_empty()).then(|| normal_name(name))
}

/// A package's normal name (PEP 503): lower case, and runs of `-`, `_` and `.` as one
/// `-`.
pub fn normal_name(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        if !matches!(character, '-' | '_' | '.') {
            normal.extend(character.to_lowercase());
        } else if !normal.ends_with('-') {
            normal.push('-');
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_up_to_the_description() {
        let read = PackageMetadata::read(
            "Metadata-Version: 2.4\nName: Flask.Thing\nVersion: 3.1\n\
             License-Expression: MIT  or\n\
             License: BSD\n\
             Requires-Dist: Werk_zeug>=3.1\nRequires-Dist: asgiref (>=3.2); extra == \"async\"\n\
             Requires-Dist: click[x]>=8 ; python_version > '3'\n\nName: nobody\n",
        );
        assert_eq!((&*read.name, &*read.version), ("Flask.Thing", "3.1"));
        assert_eq!(read.requires, ["click", "werk-zeug"]);
        assert_eq!(read.licence, Some(Licence::Name("MIT  or".to_owned())));
    }

    #[test]
    fn the_licence_is_where_the_package_tells_it() {
        let licence = |text: &str| {
            PackageMetadata::read(text)
                .licence
                .map(|it| it.text().to_owned())
        };
        assert_eq!(licence("License: MIT\n").as_deref(), Some("MIT"));
        let classified = "License: Copyright\n  (c) somebody\n\
                          Classifier: License :: OSI Approved :: MIT License\n\
                          Classifier: License :: OSI Approved\n";
        assert_eq!(licence(classified).as_deref(), Some("MIT License"));
        assert_eq!(licence("License: UNKNOWN\n"), None);
        assert_eq!(licence("Name: a\n"), None);
    }

    #[test]
    fn expressions_are_told_from_other_words() {
        for (text, expected) in [
            ("MIT", "MIT"),
            ("MIT/Apache-2.0", "MIT OR Apache-2.0"),
            ("(MIT OR Zlib) AND GPL-3.0+", "(MIT OR Zlib) AND GPL-3.0+"),
            (
                "Apache-2.0 WITH LLVM-exception",
                "Apache-2.0 WITH LLVM-exception",
            ),
        ] {
            assert_eq!(
                Licence::told(text),
                Licence::Expression(expected.to_owned())
            );
        }
        for text in [
            "public domain",
            "MIT OR",
            "(MIT",
            "MIT) OR (Zlib",
            "",
            "a, b",
        ] {
            assert_eq!(Licence::told(text), Licence::Name(text.to_owned()));
        }
    }

    #[test]
    fn names_are_normalised() {
        assert_eq!(normal_name("Zope.Interface__x"), "zope-interface-x");
    }
}
