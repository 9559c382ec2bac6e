//! A list of all that is in a pack, for tools that look for known vulnerabilities and
//! for licences: a bill of materials in JSON (CycloneDX 1.6, ECMA-424).
//!
//! It is made from the pack alone, so the same pack has the same list.

use std::collections::{BTreeMap, BTreeSet};
use std::env;

use anyhow::Result;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use super::metadata::Licence;
use super::packages::{Contents, Package};
use super::purl::purl;
use crate::cache::hexadecimal;
use crate::carried::{self, Part};
use crate::pack::label::Label;

/// The program that runs the site, if it is in the pack.
#[derive(Clone, Debug, PartialEq)]
pub enum Runtime {
    /// The running executable, about which everything is known.
    This,
    /// Another executable, of these versions.
    Another {
        rgunicorn: String,
        python: Option<String>,
    },
}

/// What the list is about.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A site, and what its label says.
    Site(Option<&'a Label>),
    /// An executable without a site.
    Program,
}

/// Lists the packages, and the program if there is one.
///
/// # Errors
/// The list of what this executable carries cannot be read.
pub fn list(
    contents: &Contents,
    subject: Subject<'_>,
    runtime: Option<&Runtime>,
) -> Result<Vec<u8>> {
    let packages: BTreeMap<String, Component> = contents
        .packages
        .iter()
        .map(|package| (package.key(), of_package(package)))
        .collect();
    let mut dependencies = dependencies_between(contents, &packages);
    let mut direct = direct_dependencies(&dependencies);
    let mut program = None;
    let mut parts = Vec::new();
    if let Some(runtime) = runtime {
        let (version, carried) = runtime.parts()?;
        let own = own(version);
        direct.insert(own.bom_ref.clone());
        dependencies.extend(dependencies_of(&own, &carried));
        parts.extend(carried.iter().map(of_part));
        program = Some(own);
    }
    let component = match (subject, program.take()) {
        (Subject::Program, Some(own)) => own,
        (Subject::Program, None) => own(env!("CARGO_PKG_VERSION")),
        (Subject::Site(label), own) => {
            program = own;
            dependencies.insert(SITE.to_owned(), direct);
            site(label)
        }
    };
    let components = packages.into_values().chain(program).chain(parts);
    let mut bill = Bill {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: String::new(),
        version: 1,
        metadata: BillMetadata {
            timestamp: timestamp(),
            tools: Tools {
                components: vec![Component {
                    bom_ref: String::new(),
                    ..own(env!("CARGO_PKG_VERSION"))
                }],
            },
            component,
        },
        components: components.collect(),
        dependencies: dependencies
            .into_iter()
            .map(|(of, depends_on)| Dependency {
                of,
                depends_on: depends_on.into_iter().collect(),
            })
            .collect(),
    };
    bill.serial_number = serial_number(&serde_json::to_vec(&bill)?);
    let mut bytes = serde_json::to_vec_pretty(&bill)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The reference of the site itself.
const SITE: &str = "site";

fn site(label: Option<&Label>) -> Component {
    let name = label.and_then(|label| label.name.clone());
    Component {
        bom_ref: SITE.to_owned(),
        kind: "application",
        name: name.unwrap_or_else(|| "site".to_owned()),
        version: label.and_then(|label| label.version.clone()),
        ..Component::default()
    }
}

impl Runtime {
    /// The version of the program, and what is known to be in it.
    fn parts(&self) -> Result<(&str, Vec<Part>)> {
        Ok(match self {
            Self::This => (env!("CARGO_PKG_VERSION"), carried::parts()?),
            Self::Another { rgunicorn, python } => {
                let python = python.iter().map(|version| Part {
                    name: "CPython".to_owned(),
                    version: version.clone(),
                    licence: "PSF-2.0".to_owned(),
                    purl: purl("generic", "cpython", version),
                    cpe: Some(format!("cpe:2.3:a:python:python:{version}:*:*:*:*:*:*:*")),
                    ..Part::default()
                });
                (rgunicorn.as_str(), python.collect())
            }
        })
    }
}

/// The parts of the program, and the parts of these.
fn dependencies_of(own: &Component, parts: &[Part]) -> BTreeMap<String, BTreeSet<String>> {
    let mut dependencies = BTreeMap::<String, BTreeSet<String>>::new();
    for part in parts {
        let whole = parts
            .iter()
            .find(|it| part.within.as_ref() == Some(&it.name));
        let whole = whole.map_or_else(|| own.bom_ref.clone(), reference);
        let of_whole = dependencies.entry(whole).or_default();
        of_whole.insert(reference(part));
    }
    dependencies
}

fn own(version: &str) -> Component {
    let purl = purl("generic", "rgunicorn", version);
    Component {
        bom_ref: purl.clone(),
        kind: "application",
        name: "rgunicorn".to_owned(),
        version: Some(version.to_owned()),
        licenses: licences(&Licence::told(env!("CARGO_PKG_LICENSE"))),
        purl: Some(purl),
        ..Component::default()
    }
}

fn of_package(package: &Package) -> Component {
    let metadata = &package.metadata;
    let purl = purl("pypi", &package.key(), &metadata.version);
    let licence = metadata.licence.as_ref();
    Component {
        bom_ref: purl.clone(),
        kind: "library",
        name: metadata.name.clone(),
        version: Some(metadata.version.clone()),
        hashes: hashes(package),
        licenses: licence.map(licences).unwrap_or_default(),
        purl: Some(purl),
        ..Component::default()
    }
}

/// A site may have the same version of a package that is also in pip.
fn reference(part: &Part) -> String {
    match &part.within {
        Some(whole) => format!("{}#{whole}", part.purl),
        None => part.purl.clone(),
    }
}

fn of_part(part: &Part) -> Component {
    let licenses = match part.licence.as_str() {
        // Several licences, which the printed text explains.
        "see the text" => licences(&Licence::Name("see rgunicorn --licenses".to_owned())),
        told => licences(&Licence::told(told)),
    };
    let patches = part.fixes.iter().map(|id| Patch {
        kind: "backport",
        resolves: [Issue {
            kind: "security",
            id: id.clone(),
        }],
    });
    let patches: Vec<Patch> = patches.collect();
    Component {
        bom_ref: reference(part),
        kind: "library",
        name: part.name.clone(),
        version: Some(part.version.clone()),
        licenses,
        cpe: part.cpe.clone(),
        purl: Some(part.purl.clone()),
        pedigree: (!patches.is_empty()).then_some(Pedigree { patches }),
        ..Component::default()
    }
}

fn hashes(package: &Package) -> Vec<Hash> {
    let known = [
        ("sha256", "SHA-256", 64),
        ("sha384", "SHA-384", 96),
        ("sha512", "SHA-512", 128),
    ];
    let found = known.into_iter().filter_map(|(name, alg, length)| {
        let content = package.hashes.get(name)?.clone();
        (content.len() == length).then_some(Hash { alg, content })
    });
    found.collect()
}

fn licences(licence: &Licence) -> Vec<LicenceChoice> {
    vec![match licence.clone() {
        Licence::Expression(expression) => LicenceChoice::Expression(expression),
        Licence::Name(name) => LicenceChoice::License { name },
    }]
}

/// The packages that each package requires, by their references.
fn dependencies_between(
    contents: &Contents,
    packages: &BTreeMap<String, Component>,
) -> BTreeMap<String, BTreeSet<String>> {
    let reference = |key: &str| packages.get(key).map(|it| it.bom_ref.clone());
    let all = contents.packages.iter();
    all.filter_map(|package| {
        let needed = package.metadata.requires.iter();
        let needed = needed.filter_map(|name| reference(name));
        let own = reference(&package.key())?;
        Some((own.clone(), needed.filter(|it| *it != own).collect()))
    })
    .collect()
}

/// The packages that no other requires: the site itself must have asked for them. Of
/// packages that require each other in a circle, one is taken.
fn direct_dependencies(dependencies: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let needed: BTreeSet<&String> = dependencies.values().flatten().collect();
    let roots = dependencies.keys().filter(|it| !needed.contains(it));
    let mut direct: BTreeSet<String> = roots.cloned().collect();
    let mut reached = BTreeSet::new();
    for root in &direct {
        reach(root, dependencies, &mut reached);
    }
    for package in dependencies.keys() {
        if !reached.contains(package) {
            direct.insert(package.clone());
            reach(package, dependencies, &mut reached);
        }
    }
    direct
}

fn reach(
    from: &str,
    dependencies: &BTreeMap<String, BTreeSet<String>>,
    reached: &mut BTreeSet<String>,
) {
    let mut next = vec![from];
    while let Some(package) = next.pop() {
        if reached.insert(package.to_owned()) {
            let needed = dependencies.get(package).into_iter().flatten();
            next.extend(needed.map(String::as_str));
        }
    }
}

/// When the pack was made, if `SOURCE_DATE_EPOCH` (seconds since 1970) says it.
fn timestamp() -> Option<String> {
    let seconds = env::var("SOURCE_DATE_EPOCH").ok()?.parse().ok()?;
    let time = UtcDateTime::from_unix_timestamp(seconds).ok()?;
    time.format(&Rfc3339).ok()
}

/// A UUID that is computed from the content (RFC 9562, version 8).
fn serial_number(content: &[u8]) -> String {
    let hash = digest(&SHA256, content);
    let mut id: [u8; 16] = std::array::from_fn(|nth| hash.as_ref()[nth]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = hexadecimal(&id);
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    format!("urn:uuid:{}", parts.join("-"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bill {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: BillMetadata,
    components: Vec<Component>,
    dependencies: Vec<Dependency>,
}

#[derive(Serialize)]
struct BillMetadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    tools: Tools,
    component: Component,
}

#[derive(Serialize)]
struct Tools {
    components: Vec<Component>,
}

#[derive(Default, Serialize)]
struct Component {
    /// Unique in the list; empty for the tool that made the list.
    #[serde(rename = "bom-ref", skip_serializing_if = "String::is_empty")]
    bom_ref: String,
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hashes: Vec<Hash>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<LicenceChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpe: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pedigree: Option<Pedigree>,
}

/// What was done to a component.
#[derive(Serialize)]
struct Pedigree {
    patches: Vec<Patch>,
}

#[derive(Serialize)]
struct Patch {
    #[serde(rename = "type")]
    kind: &'static str,
    resolves: [Issue; 1],
}

#[derive(Serialize)]
struct Issue {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
}

#[derive(Serialize)]
struct Hash {
    alg: &'static str,
    content: String,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum LicenceChoice {
    Expression(String),
    License { name: String },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Dependency {
    #[serde(rename = "ref")]
    of: String,
    depends_on: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::metadata;
    use super::*;

    fn package(name: &str, requires: &[&str]) -> Package {
        Package {
            metadata: metadata::PackageMetadata {
                name: name.to_owned(),
                version: "1.0+local".to_owned(),
                licence: Some(Licence::told("MIT")),
                requires: requires.iter().map(|&it| it.to_owned()).collect(),
            },
            files: Vec::new(),
            size: Default::default(),
            modules: Default::default(),
            hashes: Default::default(),
        }
    }

    fn listed(packages: Vec<Package>, runtime: Option<&Runtime>) -> Value {
        let contents = Contents {
            packages,
            ..Contents::default()
        };
        let bytes = list(&contents, Subject::Site(None), runtime).expect("a list");
        serde_json::from_slice(&bytes).expect("JSON")
    }

    fn needs(bill: &Value, of: &str) -> Vec<String> {
        let all = bill["dependencies"].as_array().expect("a list").iter();
        let found = all.clone().find(|it| it["ref"] == of).expect(of);
        let needed = found["dependsOn"].as_array().expect("a list").iter();
        needed
            .map(|it| it.as_str().expect("text").to_owned())
            .collect()
    }

    #[test]
    fn packages_have_addresses_and_need_each_other() {
        let packages = vec![
            package("Big.Site", &["small", "absent"]),
            package("circle_a", &["circle-b"]),
            package("circle_b", &["circle-a"]),
            package("small", &[]),
        ];
        let bill = listed(packages.clone(), None);
        let big = "pkg:pypi/big-site@1.0%2Blocal";
        assert_eq!(bill["components"][0]["purl"], big);
        assert_eq!(bill["components"][0]["licenses"][0]["expression"], "MIT");
        assert_eq!(needs(&bill, big), ["pkg:pypi/small@1.0%2Blocal"]);
        let direct = [big, "pkg:pypi/circle-a@1.0%2Blocal"];
        assert_eq!(needs(&bill, SITE), direct);
        assert_eq!(bill, listed(packages, None));
        let other = listed(vec![package("small", &[])], None);
        assert_ne!(bill["serialNumber"], other["serialNumber"]);
    }

    #[test]
    fn the_program_is_listed_as_far_as_it_is_known() {
        let bill = listed(Vec::new(), Some(&Runtime::This));
        let components = bill["components"].as_array().expect("a list");
        let of = |purl: &str| {
            let start = |it: &&Value| it["purl"].as_str().expect("text").starts_with(purl);
            components.iter().find(start).expect(purl)
        };
        of("pkg:generic/openssl@3.");
        of("pkg:cargo/pyo3@");
        of("pkg:deb/debian/glibc@2.");
        let python = of("pkg:generic/cpython@3.");
        assert!(
            python["cpe"]
                .as_str()
                .expect("text")
                .starts_with("cpe:2.3:a:python:python:3.")
        );
        let mut references = BTreeSet::new();
        for component in components {
            assert!(
                references.insert(component["bom-ref"].to_string()),
                "{component}"
            );
        }
        let another = Runtime::Another {
            rgunicorn: "9.9.9".to_owned(),
            python: Some("3.15.0".to_owned()),
        };
        let bill = listed(Vec::new(), Some(&another));
        assert_eq!(bill["components"].as_array().expect("a list").len(), 2);
        assert_eq!(needs(&bill, SITE), ["pkg:generic/rgunicorn@9.9.9"]);
    }

    #[test]
    fn the_program_alone_is_what_its_list_is_about() {
        let bytes = list(&Contents::default(), Subject::Program, Some(&Runtime::This));
        let bill: Value = serde_json::from_slice(&bytes.expect("a list")).expect("JSON");
        let subject = &bill["metadata"]["component"];
        assert_eq!(subject["name"], "rgunicorn");
        let components = bill["components"].as_array().expect("a list");
        assert_eq!(components.len(), carried::parts().expect("a list").len());
        let direct = needs(&bill, subject["bom-ref"].as_str().expect("text"));
        assert!(
            direct
                .iter()
                .any(|it| it.starts_with("pkg:generic/openssl@"))
        );
        let expat = components.iter().find(|it| {
            it["name"] == "expat" && it["purl"].as_str().is_some_and(|it| it.contains("generic"))
        });
        let expat = expat.expect("CPython's own")["bom-ref"]
            .as_str()
            .expect("text");
        assert!(!direct.contains(&expat.to_owned()));
        let python = direct
            .iter()
            .find(|it| it.starts_with("pkg:generic/cpython@"));
        assert!(needs(&bill, python.expect("CPython")).contains(&expat.to_owned()));
    }
}
