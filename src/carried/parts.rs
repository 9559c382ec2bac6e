//! Everything in the executable that others have made. The build collects it
//! (`scripts/build-steps/components`).

use std::fmt;
use std::io;

use serde::Deserialize;

/// A part of the executable.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Part {
    pub name: String,
    pub version: String,
    /// An SPDX expression, or other words.
    pub licence: String,
    /// Its package URL, as in `pkg:cargo/itoa@1.0.15`. No two parts have the same.
    pub purl: String,
    /// Its name in the National Vulnerability Database (CPE 2.3), if it is in no registry
    /// of packages.
    pub cpe: Option<String>,
    /// The files that come from it, if it is a source package of the system that built
    /// this executable.
    pub files: Vec<String>,
    /// The name of the part that contains it.
    pub within: Option<String>,
    /// Known faults of this version that patches have corrected.
    pub fixes: Vec<String>,
}

/// `CPython 3.13.5`, `crate itoa 1.0.15`, `glibc 2.41-12 (ld-linux-x86-64.so.2, ...)`.
impl fmt::Display for Part {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.purl.starts_with("pkg:cargo/") && !self.name.contains(' ') {
            to.write_str("crate ")?;
        }
        write!(to, "{} {}", self.name, self.version)?;
        if let Some(whole) = &self.within {
            write!(to, ", in {whole}")?;
        }
        if !self.files.is_empty() {
            write!(to, ": {}", self.files.join(", "))?;
        }
        if !self.fixes.is_empty() {
            write!(to, ", with the fixes of {}", self.fixes.join(", "))?;
        }
        Ok(())
    }
}

/// All parts.
pub fn parts() -> io::Result<Vec<Part>> {
    static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/components.zst"));
    Ok(serde_json::from_slice(&zstd::decode_all(PACKED)?)?)
}

/// The parts with their licences, then the texts of the licences.
pub fn licenses() -> io::Result<Vec<u8>> {
    static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/licences.zst"));
    let mut text = "rgunicorn's own code is licensed under MIT or Apache-2.0, as you prefer.\n\
                    The executable carries, under licences of their own:\n\n"
        .to_owned();
    for part in parts()? {
        text += &format!("  {part} ({})\n", part.licence);
    }
    text.push('\n');
    let mut bytes = text.into_bytes();
    bytes.extend(zstd::decode_all(PACKED)?);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_part_is_known_by_its_own_url() {
        let parts = parts().expect("a list");
        let urls: BTreeSet<_> = parts.iter().map(|it| &it.purl).collect();
        assert_eq!(urls.len(), parts.len());
        for name in [
            "CPython", "OpenSSL", "SQLite", "glibc", "expat", "pip", "pyo3",
        ] {
            assert!(parts.iter().any(|it| it.name == name), "{name}");
        }
        for part in &parts {
            assert!(!part.version.is_empty(), "{part:?}");
            let whole = part.within.iter();
            let mut whole = whole.filter(|it| !parts.iter().any(|part| part.name == **it));
            assert_eq!(whole.next(), None);
        }
    }

    #[test]
    fn the_licences_begin_with_the_parts() {
        let listed = licenses().expect("a list");
        let listed = String::from_utf8_lossy(&listed);
        for part in parts().expect("a list") {
            let row = format!("\n  {part} ({})\n", part.licence);
            assert!(listed.contains(&row), "{row}");
        }
        assert!(listed.contains("Apache License"));
    }
}
