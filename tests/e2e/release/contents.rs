//! What is inside the executable, as it tells it in three ways.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::{artefact, is_there};
use crate::support::{Start, folder, python_script, site};

/// The name and version of each component of the release's list.
fn components() -> (Value, BTreeSet<(String, String)>) {
    let list = fs::read_to_string(artefact(".cdx.json")).unwrap();
    let list: Value = serde_json::from_str(&list).unwrap();
    let text = |it: &Value| it.as_str().unwrap().to_owned();
    let components = list["components"].as_array().unwrap().iter();
    let components = components.map(|it| (text(&it["name"]), text(&it["version"])));
    let components = components.collect();
    (list, components)
}

#[test]
fn the_list_is_about_the_executable_and_valid() {
    let (list, _) = components();
    assert_eq!(list["metadata"]["component"]["name"], "rgunicorn");
    assert_eq!(list["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    let valid = Start::program(site::venv("cyclonedx").join("bin/python"), [""; 0])
        .args([python_script("valid_sbom.py"), artefact(".cdx.json")])
        .run_slowly()
        .expect_success();
    assert_eq!(valid.stdout, "valid");
}

#[test]
fn the_long_version_names_the_components_of_the_list() {
    let (list, components) = components();
    let told = Start::new(["--version", "--verbose"]).run();
    let told = told.expect_success().stdout;
    let (_, told) = told.split_once("\nInside are:\n").expect(&told);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), list["components"].as_array().unwrap().len());
    for (name, version) in &components {
        let found = lines.iter().any(|line| {
            let line = line.trim().trim_start_matches("crate ");
            let rest = line.strip_prefix(name.as_str());
            let rest = rest.and_then(|it| it.strip_prefix(' '));
            let rest = rest.and_then(|it| it.strip_prefix(version.as_str()));
            rest.is_some_and(|it| it.is_empty() || it.starts_with([',', ':']))
        });
        assert!(found, "{name} {version} is not in:\n{told}");
    }
}

#[test]
fn every_linked_crate_is_a_component() {
    let (_, components) = components();
    let tree = Start::program(
        env!("CARGO"),
        [
            "tree",
            "--offline",
            "--locked",
            "--edges=normal",
            "--prefix=none",
            "--target=x86_64-unknown-linux-gnu",
            "--format={p}",
        ],
    )
    .cwd(env!("CARGO_MANIFEST_DIR"))
    .run()
    .expect_success();
    let crates = tree.stdout.lines().filter(|it| !it.contains(" (/"));
    let crates: BTreeSet<_> = crates
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_owned();
            Some((name, words.next()?.strip_prefix('v')?.to_owned()))
        })
        .collect();
    assert!(crates.len() > 100, "{crates:?}");
    let missing: Vec<_> = crates.difference(&components).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn what_is_in_no_registry_has_a_name_for_scanners() {
    let (list, _) = components();
    for component in list["components"].as_array().unwrap() {
        let purl = component["purl"].as_str().unwrap();
        let known = purl.starts_with("pkg:generic/") && purl.contains("/tzdata@");
        if purl.starts_with("pkg:generic/") && !known && component["name"] != "macholib" {
            assert!(component["cpe"].is_string(), "{component}");
        }
        assert!(
            component["licenses"]
                .as_array()
                .is_some_and(|it| !it.is_empty()),
            "{component}"
        );
    }
}

#[test]
fn the_manual_page_has_no_fault() {
    if !is_there("man") {
        return;
    }
    let dir = folder();
    let page = dir.path().join("rgunicorn.1");
    let told = Start::new(["--generate", "man"]).run().expect_success();
    fs::write(&page, told.stdout + "\n").unwrap();
    let shown = Start::program("man", ["--warnings", "--local-file"])
        .args([&page])
        .env("LC_ALL", "C.UTF-8")
        .env("MANWIDTH", "100")
        .run()
        .expect_success();
    assert_eq!(shown.stderr, "");
    for words in [
        "--worker-class <STRING>",
        "rgunicorn ctl stacks",
        "Default: ['127.0.0.1:8000']",
    ] {
        let found = shown.stdout.contains(words);
        assert!(found, "no {words} in:\n{}", shown.stdout);
    }
}
