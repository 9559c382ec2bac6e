//! The name of a project: the name of its folder, in a form that all tools accept.

use std::path::Path;

/// The longest name in Kubernetes (RFC 1035).
const LONGEST: usize = 63;

/// The name for a project in this folder, an absolute path: lower-case letters, digits
/// and single hyphens, with a letter first. So it is valid for a package (PEP 508), an
/// image, a systemd unit and a Kubernetes service.
pub fn of(folder: &Path) -> String {
    let folder = folder.file_name().unwrap_or_default().to_string_lossy();
    let plain = folder.to_ascii_lowercase();
    let words = plain.split(|it: char| !it.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    if !name.starts_with(|it: char| it.is_ascii_lowercase()) {
        name = format!("site-{name}");
    }
    name.truncate(LONGEST);
    name.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_gives_a_name() {
        for (folder, name) in [
            ("/srv/shop", "shop"),
            ("/srv/my-shop 2", "my-shop-2"),
            ("/srv/My_Shop.v2--", "my-shop-v2"),
            ("/srv/2nd", "site-2nd"),
            ("/srv/Läden", "l-den"),
            ("/srv/店", "site"),
            ("/", "site"),
        ] {
            assert_eq!(of(Path::new(folder)), name, "{folder}");
        }
        let long = of(Path::new(&format!("/{}", "ab ".repeat(40))));
        assert_eq!(long.len(), 62);
        assert!(long.ends_with("-ab"));
    }
}
