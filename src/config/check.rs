//! The checks of the settings: each turns a raw value into the type of a
//! field, or gives the reason why it cannot, and what to do.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::unistd::{Group, User};

use super::folder::current_folder;
use super::value::{FromValue, Value};
use crate::http::is_token;
use crate::log::{AccessFields, AccessFormat};
use crate::net::Address;

macro_rules! checks_of_types {
    ($( $type:ty: $check:path, )+) => { $(
        impl FromValue for $type {
            fn from_value(value: Value) -> Result<Self, String> {
                $check(value)
            }
        }
    )+ };
}

checks_of_types! {
    bool: switch,
    u32: number,
    u64: large_number,
    String: text,
    OsString: system_text,
    Option<PathBuf>: path,
    Value: Ok,
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Result<Self, String> {
        match value {
            Value::None => Ok(None),
            other => T::from_value(other).map(Some),
        }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Result<Self, String> {
        list(value, T::from_value)
    }
}

/// The most connections, workers or seconds that make sense: what `int`
/// holds in C.
const MAX_NUMBER: i64 = i32::MAX as i64;

/// A whole number of 0 or more; text may also be hexadecimal (`0x`), octal
/// (`0o`) or binary (`0b`).
pub fn number(raw: Value) -> Result<u32, String> {
    match integer(&raw) {
        Some(number) if (0..=MAX_NUMBER).contains(&number) => Ok(number as u32),
        _ => Err(format!(
            "{raw} is not a whole number from 0 to {MAX_NUMBER}"
        )),
    }
}

/// A [`number`] of this range.
pub fn between<const LOW: u32, const HIGH: u32>(raw: Value) -> Result<u32, String> {
    match number(raw.clone()) {
        Ok(number) if (LOW..=HIGH).contains(&number) => Ok(number),
        _ => Err(format!("{raw} is not a whole number from {LOW} to {HIGH}")),
    }
}

/// A number of bytes.
pub fn large_number(raw: Value) -> Result<u64, String> {
    match integer(&raw) {
        Some(number) if number >= 0 => Ok(number as u64),
        _ => Err(format!("{raw} is not a whole number of 0 or more")),
    }
}

/// A [`number`] that is octal when its text begins with 0.
pub fn mode(raw: Value) -> Result<u32, String> {
    let Value::Str(text) = &raw else {
        return number(raw);
    };
    match text.trim().strip_prefix('0') {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => {
            number(Value::Str(format!("0o{digits}")))
        }
        _ => number(raw),
    }
}

/// `True`, `False`, or these words in any case.
pub fn switch(raw: Value) -> Result<bool, String> {
    match &raw {
        Value::Bool(switch) => return Ok(*switch),
        Value::Str(text) if text.trim().eq_ignore_ascii_case("true") => return Ok(true),
        Value::Str(text) if text.trim().eq_ignore_ascii_case("false") => return Ok(false),
        _ => {}
    }
    Err(format!("{raw} is neither True nor False"))
}

/// Text.
pub fn text(raw: Value) -> Result<String, String> {
    match raw {
        Value::Str(text) => Ok(text.trim().to_owned()),
        raw @ Value::Raw(_) => Err(format!("{raw} is not UTF-8")),
        other => Err(format!("{other} is not text")),
    }
}

/// The value of a header field: printable ASCII. RFC 9110 (section 5.5) advises to
/// send nothing else.
pub fn field_value(raw: Value) -> Result<String, String> {
    let value = text(raw)?;
    match value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => Ok(value),
        false => Err(format!(
            "{value:?} cannot be the value of a header field; take printable ASCII characters"
        )),
    }
}

/// Text that stands in a line of a log or of a protocol.
pub fn line(raw: Value) -> Result<String, String> {
    let line = text(raw)?;
    match line.contains(is_line_end) {
        true => Err(format!(
            "{line:?} has a control character; leave out line ends and the like"
        )),
        false => Ok(line),
    }
}

/// A [`line`], or nothing.
pub fn optional_line(raw: Value) -> Result<Option<String>, String> {
    match raw {
        Value::None => Ok(None),
        other => line(other).map(Some),
    }
}

/// Control characters, and the other line ends of Unicode.
fn is_line_end(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The name of a header field, a token (RFC 9110 section 5.6.2), or nothing.
pub fn field_name(raw: Value) -> Result<Option<String>, String> {
    let name: Option<String> = FromValue::from_value(raw)?;
    match name {
        Some(name) if !is_token(name.as_bytes()) => Err(format!(
            "'{}' is not the name of a header field; take letters, digits and '-', such as \
             'X-Request-ID'",
            name.escape_debug()
        )),
        name => Ok(name),
    }
}

/// Text that the system takes in any encoding: a path, or what holds one.
pub fn system_text(raw: Value) -> Result<OsString, String> {
    match raw {
        Value::Raw(text) => Ok(text),
        other => text(other).map(OsString::from),
    }
}

/// A path; a relative one is meant from the folder the program starts in.
pub fn path(raw: Value) -> Result<Option<PathBuf>, String> {
    match Option::<OsString>::from_value(raw)? {
        None => Ok(None),
        // A shell gives this for a variable that is not set.
        Some(text) if text.is_empty() => Ok(None),
        Some(text) => Ok(Some(current_folder().join(text))),
    }
}

/// A file that exists; a relative path as in [`path`].
pub fn file(raw: Value) -> Result<Option<PathBuf>, String> {
    match path(raw)? {
        Some(path) if !path.exists() => Err(format!("there is no file '{}'", path.display())),
        path => Ok(path),
    }
}

/// A folder that exists.
pub fn folder(raw: Value) -> Result<Option<PathBuf>, String> {
    let Some(path) = path(raw)? else {
        return Ok(None);
    };
    if path.is_dir() {
        Ok(Some(path))
    } else {
        Err(format!("there is no folder '{}'", path.display()))
    }
}

/// An address to listen at.
pub fn one_address(raw: Value) -> Result<Option<String>, String> {
    let Some(address) = optional_line(raw)? else {
        return Ok(None);
    };
    Address::parse(&address).map_err(|error| error.to_string())?;
    Ok(Some(address))
}

/// The path of a URL, without a query.
pub fn health_path(raw: Value) -> Result<Option<String>, String> {
    let path = optional_line(raw)?;
    match &path {
        Some(path) if !path.starts_with('/') || path.contains(['?', '#', ' ']) => Err(format!(
            "'{path}' is not a path; write one such as /healthz"
        )),
        _ => Ok(path),
    }
}

/// Addresses to listen at.
pub fn addresses(raw: Value) -> Result<Vec<OsString>, String> {
    let addresses = list(raw, system_text)?;
    for address in &addresses {
        Address::parse(address).map_err(|error| error.to_string())?;
    }
    if addresses.is_empty() {
        return Err("no address is given; one is needed, such as '127.0.0.1:8000'".to_owned());
    }
    Ok(addresses)
}

/// Variables for the environment.
pub fn variables(raw: Value) -> Result<Vec<OsString>, String> {
    let variables = list(raw, system_text)?;
    for variable in &variables {
        if variable.as_bytes().contains(&0) || name_and_value(variable).is_none() {
            return Err(format!(
                "'{}' is not a variable; write it as KEY=VALUE",
                variable.display()
            ));
        }
    }
    Ok(variables)
}

/// The two sides of `KEY=VALUE`.
pub fn name_and_value(variable: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = variable.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&bytes[..at], &bytes[at + 1..]);
    (!name.is_empty()).then(|| (OsStr::from_bytes(name), OsStr::from_bytes(value)))
}

/// The form of a line of the access log.
pub fn access_format(raw: Value) -> Result<String, String> {
    let format = text(raw)?;
    match AccessFormat::parse(&format) {
        Ok(_) => Ok(format),
        Err(error) => Err(error.to_string()),
    }
}

/// The fields of a JSON line of the access log.
pub fn access_fields(raw: Value) -> Result<String, String> {
    let fields = text(raw)?;
    match AccessFields::parse(&fields) {
        Ok(_) => Ok(fields),
        Err(error) => Err(error.to_string()),
    }
}

/// Files that exist, and patterns; relative ones are meant from the folder the
/// program starts in.
pub fn watched_files(raw: Value) -> Result<Vec<OsString>, String> {
    let absolute = |name: OsString| {
        let path = current_folder().join(&name);
        let is_pattern = name.as_bytes().iter().any(|byte| b"*?[".contains(byte));
        if !is_pattern && !path.exists() {
            return Err(format!("there is no file '{}'", name.display()));
        }
        Ok(path.into_os_string())
    };
    let names = list(raw, system_text)?;
    names.into_iter().map(absolute).collect()
}

/// Names with their texts.
pub fn text_dict(raw: Value) -> Result<Vec<(String, String)>, String> {
    let Value::Dict(entries) = raw else {
        return Err(format!("{raw} is not a dict"));
    };
    let entries = entries.into_iter();
    entries
        .map(|(name, value)| Ok((name, text(value)?)))
        .collect()
}

/// Gunicorn's `secure_scheme_headers`.
pub fn default_scheme_headers() -> Vec<(String, String)> {
    let headers = [
        ("X-FORWARDED-PROTOCOL", "ssl"),
        ("X-FORWARDED-PROTO", "https"),
        ("X-FORWARDED-SSL", "on"),
    ];
    headers
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

/// A user, by number or by name; the result is the number.
pub fn user(raw: Value) -> Result<Option<u32>, String> {
    id(raw, "user", |name| {
        Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
    })
}

/// A group, by number or by name; the result is the number.
pub fn group(raw: Value) -> Result<Option<u32>, String> {
    id(raw, "group", |name| {
        Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
    })
}

fn id(
    raw: Value,
    what: &str,
    find: impl Fn(&str) -> nix::Result<Option<u32>>,
) -> Result<Option<u32>, String> {
    let name = match raw {
        Value::None => return Ok(None),
        Value::Str(text) if !is_digits(text.trim()) => text.trim().to_owned(),
        raw => return number(raw).map(Some),
    };
    match find(&name) {
        Ok(Some(id)) => Ok(Some(id)),
        Ok(None) => Err(format!("there is no {what} '{name}'")),
        Err(error) => Err(format!(
            "the {what} '{name}' cannot be looked up: {}",
            error.desc()
        )),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The dotted name of a class, or the class.
pub fn class(raw: Value) -> Result<String, String> {
    match raw {
        Value::Object(name) => Ok(name),
        other => text(other),
    }
}

/// Several texts; one alone counts as a list of one.
fn list<T>(raw: Value, text: impl Fn(Value) -> Result<T, String>) -> Result<Vec<T>, String> {
    match raw {
        Value::None => Ok(Vec::new()),
        Value::List(items) => items.into_iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

fn integer(raw: &Value) -> Option<i64> {
    match raw {
        Value::Int(number) => Some(*number),
        Value::Bool(switch) => Some(i64::from(*switch)),
        Value::Str(text) => whole_number(text),
        _ => None,
    }
}

/// A whole number as Python's `int(text, 0)` reads it.
fn whole_number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (digits, radix) = match lower.split_at_checked(2) {
        Some(("0x", rest)) => (rest, 16),
        Some(("0o", rest)) => (rest, 8),
        Some(("0b", rest)) => (rest, 2),
        _ => (lower.as_str(), 10),
    };
    Some(sign * i64::from_str_radix(digits, radix).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn str(text: &str) -> Value {
        Value::Str(text.to_owned())
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        assert_eq!(number(str(" 12 ")), Ok(12));
        assert_eq!(number(str("0x1F")), Ok(31));
        assert_eq!(number(str("0o17")), Ok(15));
        assert_eq!(number(Value::Int(0)), Ok(0));
        assert_eq!(number(Value::Bool(true)), Ok(1));
    }

    #[test]
    fn numbers_outside_the_range_are_refused() {
        for raw in [
            str("-1"),
            str("many"),
            str("1.5"),
            str(""),
            Value::Int(i64::MAX),
            Value::None,
        ] {
            assert!(number(raw.clone()).is_err(), "{raw:?}");
        }
        assert_eq!(
            number(Value::Int(-3)).unwrap_err(),
            "-3 is not a whole number from 0 to 2147483647"
        );
    }

    #[test]
    fn a_range_may_be_smaller() {
        let read = between::<1, 3>;
        assert_eq!(read(str("1")), Ok(1));
        assert_eq!(read(Value::Int(3)), Ok(3));
        for raw in [Value::Int(0), Value::Int(4), str("-1"), str("x")] {
            let error = read(raw.clone()).unwrap_err();
            assert_eq!(error, format!("{raw} is not a whole number from 1 to 3"));
        }
    }

    #[test]
    fn modes_are_octal_with_a_zero_before() {
        assert_eq!(mode(str("022")), Ok(0o22));
        assert_eq!(mode(str("0o22")), Ok(0o22));
        assert_eq!(mode(str("22")), Ok(22));
        assert_eq!(mode(str("0")), Ok(0));
        assert_eq!(mode(Value::Int(0o77)), Ok(0o77));
        assert!(mode(str("089")).is_err());
    }

    #[test]
    fn users_and_groups_become_numbers() {
        assert_eq!(user(str("root")), Ok(Some(0)));
        assert_eq!(group(str("0")), Ok(Some(0)));
        assert_eq!(user(Value::Int(7)), Ok(Some(7)));
        assert_eq!(user(Value::None), Ok(None));
        assert_eq!(
            group(str("nobody-here")).unwrap_err(),
            "there is no group 'nobody-here'"
        );
    }

    #[test]
    fn watched_files_exist_or_are_patterns() {
        let files = watched_files(Value::List(vec![str("Cargo.toml"), str("docs/*.md")])).unwrap();
        let files: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
        assert!(files[0].starts_with('/') && files[1].ends_with("/docs/*.md"));
        assert!(watched_files(str("nothing.here")).is_err());
    }

    #[test]
    fn field_names_are_tokens() {
        let name = "X-Request-ID".to_owned();
        assert_eq!(field_name(str(&name)), Ok(Some(name)));
        assert_eq!(field_name(Value::None), Ok(None));
        for wrong in ["", "X Request", "X:", "X-Größe", "X\r\nY"] {
            assert!(field_name(str(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_sent_or_logged_as_it_is_has_no_line_ends() {
        assert_eq!(
            field_value(str(" my/1.0 (a b) ")),
            Ok("my/1.0 (a b)".to_owned())
        );
        assert_eq!(field_value(str("")), Ok(String::new()));
        for wrong in [
            "a\r\nSet-Cookie: b",
            "a\nb",
            "a\tb",
            "a\0",
            "a\x7f",
            "größe",
        ] {
            let reason = field_value(str(wrong)).unwrap_err();
            assert!(!reason.contains(char::is_control), "{reason}");
        }
        assert_eq!(line(str("größe")), Ok("größe".to_owned()));
        assert_eq!(optional_line(Value::None), Ok(None));
        for wrong in ["a\nb", "a\rb", "a\0b", "a\u{9b}b", "a\u{2028}b"] {
            assert!(line(str(wrong)).is_err(), "{wrong:?}");
            assert!(optional_line(str(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn switches_take_words_too() {
        assert_eq!(switch(str("TRUE")), Ok(true));
        assert_eq!(switch(Value::Bool(false)), Ok(false));
        assert!(switch(str("yes")).is_err());
        assert!(switch(Value::Int(1)).is_err());
    }

    #[test]
    fn a_list_takes_one_text_or_several() {
        assert_eq!(
            addresses(str("127.0.0.1:80")),
            Ok(vec!["127.0.0.1:80".into()])
        );
        let two = Value::List(vec![str("[::1]:80"), str("unix:/tmp/s")]);
        assert_eq!(addresses(two).unwrap().len(), 2);
        assert!(addresses(Value::List(vec![Value::Int(8000)])).is_err());
        assert!(addresses(Value::None).is_err());
        assert!(addresses(str("127.0.0.1:http")).is_err());
    }

    #[test]
    fn a_variable_needs_a_name_and_an_equals_sign() {
        assert!(variables(str("A=b=c")).is_ok());
        assert!(variables(str("A=")).is_ok());
        for wrong in ["A", "=b", "", "A=\0"] {
            assert!(variables(str(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn folders_must_exist_and_become_absolute() {
        assert!(folder(str("/nonexistent/folder")).is_err());
        assert!(folder(str("src")).unwrap().unwrap().is_absolute());
        assert_eq!(folder(Value::None), Ok(None));
    }
}
