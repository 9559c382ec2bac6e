//! Everything that decides what pip installs, as far as it can be known before pip
//! runs.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use ring::digest::{Context, SHA256};

use super::dependency_files::Requirements;
use super::requirements_txt::RequirementLines;
use crate::cache::hexadecimal;
use crate::pack::inspect::normal_name;
use crate::pack::make::options::Options;

/// The inputs of an installation.
#[derive(Debug)]
pub struct Inputs {
    /// A hash of everything, except what is in folders with packages.
    pub key: String,
    /// A hash of what is in folders with packages: names, sizes and times.
    pub links: String,
    /// Whether pip will check hashes and refuse packages without one.
    pub is_hashed: bool,
    /// The normal names of packages that are required in exactly one version.
    pins: BTreeSet<String>,
}

/// Variables of pip that change how it works, but not what it installs.
const PIP_VARIABLES_WITHOUT_EFFECT: [&str; 17] = [
    "PIP_CACHE_DIR",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_LOG",
    "PIP_NO_CACHE_DIR",
    "PIP_NO_COLOR",
    "PIP_NO_INPUT",
    "PIP_PROGRESS_BAR",
    "PIP_PROXY",
    "PIP_QUIET",
    "PIP_RETRIES",
    "PIP_ROOT_USER_ACTION",
    "PIP_TIMEOUT",
    "PIP_TRUSTED_HOST",
    "PIP_VERBOSE",
];

/// Variables that compilers use.
const COMPILER_VARIABLES: [&str; 5] = ["CC", "CXX", "CFLAGS", "CPPFLAGS", "LDFLAGS"];

impl Inputs {
    /// # Errors
    /// A file of constraints cannot be read; it is named.
    pub fn read(requirements: &Requirements, project: &Path, options: &Options) -> Result<Inputs> {
        let mut reading = InputReader {
            // Relative paths in requirements are relative to this folder.
            project: project.to_owned(),
            key: Context::new(&SHA256),
            links: Context::new(&SHA256),
            is_hashed: false,
            pins: BTreeSet::new(),
        };
        reading.add(env!("CARGO_PKG_VERSION"));
        reading.add(env!("RGUNICORN_BUNDLE_ID"));
        let plain = &requirements.plain;
        let lines = [&requirements.lines, &requirements.unhashed, &plain.lines];
        for line in lines.into_iter().flatten() {
            reading.requirement(line);
        }
        let mut constraints = RequirementLines::default();
        for file in &options.constraint {
            constraints.constraint(file)?;
        }
        for text in plain.read.iter().chain(&constraints.read) {
            reading.add(text);
            let pins = text.lines().filter_map(pinned);
            reading.pins.extend(pins);
        }
        reading.add(format!(
            "{:?}",
            (
                &options.extra,
                &options.group,
                options.no_index,
                &options.find_links,
                &options.index_url,
                &options.extra_index_url,
                options.strip,
            )
        ));
        for place in &options.find_links {
            reading.link(place);
        }
        reading.variables();
        reading.settings();
        let [key, links] =
            [reading.key, reading.links].map(|it| hexadecimal(&it.finish().as_ref()[..16]));
        Ok(Inputs {
            key,
            links,
            // A lock may have hashes for some packages only.
            is_hashed: reading.is_hashed && !requirements.locked,
            pins: reading.pins,
        })
    }

    /// Whether each of these is required in exactly one version.
    pub fn pins_all(&self, names: &[String]) -> bool {
        names
            .iter()
            .all(|name| self.pins.contains(&normal_name(name)))
    }
}

struct InputReader {
    project: PathBuf,
    key: Context,
    links: Context,
    is_hashed: bool,
    pins: BTreeSet<String>,
}

impl InputReader {
    fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.key.update(&(part.len() as u64).to_le_bytes());
        self.key.update(part);
    }

    fn requirement(&mut self, line: &str) {
        self.add(line);
        self.is_hashed |= line.contains("--hash");
        self.pins.extend(pinned(line));
        let link = ["-f ", "--find-links "];
        if let Some(place) = link.iter().find_map(|it| line.strip_prefix(it)) {
            self.link(place);
        }
    }

    /// Adds what is in a folder with packages.
    fn link(&mut self, place: &str) {
        let folder = link(place, &self.project);
        let folder = folder.strip_prefix("file://").unwrap_or(&folder);
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let mut files: Vec<_> = entries.flatten().collect();
        files.sort_by_key(fs::DirEntry::file_name);
        for file in files {
            self.links.update(file.file_name().as_bytes());
            if let Ok(meta) = file.metadata() {
                let stamp = [meta.len() as i64, meta.mtime(), meta.mtime_nsec()];
                stamp
                    .iter()
                    .for_each(|it| self.links.update(&it.to_le_bytes()));
            }
        }
    }

    fn variables(&mut self) {
        let mut variables: Vec<_> = env::vars_os().collect();
        variables.sort();
        for (name, value) in variables {
            let name = name.to_string_lossy();
            let of_pip =
                name.starts_with("PIP_") && !PIP_VARIABLES_WITHOUT_EFFECT.contains(&&*name);
            if !of_pip && !COMPILER_VARIABLES.contains(&&*name) {
                continue;
            }
            self.add(name.as_bytes());
            self.add(value.as_bytes());
            let value = value.to_string_lossy();
            for word in value.split_whitespace() {
                match &*name {
                    "PIP_FIND_LINKS" => self.link(word),
                    "PIP_CONSTRAINT" | "PIP_REQUIREMENT" | "PIP_BUILD_CONSTRAINT" => {
                        self.add(content(&self.project.join(word)));
                    }
                    _ => {}
                }
            }
            self.is_hashed |= name == "PIP_REQUIRE_HASHES" && is_yes(&value);
        }
    }

    /// Adds pip's configuration files.
    fn settings(&mut self) {
        let home = env::var_os("HOME").map(PathBuf::from);
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let xdg = env::var_os("XDG_CONFIG_HOME").map(|it| PathBuf::from(it).join("pip/pip.conf"));
        let files = [
            Some("/etc/xdg/pip/pip.conf".into()),
            Some("/etc/pip.conf".into()),
            below_home(".pip/pip.conf"),
            xdg.or_else(|| below_home(".config/pip/pip.conf")),
            env::var_os("PIP_CONFIG_FILE").map(PathBuf::from),
        ];
        for file in files.into_iter().flatten() {
            let text = content(&file);
            self.add(&text);
            // Folders with packages may be in any line.
            for word in String::from_utf8_lossy(&text).split_whitespace() {
                if word.starts_with(['/', '.']) || word.starts_with("file:") {
                    self.link(word);
                }
            }
        }
    }
}

/// The content of a file. Anything else is not read: reading a pipe or a device might
/// never end.
fn content(file: &Path) -> Vec<u8> {
    let is_file = file.is_file();
    let read = is_file.then(|| fs::read(file).ok());
    read.flatten().unwrap_or_default()
}

/// The value of `--find-links`: an absolute path if it is a folder. It is relative to
/// the current folder or to the project's.
pub fn link(place: &str, project: &Path) -> String {
    let here = std::path::absolute(place).ok();
    let mut found = here.into_iter().chain([project.join(place)]);
    let found = found.find(|it| it.exists());
    found.map_or_else(|| place.to_owned(), |it| it.display().to_string())
}

/// Whether pip is told to keep nothing in its cache.
pub fn keeps_nothing() -> bool {
    env::var("PIP_NO_CACHE_DIR").is_ok_and(|it| is_yes(&it))
}

fn is_yes(value: &str) -> bool {
    matches!(
        value.to_ascii_lowercase().as_str(),
        "1" | "true" | "yes" | "on" | "y" | "t"
    )
}

/// The normal name of the package, if a line requires exactly one version of it.
fn pinned(line: &str) -> Option<String> {
    let line = line.split([';', '#']).next()?;
    let (name, version) = line.split_once("==")?;
    let version = version.trim_start_matches('=').split_whitespace().next()?;
    let name = name.split('[').next()?.trim();
    let is_name = |it: char| it.is_alphanumeric() || matches!(it, '-' | '_' | '.');
    (!version.contains(['*', ',']) && !name.is_empty() && name.chars().all(is_name))
        .then(|| normal_name(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_demanded_by_two_signs_of_equality() {
        let found = |line| pinned(line).unwrap_or_default();
        assert_eq!(found("Flask == 3.0 ; python_version > '3'"), "flask");
        assert_eq!(
            found("ruamel.yaml[jinja2]==0.18 --hash=sha256:00"),
            "ruamel-yaml"
        );
        for line in [
            "flask==3.*",
            "flask>=3,==3.1",
            "flask>=3",
            "# a==1",
            "a @ http://b/?c==1",
        ] {
            assert_eq!(pinned(line), None, "{line}");
        }
    }
}
