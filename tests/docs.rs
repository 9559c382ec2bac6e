//! The documents: their links lead somewhere, and the files and functions that they name
//! exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders and files of the project whose paths are checked where a page names them.
const PLACES: [&str; 6] = [
    "src/",
    "tests/",
    "scripts/",
    "stdlib-bundle/",
    "docs/",
    ".github/",
];

#[test]
fn links_lead_somewhere() {
    let mut faults = Vec::new();
    for page in pages() {
        let text = without_code(&read(&page));
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap_or_default();
            if link.contains(':') || link.contains(char::is_whitespace) {
                continue;
            }
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap_or(Path::new("")).join(path),
            };
            if !top().join(&target).exists() {
                faults.push(format!("{}: there is no {path}", page.display()));
            } else if !anchor.is_empty() && !anchors(&read(&target)).contains(anchor) {
                faults.push(format!(
                    "{}: {path} has no heading #{anchor}",
                    page.display()
                ));
            }
        }
    }
    none_of(&faults);
}

#[test]
fn named_files_exist() {
    let mut faults = Vec::new();
    for page in pages() {
        for name in quoted(&read(&page)) {
            if is_path(name) && !top().join(name).exists() {
                faults.push(format!("{}: there is no {name}", page.display()));
            }
        }
    }
    none_of(&faults);
}

/// `docs/architecture.md` names functions as "`file`: `function`, `function`".
#[test]
fn named_functions_exist() {
    let page = without_code(&read(Path::new("docs/architecture.md")));
    let words: Vec<_> = page.split_whitespace().collect();
    let page = words.join(" ");
    let mut faults = Vec::new();
    let mut named = 0;
    for (at, _) in page.match_indices("`: `") {
        let file = page[..at].rsplit('`').next().unwrap_or_default();
        if !is_path(file) {
            continue;
        }
        let mut rest = &page[at + 3..];
        while let Some((name, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`'))
        {
            named += 1;
            let source = read(Path::new(file));
            // A function of Rust or Python, or a label in assembly.
            let forms = ["fn {}(", "fn {}<", "def {}(", "\"{}:\""];
            if !forms
                .iter()
                .any(|form| source.contains(&form.replace("{}", name)))
            {
                faults.push(format!("{file} has no function {name}"));
            }
            rest = after.strip_prefix(", ").unwrap_or_default();
        }
    }
    assert!(named > 20, "{named} functions were found in the page");
    none_of(&faults);
}

/// Every page of the project, by its path from the top.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    let mut folders = vec![PathBuf::new(), PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(top().join(&folder)).unwrap() {
            let name = folder.join(entry.unwrap().file_name());
            if name.extension().is_some_and(|it| it == "md") {
                pages.push(name);
            } else if folder != Path::new("") && top().join(&name).is_dir() {
                folders.push(name);
            }
        }
    }
    assert!(pages.len() > 20, "{pages:?}");
    pages
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// True for the path of one file or folder of the project.
fn is_path(name: &str) -> bool {
    PLACES.iter().any(|place| name.starts_with(place))
        && !name.contains(|it: char| "*<> ".contains(it) || it.is_ascii_uppercase())
}

/// The text without its blocks of code.
fn without_code(text: &str) -> String {
    let parts = text.split("\n```");
    parts.step_by(2).collect::<Vec<_>>().join("\n")
}

/// What stands between backquotes, outside of blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let outside = text.split("\n```").step_by(2);
    outside
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = without_code(text);
    let headings = text.lines().filter_map(|line| {
        let heading = line.trim_start_matches('#');
        (heading != line).then(|| heading.trim().to_lowercase())
    });
    let kept = |it: char| it.is_alphanumeric() || "-_ ".contains(it);
    headings
        .map(|it| it.replace(|it| !kept(it), "").replace(' ', "-"))
        .collect()
}

fn none_of(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
