//! CPython, and what its source contains of others: it lists that itself, except what is
//! in pip.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Component;
use super::c_libraries::version_in;
use super::licences::Texts;
use super::purl::purl;

/// CPython, with the faults that the patches correct; adds the texts of its licences.
pub fn interpreter(source: &Path, version: &str, texts: &mut Texts) -> Result<Component> {
    for (what, file) in [
        ("CPython", "LICENSE"),
        ("CPython: incorporated software", "Doc/license.rst"),
    ] {
        texts.insert(what, &from_source(source, file)?);
    }
    let mut cpython =
        Component::generic("CPython", "cpython", version, "PSF-2.0").known_as("python:python");
    cpython.fixes = fixes(source)?;
    Ok(cpython)
}

/// The parts of CPython that come from others.
pub fn parts(source: &Path, cpython: &Path) -> Result<Vec<Component>> {
    let mut parts = listed(source)?;
    parts.extend(pip(cpython)?);
    Ok(parts)
}

/// The faults that the patches correct by their names: `101-CVE-2025-0938.patch`.
fn fixes(source: &Path) -> Result<Vec<String>> {
    let mut fixes = BTreeSet::new();
    for patch in fs::read_dir(source.join("patches"))? {
        let name = patch?.file_name().to_string_lossy().into_owned();
        if let Some((_, rest)) = name.split_once("CVE-") {
            let mut numbers = rest.split(|it: char| !it.is_ascii_digit());
            if let (Some(year), Some(number)) = (numbers.next(), numbers.next()) {
                fixes.insert(format!("CVE-{year}-{number}"));
            }
        }
    }
    Ok(fixes.into_iter().collect())
}

/// Headers that state a version. CPython's list is not always up to date: that of 3.13.5
/// has expat 2.6.3, and the source is 2.7.1.
const HEADERS: [(&str, &str, &[&str]); 2] = [
    (
        "expat",
        "Modules/expat/expat.h",
        &[
            "XML_MAJOR_VERSION ",
            "XML_MINOR_VERSION ",
            "XML_MICRO_VERSION ",
        ],
    ),
    (
        "mpdecimal",
        "Modules/_decimal/libmpdec/mpdecimal.h",
        &["MPD_VERSION \""],
    ),
];

/// The licences, which CPython's list does not state (`Doc/license.rst`).
const LICENCES: [(&str, &str); 5] = [
    ("expat", "MIT"),
    ("hacl-star", "MIT"),
    ("libb2", "CC0-1.0"),
    ("macholib", "MIT"),
    ("mpdecimal", "BSD-2-Clause"),
];

/// What CPython's own bill of materials lists (SPDX 2.3).
fn listed(source: &Path) -> Result<Vec<Component>> {
    const FILE: &str = "Misc/sbom.spdx.json";
    let bill: Value = serde_json::from_slice(&from_source(source, FILE)?)?;
    let packages = bill["packages"].as_array();
    let packages = packages.with_context(|| format!("{FILE} lists no packages"))?;
    let of = |package: &Value| {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        // Some versions of CPython list themselves and pip, too.
        let name = text("name");
        if matches!(name, "CPython" | "pip") {
            return Ok(None);
        }
        let known = LICENCES.iter().find(|(known, _)| *known == name);
        let licence = known.map_or("see the text", |(_, licence)| licence);
        let version = match HEADERS.iter().find(|(known, ..)| *known == name) {
            Some((_, file, markers)) => {
                let header = from_source(source, file)?;
                version_in(&String::from_utf8_lossy(&header), markers)?
            }
            None => text("versionInfo").to_owned(),
        };
        let mut component = Component::generic(name, name, &version, licence);
        let references = package["externalRefs"].as_array().into_iter().flatten();
        let mut names = references.filter(|it| it["referenceType"] == "cpe23Type");
        if let Some(cpe) = names.next().and_then(|it| it["referenceLocator"].as_str()) {
            component.cpe = Some(cpe.replace(text("versionInfo"), &version));
        }
        component.within = Some("CPython".to_owned());
        Ok(Some(component))
    };
    let components = packages.iter().map(of).collect::<Result<Vec<_>>>()?;
    Ok(components.into_iter().flatten().collect())
}

/// The pip that is inside, and the packages inside that.
fn pip(cpython: &Path) -> Result<Vec<Component>> {
    const LIST: &str = "
import ensurepip, pathlib, zipfile
[wheel] = (pathlib.Path(ensurepip.__file__).parent / '_bundled').glob('pip-*.whl')
print(f'pip=={wheel.name.split(\"-\")[1]}')
print(zipfile.ZipFile(wheel).read('pip/_vendor/vendor.txt').decode())
";
    let output = Command::new(cpython.join("python"))
        .env_clear()
        .env("PYTHONHOME", cpython)
        .args(["-S", "-B", "-c", LIST])
        .output()
        .context("running the interpreter that was built")?;
    ensure!(
        output.status.success(),
        "the packages in pip cannot be listed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let list = String::from_utf8_lossy(&output.stdout).into_owned();
    let of = |line: &str| {
        let (name, version) = line.trim().split_once("==")?;
        let version = version.split_whitespace().next()?;
        let name = name.to_lowercase();
        let licence = match &*name {
            "pip" => "MIT",
            _ => "see pip's own licence files",
        };
        let purl = purl("pypi", &name, version);
        let mut component = Component::new(&name, version, licence, purl);
        let parent = if name == "pip" { "CPython" } else { "pip" };
        component.within = Some(parent.to_owned());
        Some(component)
    };
    Ok(list.lines().filter_map(of).collect())
}

/// A file of CPython's source, whose paths begin with a name and version.
fn from_source(source: &Path, file: &str) -> Result<Vec<u8>> {
    let tar = source.join("cpython.tar");
    let mut command = Command::new("tar");
    command
        .arg("-xOf")
        .arg(&tar)
        .args(["--wildcards", "--no-wildcards-match-slash"])
        .arg(format!("*/{file}"));
    let output = command.output().context("cannot run tar")?;
    ensure!(
        output.status.success(),
        "{file} is not in {}",
        tar.display()
    );
    Ok(output.stdout)
}
