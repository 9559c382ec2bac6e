//! How sizes, names and tables are shown to a person.

use std::borrow::Cow;

/// A size in bytes with one decimal and a unit, as in `12.3 MB` (1 kB is 1000 bytes).
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    // A value that would be rounded to 1000.0 gets the next unit.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A part of a size as a percentage, as in `12.3 %`.
pub fn share(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// A name that is not trusted, without characters that move the cursor of a terminal,
/// change the direction of the text or are invisible.
pub fn printable(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() || is_unseen(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The same for a table, where one long name would make all lines long.
pub fn cell(name: &str) -> String {
    cut(&printable(name)).into_owned()
}

/// The first 100 characters, and `…` if there are more.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(100) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Format characters (Unicode's class Cf) and line separators that can deceive.
fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// The alignment of a column.
#[derive(Clone, Copy, PartialEq)]
pub enum Align {
    Left,
    Right,
}

/// A table with these rows, with aligned columns. Long cells are cut.
pub fn table<const COLUMNS: usize>(align: [Align; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| cut(cell)))
        .collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut table = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).zip(align);
        let cells = cells.map(|((cell, width), align)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_250, "1.2 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (31_415_926, "31.4 MB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(share(1, 3), "33.3 %");
        assert_eq!(share(0, 0), "0.0 %");
    }

    #[test]
    fn names_cannot_deceive() {
        assert_eq!(printable("größe/a b.py"), "größe/a b.py");
        assert_eq!(
            printable("a\u{1b}[2Jb\nc\u{202e}d\u{200b}"),
            "a\\u{1b}[2Jb\\u{a}c\\u{202e}d\\u{200b}"
        );
    }

    #[test]
    fn cells_of_tables_are_short() {
        assert_eq!(cell("numpy"), "numpy");
        assert_eq!(cell(&"ö".repeat(101)), format!("{}…", "ö".repeat(100)));
        let rows = [["ö".repeat(65_600), "1".to_owned()]];
        let shown = table([Align::Left, Align::Right], &rows);
        assert_eq!(shown, format!("{}…  1\n", "ö".repeat(100)));
    }

    #[test]
    fn columns_stand_beside_each_other() {
        let rows = [["a", "1"], ["größe", "100"]].map(|row| row.map(str::to_owned));
        let shown = table([Align::Left, Align::Right], &rows);
        assert_eq!(shown, "a        1\ngröße  100\n");
    }
}
