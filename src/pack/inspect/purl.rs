//! Names of packages of all kinds in bills of materials. The build uses this file too
//! (scripts/build-steps/components/mod.rs).

/// A package URL (purl specification), as in `pkg:pypi/flask@3.1`.
pub fn purl(kind: &str, name: &str, version: &str) -> String {
    let mut purl = format!("pkg:{kind}/{}", percent_encoded(name));
    if !version.is_empty() {
        purl.push('@');
        purl.push_str(&percent_encoded(version));
    }
    purl
}

/// As in the values of qualifiers, after `?`.
pub fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':') {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
