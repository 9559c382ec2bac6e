//! The sizes of what is in a pack: the program, the app and each package.

use super::pack::Pack;
use super::packages::Contents;
use super::survey::Size;
use crate::pack::text::{self, Align, cell};

/// A row of the table of sizes.
#[derive(Clone, Debug)]
pub struct Row {
    pub name: String,
    pub version: String,
    pub licence: String,
    /// Paths in the pack; none for the program.
    pub files: Vec<String>,
    pub size: Size,
}

/// One row for the program, the app and each package, the largest first.
pub fn rows(pack: &Pack, contents: &Contents) -> Vec<Row> {
    let row = |name: &str, files: &[String], size| Row {
        name: name.to_owned(),
        version: String::new(),
        licence: String::new(),
        files: files.to_vec(),
        size,
    };
    let mut rows: Vec<Row> = contents
        .packages
        .iter()
        .map(|package| {
            let metadata = &package.metadata;
            let licence = metadata.licence.as_ref();
            Row {
                version: cell(&metadata.version),
                licence: licence.map_or_else(|| "not told".to_owned(), |it| cell(it.text())),
                ..row(&cell(&metadata.name), &package.files, package.size)
            }
        })
        .collect();
    if !contents.app.is_empty() {
        rows.push(row("(the app)", &contents.app, contents.app_size));
    }
    if !contents.others.is_empty() {
        rows.push(row(
            "(of no package)",
            &contents.others,
            contents.others_size,
        ));
    }
    if let Some(program) = &pack.program {
        rows.push(row("(the executable)", &[], program.size));
    }
    rows.sort_by(|a, b| {
        let size = |row: &Row| (row.size.packed, row.size.unpacked);
        size(b).cmp(&size(a)).then_with(|| a.name.cmp(&b.name))
    });
    rows
}

pub fn total(rows: &[Row]) -> Size {
    rows.iter().map(|row| row.size).sum()
}

pub const HEAD: [&str; 7] = [
    "Package", "Version", "Files", "Packed", "Unpacked", "Share", "Licence",
];

/// A row as the table shows it. The share is of the packed total.
pub fn cells(row: &Row, total: Size) -> [String; 7] {
    [
        row.name.clone(),
        row.version.clone(),
        row.files.len().max(1).to_string(),
        text::size(row.size.packed),
        text::size(row.size.unpacked),
        text::share(row.size.packed, total.packed),
        row.licence.clone(),
    ]
}

/// The last row.
pub fn sum(rows: &[Row]) -> [String; 7] {
    let total = total(rows);
    let files: usize = rows.iter().map(|row| row.files.len().max(1)).sum();
    [
        "Total".to_owned(),
        String::new(),
        files.to_string(),
        text::size(total.packed),
        text::size(total.unpacked),
        text::share(total.packed, total.packed),
        String::new(),
    ]
}

/// The table as text.
pub fn table(rows: &[Row]) -> String {
    use Align::{Left, Right};
    let total = total(rows);
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(|row| cells(row, total)));
    lines.push(sum(rows));
    text::table([Left, Left, Right, Right, Right, Right, Left], &lines)
}
