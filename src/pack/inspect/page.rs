//! A page that shows the sizes as a picture and as a table. It is one file without
//! scripts.
//!
//! The names in it come from the pack, so they are escaped, and the page may load and
//! run nothing (Content Security Policy 3).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::sizes::{self, Row};
use super::survey::{Size, Survey};
use super::treemap::{Area, cut};
use crate::pack::text::{self, printable};

const STYLE: &str = include_str!("page.css");
/// In units of the picture itself.
const PICTURE: Area = Area {
    x: 0.0,
    y: 0.0,
    width: 1200.0,
    height: 720.0,
};
/// Anything narrower is not drawn, as nobody could see it or point at it.
const SMALLEST: f64 = 4.0;

/// The page of a pack with this title, description and rows of sizes.
pub fn page(title: &str, about: &str, rows: &[Row], survey: &Survey) -> String {
    let title = escaped(title);
    let about = escaped(about);
    // Allows the style of this page and no other.
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{title}</h1>\n<p>{about}</p>\n{}{}</main>\n</body>\n</html>\n",
        picture(rows, survey),
        table(rows)
    )
}

fn picture(rows: &[Row], survey: &Survey) -> String {
    let Area { width, height, .. } = PICTURE;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"what\">\n\
         <title id=\"what\">Packed sizes as areas; the table below has the numbers</title>\n"
    );
    let sizes: Vec<u64> = rows.iter().map(|row| row.size.packed).collect();
    for (nth, (row, area)) in rows.iter().zip(cut(&sizes, PICTURE)).enumerate() {
        let name = format!("{} {}", row.name, row.version);
        let class = if row.files.is_empty() || row.name.starts_with('(') {
            "plain".to_owned()
        } else {
            format!("c{}", nth % 8)
        };
        let class = format!("whole {class}");
        if draw(&mut svg, area, name.trim(), row.size, &class) {
            let files = Node::of(row, survey);
            files.draw_inside(&mut svg, area.within(20.0, 3.0), 2);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Draws one rectangle, with its name if there is room. Returns whether there is room
/// for more inside.
fn draw(svg: &mut String, area: Area, name: &str, size: Size, class: &str) -> bool {
    let Area {
        x,
        y,
        width,
        height,
    } = area;
    if width < SMALLEST || height < SMALLEST {
        return false;
    }
    let name = escaped(name);
    let _ = write!(
        svg,
        "<svg x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
         <title>{name}: {} packed, {} unpacked</title>\
         <rect class=\"{class}\" width=\"100%\" height=\"100%\"/>",
        text::size(size.packed),
        text::size(size.unpacked)
    );
    if width >= 30.0 && height >= 16.0 {
        let small = if class == "inner" {
            " class=\"small\""
        } else {
            ""
        };
        let _ = write!(svg, "<text x=\"4\" y=\"14\"{small}>{name}</text>");
    }
    svg.push_str("</svg>\n");
    width >= 30.0 && height >= 40.0
}

/// A folder or a file.
#[derive(Debug, Default)]
struct Node {
    size: Size,
    inside: BTreeMap<String, Node>,
}

impl Node {
    fn of(row: &Row, survey: &Survey) -> Self {
        let mut root = Self::default();
        for path in &row.files {
            let size = survey.files.get(path).copied().unwrap_or_default();
            let mut node = &mut root;
            for part in path.split('/') {
                node.size = [node.size, size].into_iter().sum();
                node = node.inside.entry(part.to_owned()).or_default();
            }
            node.size = size;
        }
        root
    }

    /// Draws what is inside, down to this many levels.
    fn draw_inside(&self, svg: &mut String, area: Area, steps: usize) {
        let mut inside: Vec<_> = self.inside.iter().collect();
        // A folder that holds only one folder is not drawn.
        if let [(_, only)] = inside[..]
            && !only.inside.is_empty()
        {
            only.draw_inside(svg, area, steps);
            return;
        }
        inside.sort_by_key(|(_, node)| std::cmp::Reverse(node.size.packed));
        let sizes: Vec<u64> = inside.iter().map(|(_, node)| node.size.packed).collect();
        for ((name, node), area) in inside.into_iter().zip(cut(&sizes, area)) {
            if draw(svg, area, &printable(name), node.size, "inner") && steps > 1 {
                node.draw_inside(svg, area.within(18.0, 2.0), steps - 1);
            }
        }
    }
}

fn table(rows: &[Row]) -> String {
    let total = sizes::total(rows);
    let mut table = String::from(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"sizes\">\n<table>\n\
         <caption id=\"sizes\">Sizes</caption>\n<thead>\n",
    );
    line(&mut table, &sizes::HEAD.map(str::to_owned), "col");
    table.push_str("</thead>\n<tbody>\n");
    for row in rows {
        line(&mut table, &sizes::cells(row, total), "row");
    }
    table.push_str("</tbody>\n<tfoot>\n");
    line(&mut table, &sizes::sum(rows), "row");
    table.push_str("</tfoot>\n</table>\n</div>\n");
    table
}

/// A row of the table. With "row" its first cell is a heading, with "col" all cells
/// are.
fn line(table: &mut String, cells: &[String; 7], heads: &str) {
    table.push_str("<tr>");
    for (column, cell) in cells.iter().enumerate() {
        let class = if (2..6).contains(&column) {
            " class=\"number\""
        } else {
            ""
        };
        let cell = escaped(cell);
        let _ = match heads == "col" || column == 0 {
            true => write!(table, "<th scope=\"{heads}\"{class}>{cell}</th>"),
            false => write!(table, "<td{class}>{cell}</td>"),
        };
    }
    table.push_str("</tr>\n");
}

/// Text for HTML, also inside quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_text() {
        let path = "site-packages/<script>alert(1)<script>'\".py";
        let size = Size {
            packed: 10,
            unpacked: 20,
        };
        let mut survey = Survey::default();
        survey.files.insert(path.to_owned(), size);
        let row = Row {
            name: "<b>&".to_owned(),
            version: "1\"".to_owned(),
            licence: "</table>".to_owned(),
            files: vec![path.to_owned()],
            size,
        };
        let page = page("a<b", "c&d", &[row], &survey);
        for raw in ["<script", "<b>", "</table>\n</div>\n</td>"] {
            assert!(!page.contains(raw), "{raw}");
        }
        assert!(page.contains("&lt;b&gt;&amp; 1&quot;: 10 B packed, 20 B unpacked"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;"));
        assert_eq!(page.matches("</table>").count(), 1);
    }
}
