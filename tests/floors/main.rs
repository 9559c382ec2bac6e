//! The order of `src/`: which room may use which (`rooms.toml`), no circles
//! between files, and no file or folder that is too large to read.
//!
//! A file uses another if it names an item of it, in a `use` line or elsewhere. A
//! module that only hands on what its files have (`pub use child::Item`) stands
//! for those files: who names `room::Item` uses `child.rs`. So a `mod.rs` may have
//! code of its own, but its files may not use that code if it uses theirs. Code
//! that is compiled for tests only does not count.

mod graph;
mod source;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use graph::{Graph, circles};
use source::{Sources, Target, Use};
use table::Table;

#[test]
fn rooms_use_what_the_table_allows() {
    let table = Table::read();
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for found in Sources::read(&src()).uses() {
        let Some(to) = found.file() else { continue };
        let (Some(from), Some(to)) = (table.room_of(&found.from), table.room_of(to)) else {
            continue;
        };
        let to = table.seen_from(from, to);
        if from.name == to.name {
            continue;
        }
        used.insert((from.name.clone(), to.name.clone()));
        if !from.uses.contains(&to.name) {
            faults.push(format!(
                "{}: `{}` leads from the room {} (floor {}) to {} (floor {}); \
                 take it as an argument, or move what both need to a lower room",
                found.place(),
                found.text,
                from.name,
                from.floor,
                to.name,
                to.floor
            ));
        }
    }
    for room in &table.rooms {
        for other in &room.uses {
            if !used.contains(&(room.name.clone(), other.clone())) {
                faults.push(format!(
                    "rooms.toml: {} does not use {other} (any more): take it out",
                    room.name
                ));
            }
        }
    }
    none_of(&faults);
}

#[test]
fn table_has_no_arrow_up_and_no_circle() {
    let table = Table::read();
    let mut faults = Vec::new();
    let mut graph = Graph::new();
    for room in &table.rooms {
        for other in &room.uses {
            match table.named(other) {
                None => faults.push(format!(
                    "rooms.toml: {} uses {other}, which is no room",
                    room.name
                )),
                Some(other) if other.floor > room.floor => {
                    faults.push(format!(
                        "rooms.toml: {} uses {}, which is above it",
                        room.name, other.name
                    ));
                }
                Some(_) => {}
            }
        }
        graph.insert(room.name.clone(), room.uses.iter().cloned().collect());
    }
    for circle in circles(&graph) {
        faults.push(format!("rooms.toml: these use each other: {circle:?}"));
    }
    none_of(&faults);
}

#[test]
fn every_room_is_in_the_table_and_every_row_is_a_room() {
    let table = Table::read();
    let mut faults = Vec::new();
    let places = places();
    for place in &places {
        let around = place.parent().unwrap();
        let has_rooms = |room: &&table::Room| Path::new(&room.name).parent() == Some(around);
        if table.rooms.iter().any(|room| has_rooms(&room)) && is_room(place, around) {
            let name = place.with_extension("").display().to_string();
            if table.named(&name).is_none() {
                faults.push(format!(
                    "src/{}: it has no row in rooms.toml; give it one",
                    place.display()
                ));
            }
        }
    }
    for room in &table.rooms {
        let exists = |place: &PathBuf| place.with_extension("") == Path::new(&room.name);
        if !places.iter().any(exists) {
            faults.push(format!(
                "rooms.toml: there is no src/{} (any more); take its row out",
                room.name
            ));
        }
    }
    none_of(&faults);
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let uses = Sources::read(&src()).uses();
    none_of(&circles_of_files(&uses));
}

#[test]
fn files_and_folders_can_be_read() {
    let table = Table::read();
    let mut faults = Vec::new();
    let mut folders = BTreeMap::new();
    for place in places().into_iter().filter(|place| is_rust(place)) {
        let lines = fs::read_to_string(src().join(&place))
            .unwrap()
            .lines()
            .count();
        if lines > table.longest_file {
            faults.push(format!(
                "src/{}: {lines} lines, more than {}; divide it",
                place.display(),
                table.longest_file
            ));
        }
        *folders
            .entry(place.parent().unwrap().to_owned())
            .or_insert(0) += 1;
    }
    for (folder, files) in folders {
        let most = table.files_in(&folder);
        if files > most {
            faults.push(format!(
                "src/{}: {files} files, more than {most}; divide it",
                folder.display()
            ));
        }
    }
    none_of(&faults);
}

#[test]
fn rooms_name_no_crates_that_they_must_not_know() {
    let table = Table::read();
    let mut faults = Vec::new();
    for found in Sources::read(&src()).uses() {
        let Some(room) = table.room_of(&found.from) else {
            continue;
        };
        let name = found.text.trim_start_matches("::");
        let is_part = |whole: &str| {
            name.strip_prefix(whole)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        if found.file().is_none() && room.without.iter().any(|whole| is_part(whole)) {
            faults.push(format!(
                "{}: `{name}` is nothing that the room {} may know",
                found.place(),
                room.name
            ));
        }
    }
    none_of(&faults);
}

#[test]
fn only_http_writes_http() {
    let mut faults = Vec::new();
    for file in Sources::read(&src()).files() {
        for (line, text) in &file.literals {
            let text = text.trim_start_matches('b');
            let is_wire = text.starts_with("\"HTTP/1.0 ") || text.starts_with("\"HTTP/1.1 ");
            if is_wire && !file.path.starts_with("http") {
                faults.push(format!(
                    "src/{}:{line}: {text} is HTTP; let src/http write it",
                    file.path.display()
                ));
            }
        }
    }
    none_of(&faults);
}

#[test]
fn safe_rooms_forbid_unsafe_code() {
    let mut faults = Vec::new();
    for room in Table::read().rooms.iter().filter(|room| room.safe) {
        let path = src().join(&room.name).join("mod.rs");
        if !fs::read_to_string(&path)
            .unwrap()
            .contains("\n#![forbid(unsafe_code)]\n")
        {
            faults.push(format!(
                "src/{}/mod.rs: write #![forbid(unsafe_code)] below its first comment",
                room.name
            ));
        }
    }
    none_of(&faults);
}

#[test]
fn every_dependency_has_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/decisions/dependencies.md")).unwrap();
    let mut faults = Vec::new();
    for package in ["", "src/loader", "tests/fuzz"] {
        let text = fs::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        let package: toml::Table = text.parse().unwrap();
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let names = package.get(kind).and_then(toml::Value::as_table);
            for name in names.into_iter().flat_map(toml::Table::keys) {
                if !page.contains(&format!("`{name}`")) {
                    faults.push(format!(
                        "docs/decisions/dependencies.md: say what {name} is for"
                    ));
                }
            }
        }
    }
    none_of(&faults);
}

#[test]
fn architecture_page_is_what_the_table_says() {
    const START: &str = "<!-- rooms:start -->\n";
    const END: &str = "<!-- rooms:end -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/architecture.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).expect(START);
    let (picture, after) = rest.split_once(END).expect(END);
    let expected = Table::read().picture();
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{before}{START}{expected}{END}{after}")).unwrap();
    } else {
        assert_eq!(
            picture, expected,
            "docs/architecture.md is out of date; UPDATE_DOCS=1 cargo test --test floors makes it anew"
        );
    }
}

#[test]
fn reader_sees_every_way_to_name_an_item() {
    let crate_of = |files: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let usual = [
            ("main.rs", "mod a; mod b;"),
            ("loader/lib.rs", ""),
            ("b/mod.rs", "pub mod c;"),
            ("b/c.rs", "pub struct C;"),
        ];
        for (path, text) in usual.iter().chain(files) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let uses = Sources::read(folder.path()).uses();
        let uses = uses
            .iter()
            .filter(|found| matches!(found.to, Target::Item(_)));
        uses.map(|found| format!("{} -> {}", found.place(), found.file().unwrap().display()))
            .collect::<Vec<_>>()
    };
    let c = "src/a.rs:1 -> b/c.rs";
    for text in [
        "use crate::b::c::C;",
        "use crate::b::{self, c::{C as D}};",
        "use crate::b; fn f() { b::c::C; }",
        "use crate::b::c as d; fn f() -> d::C { x() }",
        "fn f() { print!(\"{}\", super::b::c::C); }",
        "impl A for crate::b::c::C {}",
        "#[cfg(not(test))] fn f() { crate::b::c::C; }",
        "#[cfg(test)] use x::{y, z}; use crate::b::c::C;",
        "#[cfg(test)] fn g() { y(); } const D: crate::b::c::C = x;",
    ] {
        let found = crate_of(&[("a.rs", text)]);
        assert!(found.iter().any(|found| found == c), "{text}: {found:?}");
    }
    for text in [
        "use crate::b;",
        "#[cfg(test)] mod tests { use crate::b::c::C; }",
        "#[test] fn f() { crate::b::c::C; }",
        "#[cfg(test)] use crate::b::{c::C};",
        "/// `crate::b::c::C`\nfn f() { \"crate::b::c::C\"; }",
        "pub(in crate::b) struct A;",
    ] {
        assert_eq!(crate_of(&[("a.rs", text)]), [""; 0], "{text}");
    }
    // What is handed on belongs to the file that has it.
    let files = [
        ("a.rs", "use crate::b::C;"),
        ("b/mod.rs", "mod c; pub use c::C;"),
    ];
    assert_eq!(crate_of(&files), [c]);
    let files = [
        ("a.rs", "use crate::b::C;"),
        ("b/mod.rs", "mod c; pub use c::*;"),
    ];
    assert_eq!(crate_of(&files), [c]);
    let files = [
        ("a.rs", "use crate::b::B;"),
        ("b/mod.rs", "pub mod c; pub struct B;"),
    ];
    assert_eq!(crate_of(&files), ["src/a.rs:1 -> b/mod.rs"]);
}

#[test]
fn circles_are_found() {
    let edge = |from: &str, to: &str| Use {
        from: from.into(),
        line: 7,
        text: "x".into(),
        to: Target::Item(to.into()),
    };
    let line = ["a", "b", "c"]
        .windows(2)
        .map(|pair| edge(pair[0], pair[1]));
    let mut uses: Vec<_> = line.collect();
    assert_eq!(circles_of_files(&uses), [""; 0]);
    uses.push(edge("c", "b"));
    let found = circles_of_files(&uses);
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("src/b:7: `x` leads to src/c") && !found[0].contains("src/a"),
        "{found:?}"
    );
}

/// A text for each circle, with the places that make it.
fn circles_of_files(uses: &[Use]) -> Vec<String> {
    let mut graph: Graph<&Path> = Graph::new();
    for found in uses {
        if let Target::Item(to) = &found.to {
            graph.entry(&found.from).or_default().insert(to);
        }
    }
    let text = |circle: &BTreeSet<&Path>| {
        let mut text = format!(
            "{} files use each other in a circle; move what they share to a file below them, or hand it over as an argument:",
            circle.len()
        );
        let mut told = BTreeSet::new();
        for found in uses {
            let Target::Item(to) = &found.to else {
                continue;
            };
            let (from, to) = (found.from.as_path(), to.as_path());
            if circle.contains(from) && circle.contains(to) && told.insert((from, to)) {
                text += &format!(
                    "\n    {}: `{}` leads to src/{}",
                    found.place(),
                    found.text,
                    to.display()
                );
            }
        }
        text
    };
    circles(&graph).iter().map(text).collect()
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every file and folder below `src/`.
fn places() -> Vec<PathBuf> {
    let src = src();
    let found = ignore::WalkBuilder::new(&src)
        .standard_filters(false)
        .build();
    let found = found.map(|entry| entry.unwrap().into_path());
    let mut places: Vec<_> = found
        .filter_map(|path| Some(path.strip_prefix(&src).ok()?.to_owned()))
        .collect();
    places.retain(|path| path != Path::new(""));
    places.sort();
    places
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Of the top, every folder and file; of a room with rooms in it, every folder.
fn is_room(place: &Path, around: &Path) -> bool {
    src().join(place).is_dir() || (around == Path::new("") && is_rust(place))
}

fn none_of(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
