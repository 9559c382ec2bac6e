//! The crates, as cargo describes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Component;
use super::licences::Texts;
use super::purl::purl;

/// All crates of the lock file, sorted.
pub struct Crates(Vec<Crate>);

/// One of them.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
pub struct Crate {
    pub name: String,
    pub version: String,
    pub licence: String,
    pub folder: PathBuf,
    /// Whether it is part of the executable, and not only of the build.
    linked: bool,
}

impl Crates {
    /// Asks cargo.
    pub fn read() -> Result<Self> {
        let target = env::var("TARGET")?;
        let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args([
                "metadata",
                "--format-version=1",
                "--locked",
                "--filter-platform",
                &target,
            ])
            .output()?;
        ensure!(
            output.status.success(),
            "cargo metadata: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let linked = linked(&metadata);
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata names no packages")?;
        let theirs = packages
            .iter()
            .filter(|package| !package["source"].is_null());
        let mut crates: Vec<_> = theirs.map(|package| Crate::of(package, &linked)).collect();
        crates.sort();
        Ok(Self(crates))
    }

    /// The crate of this name, of which there is one version.
    pub fn get(&self, name: &str) -> Result<&Crate> {
        let found = self.0.iter().find(|it| it.name == name);
        found.with_context(|| format!("{name} is not in Cargo.lock"))
    }

    /// Those that are part of the executable; adds the texts of their licences.
    pub fn components(&self, texts: &mut Texts) -> Result<Vec<Component>> {
        let linked = self.0.iter().filter(|it| it.linked);
        let of = |it: &Crate| {
            for file in licence_files(&it.folder)? {
                texts.add(&it.name, &file)?;
            }
            let purl = purl("cargo", &it.name, &it.version);
            Ok(Component::new(&it.name, &it.version, &it.licence, purl))
        };
        linked.map(of).collect()
    }
}

impl Crate {
    fn of(package: &Value, linked: &[&str]) -> Self {
        let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
        let manifest = text("manifest_path");
        let folder = Path::new(&manifest).parent().unwrap_or(Path::new("/"));
        Self {
            name: text("name"),
            version: text("version"),
            licence: text("license"),
            folder: folder.to_owned(),
            linked: linked.contains(&&*text("id")),
        }
    }
}

/// The ids of the packages that ours depends on at run time, directly or not.
fn linked(metadata: &Value) -> Vec<&str> {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut found: Vec<&str> = metadata["resolve"]["root"].as_str().into_iter().collect();
    let mut next = 0;
    while let Some(&id) = found.get(next) {
        next += 1;
        for dependency in nodes
            .get(id)
            .into_iter()
            .flat_map(|node| node["deps"].as_array())
            .flatten()
        {
            let mut kinds = dependency["dep_kinds"].as_array().into_iter().flatten();
            let runs = kinds.any(|kind| kind["kind"].is_null());
            if let Some(id) = dependency["pkg"]
                .as_str()
                .filter(|id| runs && !found.contains(id))
            {
                found.push(id);
            }
        }
    }
    found
}

fn licence_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_uppercase();
            path.is_file()
                && ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"]
                    .iter()
                    .any(|start| name.starts_with(start))
        })
        .collect();
    files.sort();
    Ok(files)
}
