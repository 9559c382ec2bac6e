//! Native code that will not load where only the executable is: it is for another
//! machine or another Python, or it needs libraries that are not there.

use std::collections::{BTreeMap, BTreeSet};

use super::binary::Binary;
use super::packages::{Contents, Package};
use super::survey::Survey;
use crate::carried;
use crate::pack::text::printable;

/// One sentence for each thing that will not load; it says what to do. Modules must be
/// for this version of Python (`3.13`).
pub fn notes(survey: &Survey, contents: &Contents, python: &str) -> Vec<String> {
    let mut troubles = Troubles::default();
    let in_pack = names(survey);
    let mut carried = CarriedLibraries::default();
    for (path, binary) in &survey.binaries {
        let owner = contents.package_of(path);
        let mut trouble = |what| troubles.add(owner, path, what);
        let binary = match binary {
            Ok(binary) => binary,
            Err(reason) => {
                trouble(Trouble::Unreadable(reason.clone()));
                continue;
            }
        };
        if let Some(machine) = &binary.other_machine {
            trouble(Trouble::Machine(machine.clone()));
            continue;
        }
        if binary
            .needed
            .iter()
            .any(|name| name.starts_with("libc.musl-"))
        {
            trouble(Trouble::Musl);
            continue;
        }
        if let Some(other) = other_python(path, survey, python) {
            trouble(Trouble::Python(other));
            continue;
        }
        for name in &binary.needed {
            if !in_pack.contains(name.as_str()) && !carried.has(name) {
                trouble(Trouble::Library(name.clone()));
            }
        }
        for (library, version) in &binary.versions {
            if !in_pack.contains(library.as_str()) && carried.lacks(library, version) {
                trouble(Trouble::Version(library.clone(), version.clone()));
            }
        }
    }
    troubles.sentences(python)
}

/// The names of all libraries in the pack. Their folders do not matter: packages load
/// their own libraries in many ways.
fn names(survey: &Survey) -> BTreeSet<&str> {
    let files = survey.binaries.keys();
    let files = files.filter_map(|path| path.rsplit('/').next());
    let own = survey.binaries.values().flatten();
    files
        .chain(own.filter_map(|binary| binary.name.as_deref()))
        .collect()
}

/// The version of Python that a module is for, if it is not this one and there is no
/// module of the same name that this one can import (PEP 3149).
fn other_python(path: &str, survey: &Survey, python: &str) -> Option<String> {
    let tag = path.strip_suffix(".so")?;
    let (stem, tag) = tag.rsplit_once(".cpython-")?;
    let version = tag.split('-').next()?;
    let ours = python.replace('.', "");
    if version == ours {
        return None;
    }
    let here = [
        format!("{stem}.cpython-{ours}-x86_64-linux-gnu.so"),
        format!("{stem}.abi3.so"),
        format!("{stem}.so"),
    ];
    if here.iter().any(|path| survey.binaries.contains_key(path)) {
        return None;
    }
    // 312, 313t
    Some(format!("{}.{}", version.get(..1)?, version.get(1..)?))
}

/// The libraries that the executable carries, with the symbol versions that they
/// define.
#[derive(Default)]
struct CarriedLibraries(BTreeMap<String, Option<BTreeSet<String>>>);

impl CarriedLibraries {
    fn has(&mut self, name: &str) -> bool {
        self.versions(name).is_some()
    }

    /// Whether this library is carried and does not have this symbol version.
    fn lacks(&mut self, name: &str, version: &str) -> bool {
        self.versions(name)
            .is_some_and(|versions| !versions.contains(version))
    }

    fn versions(&mut self, name: &str) -> Option<&BTreeSet<String>> {
        let known = self.0.entry(name.to_owned()).or_insert_with(|| {
            let bytes = carried::library(name.as_bytes())?.ok()?;
            let library = Binary::read(&bytes).ok()?;
            Some(library.defined.into_iter().collect())
        });
        known.as_ref()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Unreadable(String),
    Machine(String),
    Musl,
    Python(String),
    Library(String),
    /// A library, and a symbol version that it does not have.
    Version(String, String),
}

/// The problems by package, each with the files that have it.
#[derive(Default)]
struct Troubles(BTreeMap<(String, Trouble), Vec<String>>);

impl Troubles {
    fn add(&mut self, owner: Option<&Package>, path: &str, trouble: Trouble) {
        let owner = owner.map_or_else(|| "The site".to_owned(), Package::title);
        let files = self.0.entry((owner, trouble)).or_default();
        files.push(printable(path));
    }

    fn sentences(&self, python: &str) -> Vec<String> {
        let all = self.0.iter();
        all.map(|((owner, trouble), files)| {
            let more = match files.len() - 1 {
                0 => String::new(),
                count => format!(" (and {count} more)"),
            };
            format!(
                "{owner}: {}{more} {}.",
                files[0],
                trouble.sentence_end(python)
            )
        })
        .collect()
    }
}

impl Trouble {
    /// The rest of a sentence that begins with the file.
    fn sentence_end(&self, python: &str) -> String {
        match self {
            Self::Unreadable(reason) => {
                let reason = printable(reason);
                format!("cannot be loaded ({reason}); install the package again")
            }
            Self::Machine(machine) => {
                format!("is for {machine}; install the package for manylinux on x86_64")
            }
            Self::Musl => "is for musl; install the wheel for manylinux".to_owned(),
            Self::Python(other) => {
                format!("is for Python {other}; install the package for {python}")
            }
            Self::Library(name) => {
                let mend = package_with(name).map_or_else(
                    || "install a wheel that brings it along".to_owned(),
                    |package| format!("install {package} instead, which brings it along"),
                );
                let name = printable(name);
                format!(
                    "needs {name} of the host; {mend}, or set RGUNICORN_HOST_LIBRARIES=1 where the \
                     host has it"
                )
            }
            Self::Version(library, version) => format!(
                "needs {} of {}, which is newer than the carried one; install a wheel for an \
                 older manylinux, or name the host's loader in RGUNICORN_LOADER",
                printable(version),
                printable(library)
            ),
        }
    }
}

/// A package on PyPI that includes a library which other packages expect on the host.
fn package_with(library: &str) -> Option<&'static str> {
    let known = [
        ("libpq.so.", "psycopg[binary]"),
        ("libmysqlclient.so.", "PyMySQL"),
        ("libmariadb.so.", "PyMySQL"),
        ("libodbc.so.", "pyodbc's wheel"),
        ("libxmlsec1.so.", "xmlsec's wheel"),
    ];
    let mut known = known.into_iter();
    let found = known.find(|(start, _)| library.starts_with(start));
    found.map(|(_, package)| package)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(binaries: &[(&str, Binary)]) -> Vec<String> {
        let mut survey = Survey::default();
        for (path, binary) in binaries {
            survey.files.insert((*path).to_owned(), Default::default());
            survey
                .binaries
                .insert((*path).to_owned(), Ok(binary.clone()));
        }
        notes(&survey, &Contents::of(&survey), "3.13")
    }

    fn needing(names: &[&str]) -> Binary {
        Binary {
            needed: names.iter().map(|&name| name.to_owned()).collect(),
            ..Binary::default()
        }
    }

    #[test]
    fn libraries_come_from_the_executable_or_the_pack() {
        let own = [
            (
                "a.so",
                needing(&[
                    "libc.so.6",
                    "libstdc++.so.6",
                    "libown-1234.so.5",
                    "libsecond.so.1",
                ]),
            ),
            ("a.libs/libown-1234.so.5", needing(&["libm.so.6"])),
            (
                "a.libs/second.so.1.2",
                Binary {
                    name: Some("libsecond.so.1".to_owned()),
                    ..Binary::default()
                },
            ),
        ];
        assert_eq!(told(&own), [""; 0]);
        let missing = [
            ("a.so", needing(&["libpq.so.5"])),
            ("b.so", needing(&["libpq.so.5"])),
        ];
        let [sentence] = &told(&missing)[..] else {
            panic!("{:?}", told(&missing));
        };
        assert!(
            sentence.starts_with("The site: a.so (and 1 more) needs libpq.so.5 of the host; install psycopg[binary] instead"),
            "{sentence}"
        );
    }

    #[test]
    fn versions_of_symbols_are_held_against_the_carried_libraries() {
        let wants = |version: &str| Binary {
            needed: vec!["libc.so.6".to_owned()],
            versions: vec![("libc.so.6".to_owned(), version.to_owned())],
            ..Binary::default()
        };
        assert_eq!(told(&[("a.so", wants("GLIBC_2.17"))]), [""; 0]);
        let newer = told(&[("a.so", wants("GLIBC_2.99"))]);
        assert!(
            newer[0].contains("needs GLIBC_2.99 of libc.so.6"),
            "{newer:?}"
        );
    }

    #[test]
    fn modules_are_for_this_python() {
        let module = |path| (path, Binary::default());
        let old = "a/b.cpython-312-x86_64-linux-gnu.so";
        let new = "a/b.cpython-313-x86_64-linux-gnu.so";
        assert_eq!(told(&[module(old), module(new)]), [""; 0]);
        assert_eq!(told(&[module(old), module("a/b.abi3.so")]), [""; 0]);
        let only = told(&[module(old)]);
        assert!(only[0].contains("is for Python 3.12;"), "{only:?}");
    }

    #[test]
    fn other_machines_are_named() {
        let mut header = *b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\xb7\0";
        let arm = Binary::read(&header).expect("a header is enough");
        assert!(told(&[("a.so", arm)])[0].contains("a.so is for aarch64;"));
        header[18] = 62;
        assert!(Binary::read(&header).is_err());
    }
}
