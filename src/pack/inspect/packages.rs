//! The packages in a pack, and the package that each file belongs to (PEP 376 and the
//! specification "Recording installed projects").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::metadata::{PackageMetadata, normal_name};
use super::survey::{Size, Survey, package_file};
use crate::pack::compiled::source_of;
use crate::pack::record;
use crate::pack::text::printable;
use crate::pack::tree::SITE_PACKAGES;

/// A package that was installed into the pack.
#[derive(Clone, Debug)]
pub struct Package {
    pub metadata: PackageMetadata,
    pub files: Vec<String>,
    pub size: Size,
    /// Names of modules that can be imported.
    pub modules: BTreeSet<String>,
    /// Hashes of the archive that it was installed from, by algorithm, if they are
    /// known (PEP 610).
    pub hashes: BTreeMap<String, String>,
}

/// All files of a pack, by what they belong to.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Sorted by name.
    pub packages: Vec<Package>,
    /// The files of the app.
    pub app: Vec<String>,
    pub app_size: Size,
    /// Files in `site-packages` that no package lists.
    pub others: Vec<String>,
    pub others_size: Size,
    /// The files of packages, each with the index of its package in the list.
    pub owners: BTreeMap<String, usize>,
}

impl Package {
    /// Its name and version, printable.
    pub fn title(&self) -> String {
        let PackageMetadata { name, version, .. } = &self.metadata;
        printable(format!("{name} {version}").trim())
    }

    /// Its normal name (PEP 503).
    pub fn key(&self) -> String {
        normal_name(&self.metadata.name)
    }
}

impl Contents {
    /// Finds the packages, and assigns each file to one of them or to the app.
    pub fn of(survey: &Survey) -> Self {
        let mut found: Vec<(String, Package)> = Vec::new();
        for (path, text) in &survey.texts {
            if let Some((folder, "METADATA")) = package_file(path) {
                found.push((folder.to_owned(), package(survey, folder, text)));
            }
        }
        found.sort_by_cached_key(|(folder, package)| (package.key(), folder.clone()));
        let owners = Owners::of(survey, &found);
        let mut contents = Self {
            packages: found.into_iter().map(|(_, package)| package).collect(),
            ..Self::default()
        };
        for (path, &size) in &survey.files {
            let (files, sum) = match owners.of_file(path) {
                Some(owner) => {
                    contents.owners.insert(path.clone(), owner);
                    let package = &mut contents.packages[owner];
                    if let Some(module) = module(path, survey) {
                        package.modules.insert(module);
                    }
                    (&mut package.files, &mut package.size)
                }
                None if within_packages(path) => (&mut contents.others, &mut contents.others_size),
                None => (&mut contents.app, &mut contents.app_size),
            };
            files.push(path.clone());
            *sum = [*sum, size].into_iter().sum();
        }
        contents
    }

    /// The package that a file belongs to.
    pub fn package_of(&self, path: &str) -> Option<&Package> {
        let owner = self.owners.get(path);
        owner.map(|&owner| &self.packages[owner])
    }
}

fn package(survey: &Survey, folder: &str, text: &str) -> Package {
    let mut metadata = PackageMetadata::read(text);
    if metadata.name.is_empty() {
        // The folder's name is NAME-VERSION.dist-info.
        let name = folder.rsplit('/').next().unwrap_or_default();
        metadata.name = name.split('-').next().unwrap_or_default().to_owned();
    }
    let text = |name: &str| survey.texts.get(&format!("{folder}/{name}"));
    let origin = text("direct_url.json").and_then(|it| serde_json::from_str(it).ok());
    Package {
        metadata,
        files: Vec::new(),
        size: Size::default(),
        modules: BTreeSet::new(),
        hashes: origin.map(|it| hashes(&it)).unwrap_or_default(),
    }
}

fn hashes(origin: &Value) -> BTreeMap<String, String> {
    let told = origin["archive_info"]["hashes"].as_object();
    let told = told.into_iter().flatten();
    told.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .filter(|(_, value)| value.bytes().all(|it| it.is_ascii_hexdigit()))
        .collect()
}

/// The name of the module in this file, unless it is inside another module: `flask`, or
/// `zope.interface` if `zope` has no `__init__.py` (PEP 420).
fn module(path: &str, survey: &Survey) -> Option<String> {
    let (base, within) = match path.split_once('/') {
        Some((SITE_PACKAGES, within)) => (SITE_PACKAGES, within),
        _ => ("", path),
    };
    let is_package = |folder: &str| {
        let files =
            ["__init__.py", "__init__.pyc"].map(|name| in_base(base, &format!("{folder}/{name}")));
        files.iter().any(|file| survey.files.contains_key(file))
    };
    let name = match within.rsplit_once('/') {
        Some((folder, "__init__.py" | "__init__.pyc")) => {
            let mut ends = folder.match_indices('/');
            if ends.any(|(end, _)| is_package(&folder[..end])) {
                return None;
            }
            folder
        }
        Some(_) => return None,
        None => {
            let (stem, kind) = within.split_once('.')?;
            let is_code = matches!(kind, "py" | "pyc" | "so" | "abi3.so")
                || (kind.starts_with("cpython-") && kind.ends_with(".so"));
            if !is_code {
                return None;
            }
            stem
        }
    };
    let name = name.replace('/', ".");
    name.split('.').all(is_identifier).then_some(name)
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    let first = characters.next();
    first.is_some_and(|it| it.is_alphabetic() || it == '_')
        && characters.all(|it| it.is_alphanumeric() || it == '_')
        && name != "__pycache__"
}

/// The owners of files and folders, as indexes in the list of packages.
struct Owners {
    files: BTreeMap<String, usize>,
    /// Folders whose listed files belong to one package; `None` if to several.
    folders: BTreeMap<String, Option<usize>>,
}

impl Owners {
    fn of(survey: &Survey, packages: &[(String, Package)]) -> Self {
        let mut owners = Self {
            files: BTreeMap::new(),
            folders: BTreeMap::new(),
        };
        for (owner, (folder, _)) in packages.iter().enumerate() {
            owners.folders.insert(folder.clone(), Some(owner));
            let base = folder.rsplit_once('/').map_or("", |(base, _)| base);
            let record = survey.texts.get(&format!("{folder}/RECORD"));
            for (path, _) in record.into_iter().flat_map(|it| record::rows(it)) {
                owners.add(survey, base, &path, owner);
            }
        }
        owners
    }

    fn add(&mut self, survey: &Survey, base: &str, path: &str, owner: usize) {
        // Scripts are listed where a virtual environment has them (../../bin), but are
        // in bin.
        let path = in_base(base, path.trim_start_matches("../"));
        // Paths that are not in the pack may be of any length.
        let mut folder = match survey.files.contains_key(&path) {
            true => path.as_str(),
            false => "",
        };
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if parent == base {
                break;
            }
            let known = self.folders.entry(parent.to_owned()).or_insert(Some(owner));
            if *known != Some(owner) {
                *known = None;
            }
            folder = parent;
        }
        self.files.insert(path, owner);
    }

    /// The owner of a file. If no package lists it, such as a module that was compiled
    /// later, it is the owner of the folder.
    fn of_file(&self, path: &str) -> Option<usize> {
        if let Some(&owner) = self.files.get(path) {
            return Some(owner);
        }
        if let Some(owner) = source_of(path).and_then(|source| self.files.get(&source)) {
            return Some(*owner);
        }
        let mut folder = path;
        while let Some((parent, _)) = folder.rsplit_once('/') {
            if let Some(owner) = self.folders.get(parent) {
                return *owner;
            }
            folder = parent;
        }
        None
    }
}

fn in_base(base: &str, path: &str) -> String {
    if base.is_empty() {
        path.to_owned()
    } else {
        format!("{base}/{path}")
    }
}

fn within_packages(path: &str) -> bool {
    let rest = path.strip_prefix(SITE_PACKAGES);
    rest.is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(files: &[(&str, &str)]) -> Survey {
        let mut survey = Survey::default();
        for (path, text) in files {
            let size = Size {
                packed: 1,
                unpacked: 2,
            };
            survey.files.insert((*path).to_owned(), size);
            if package_file(path).is_some() {
                survey.examine(path, text.as_bytes());
            }
        }
        survey
    }

    #[test]
    fn each_file_has_one_owner() {
        let contents = Contents::of(&survey(&[
            ("app.py", ""),
            ("site-packages/bin/two", ""),
            ("site-packages/loose.py", ""),
            ("site-packages/one/__init__.py", ""),
            ("site-packages/one/__pycache__/__init__.cpython-313.pyc", ""),
            ("site-packages/one/made_later.txt", ""),
            (
                "site-packages/one-1.dist-info/METADATA",
                "Name: One\nVersion: 1\n",
            ),
            (
                "site-packages/one-1.dist-info/RECORD",
                "one/__init__.py,sha256=x,1\n\"one/a,\"\"b.txt\",,\n",
            ),
            ("site-packages/one/a,\"b.txt", ""),
            ("site-packages/shared/one.py", ""),
            ("site-packages/shared/deep/__init__.py", ""),
            ("site-packages/shared/deep/inner/__init__.py", ""),
            ("site-packages/shared/nobody.py", ""),
            ("site-packages/_two.abi3.so", ""),
            ("site-packages/two.py", ""),
            (
                "site-packages/two-2.dist-info/METADATA",
                "Name: two\nVersion: 2\n",
            ),
            (
                "site-packages/two-2.dist-info/RECORD",
                "two.py,,\n_two.abi3.so,,\n../../bin/two,,\nshared/one.py,,\ngone/__init__.py,,\n",
            ),
        ]));
        let [one, two] = &contents.packages[..] else {
            panic!("{:?}", contents.packages);
        };
        assert_eq!((one.title(), two.title()), ("One 1".into(), "two 2".into()));
        assert_eq!(one.files.len(), 6);
        assert_eq!(one.size.unpacked, 12);
        assert_eq!(Vec::from_iter(&one.modules), ["one"]);
        // Files in a folder that only has files of `two` belong to it, too.
        assert_eq!(two.files.len(), 9);
        assert_eq!(Vec::from_iter(&two.modules), ["_two", "shared.deep", "two"]);
        assert_eq!(contents.app, ["app.py"]);
        assert_eq!(contents.others, ["site-packages/loose.py"]);
        let owner = contents.package_of("site-packages/bin/two");
        assert_eq!(owner.map(Package::key).as_deref(), Some("two"));
    }

    #[test]
    fn packages_may_lie_at_the_root() {
        let contents = Contents::of(&survey(&[
            ("app.py", ""),
            ("one.py", ""),
            ("one-1.dist-info/METADATA", ""),
            ("one-1.dist-info/RECORD", "one.py,,\n"),
        ]));
        assert_eq!(contents.packages[0].title(), "one");
        assert_eq!(contents.packages[0].files.len(), 3);
        assert_eq!(contents.app, ["app.py"]);
    }
}
