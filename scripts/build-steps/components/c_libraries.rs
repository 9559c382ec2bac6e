//! The C libraries whose source is in a crate.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Component;
use super::crates::Crates;
use super::licences::Texts;

/// One of them.
struct CLibrary {
    name: &'static str,
    /// Its usual name, in lower case.
    package: &'static str,
    /// Vendor and product in the National Vulnerability Database.
    cpe: &'static str,
    of_crate: &'static str,
    licence: &'static str,
    /// The path of the licence text in the crate.
    text: Option<&'static str>,
    /// A file in the crate, and the texts before the parts of the version.
    version: (&'static str, &'static [&'static str]),
}

const C_LIBRARIES: [CLibrary; 7] = [
    CLibrary {
        name: "OpenSSL",
        package: "openssl",
        cpe: "openssl:openssl",
        of_crate: "openssl-src",
        licence: "Apache-2.0",
        text: Some("openssl/LICENSE.txt"),
        version: ("openssl/VERSION.dat", &["MAJOR=", "MINOR=", "PATCH="]),
    },
    CLibrary {
        name: "zlib",
        package: "zlib",
        cpe: "zlib:zlib",
        of_crate: "libz-sys",
        licence: "Zlib",
        text: Some("src/zlib/LICENSE"),
        version: ("src/zlib/zlib.h", &["ZLIB_VERSION \""]),
    },
    CLibrary {
        name: "bzip2",
        package: "bzip2",
        cpe: "bzip:bzip2",
        of_crate: "bzip2-sys",
        licence: "bzip2-1.0.6",
        text: Some("bzip2-1.0.8/LICENSE"),
        version: ("bzip2-1.0.8/bzlib_private.h", &["BZ_VERSION  \""]),
    },
    CLibrary {
        name: "liblzma (XZ Utils)",
        package: "xz",
        cpe: "tukaani:xz",
        of_crate: "liblzma-sys",
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
        package: "libffi",
        cpe: "libffi_project:libffi",
        of_crate: "libffi-sys",
        licence: "MIT",
        text: Some("libffi/LICENSE"),
        version: ("libffi/configure.ac", &["AC_INIT([libffi],["]),
    },
    CLibrary {
        name: "Zstandard",
        package: "zstd",
        cpe: "facebook:zstandard",
        of_crate: "zstd-sys",
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
        package: "sqlite",
        cpe: "sqlite:sqlite",
        of_crate: "libsqlite3-sys",
        licence: "public domain",
        text: None,
        version: ("sqlite3/sqlite3.h", &["define SQLITE_VERSION        \""]),
    },
];

/// All of them; adds the texts of their licences.
pub fn components(crates: &Crates, texts: &mut Texts) -> Result<Vec<Component>> {
    let of = |library: &CLibrary| {
        let folder = &crates.get(library.of_crate)?.folder;
        if let Some(file) = library.text {
            texts.add(library.name, &folder.join(file))?;
        }
        let version = library.version(folder)?;
        let component =
            Component::generic(library.name, library.package, &version, library.licence);
        Ok(component.known_as(library.cpe))
    };
    C_LIBRARIES.iter().map(of).collect()
}

impl CLibrary {
    fn version(&self, folder: &Path) -> Result<String> {
        let (file, markers) = self.version;
        let text = fs::read_to_string(folder.join(file));
        let text = text.with_context(|| format!("{file} of {}", self.of_crate))?;
        version_in(&text, markers).with_context(|| format!("{file} of {}", self.of_crate))
    }
}

/// The version that a C header or the like states; `markers` are the texts before its
/// parts.
pub fn version_in(text: &str, markers: &[&str]) -> Result<String> {
    let part = |marker: &&str| {
        let (_, rest) = text
            .split_once(*marker)
            .with_context(|| format!("there is no {marker}"))?;
        Ok(rest
            .trim_start()
            .split(|c: char| c != '.' && !c.is_ascii_digit())
            .next()
            .unwrap_or_default())
    };
    let parts = markers.iter().map(part).collect::<Result<Vec<_>>>()?;
    Ok(parts.join("."))
}
