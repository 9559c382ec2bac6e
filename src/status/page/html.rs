//! Text as HTML.

use std::fmt::Write as _;

use crate::http::escape;

/// The text as the content of an element or a quoted attribute. Characters that
/// nobody sees, or that change the order of others, are written as their codes.
pub fn escaped(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        let _ = match c {
            '\n' | '\t' => write!(visible, "{c}"),
            c if c.is_control() => write!(visible, "\\x{:02x}", u32::from(c)),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => write!(visible, "\\u{{{:x}}}", u32::from(c)),
            c => write!(visible, "{c}"),
        };
    }
    escape(&visible)
}

/// The template, with the values in place of the `{{names}}`. What stands in a value
/// is never taken for a name.
///
/// # Panics
/// The template has a name that has no value.
pub fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("a name ends");
        let value = values.iter().find(|(it, _)| *it == name);
        out.push_str(before);
        out.push_str(&value.unwrap_or_else(|| panic!("{name} has no value")).1);
        rest = after;
    }
    out + rest
}
