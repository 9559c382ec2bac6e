//! The libraries that the executable carries as Debian has built them: the C library,
//! and what wheels expect beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Component;
use super::licences::Texts;
use super::purl::{percent_encoded, purl};

/// A component for each source package that these libraries come from; adds the texts
/// of their licences.
pub fn components(libraries: &[PathBuf], texts: &mut Texts) -> Result<Vec<Component>> {
    let (system, distro) = system()?;
    let mut sources = BTreeMap::<(String, String), Vec<String>>::new();
    for library in libraries {
        let package = package(library)?;
        let source = source(&package)?;
        let copyright = Path::new("/usr/share/doc").join(&package).join("copyright");
        texts.add(&source.0, &copyright)?;
        let name = library.file_name().unwrap_or_default();
        let files = sources.entry(source).or_default();
        files.push(name.to_string_lossy().into_owned());
    }
    let licences = Path::new("/usr/share/common-licenses");
    texts.add("glibc: GNU LGPL 2.1", &licences.join("LGPL-2.1"))?;
    texts.add("GCC runtime: GNU GPL 3", &licences.join("GPL-3"))?;
    let of = |((name, version), files): ((String, String), Vec<String>)| {
        let mut purl = purl(&format!("deb/{system}"), &name, &version);
        // A scanner finds the faults that this release of the system has mended.
        purl += &format!("?arch=source&distro={}", percent_encoded(&distro));
        let mut component = Component::new(&name, &version, licence(&name), purl);
        component.files = files;
        component
    };
    Ok(sources.into_iter().map(of).collect())
}

/// The licence of what is carried of a source package.
fn licence(source: &str) -> &'static str {
    match source {
        "glibc" => "LGPL-2.1-or-later",
        "util-linux" => "BSD-3-Clause",
        "zlib" => "Zlib",
        "expat" => "MIT",
        _ if source.starts_with("gcc-") => "GPL-3.0-or-later WITH GCC-exception-3.1",
        _ => "see the text",
    }
}

/// The system that builds, as package URLs name it: `debian` and `debian-13`.
fn system() -> Result<(String, String)> {
    let text = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.strip_prefix('=')?.trim_matches('"').to_owned())
    };
    let system = field("ID").context("/etc/os-release has no ID")?;
    let version = field("VERSION_ID").or_else(|| field("VERSION_CODENAME"));
    let distro = match version {
        Some(version) => format!("{system}-{version}"),
        None => system.clone(),
    };
    Ok((system, distro))
}

/// The package of a file. If /lib is a link to /usr/lib, dpkg still has some files below
/// /lib.
fn package(library: &Path) -> Result<String> {
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
    bail!(
        "no Debian package has {}, so its licence is unknown",
        library.display()
    )
}

/// The source of a package, and its version.
fn source(package: &str) -> Result<(String, String)> {
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
