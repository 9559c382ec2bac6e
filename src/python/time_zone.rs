//! The time zone in `TZ`, for the C library of a host that has no file for it.
//! The log, `time.localtime` and `datetime.astimezone` use the C library.
//!
//! The C library reads zones from the folder in `TZDIR`. It is set to a folder
//! with the bundle's zones. If nothing can be written, `TZ` gets the zone's
//! current rule in place of its name; libraries that need the name still find
//! it in Python's `os.environ`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use super::bundle::File;
use super::extract::extract;
use crate::system::lock;

const OURS: &str = "lib/fallback/tzdata/zoneinfo";
const HOSTS: &str = "/usr/share/zoneinfo";

/// A zone's name, and the rule that `TZ` has in its place.
static STAND_IN: Mutex<Option<(OsString, OsString)>> = Mutex::new(None);

/// Makes the C library find and use the zone in `TZ`. It must be called when
/// the variables or the user may have changed, while only one thread uses the
/// environment.
pub fn provide() {
    if let Some((name, value)) = env::var_os("TZ").and_then(|zone| what_lacks(&zone)) {
        // SAFETY: only one thread uses the environment, as the caller promises.
        unsafe { env::set_var(name, value) };
    }
    // SAFETY: it reads the environment, which only this thread uses.
    unsafe { tzset() };
}

/// The variable and value that the C library needs to know this zone. Nothing
/// if it knows the zone, or if the zone is unknown here, too.
pub fn what_lacks(zone: &OsStr) -> Option<(&'static str, OsString)> {
    let text = zone.to_str()?;
    let name = text.strip_prefix(':').unwrap_or(text);
    let file = File::find(&format!("{OURS}/{name}"))?.data();
    let rule = rule(&file)?;
    // `UTC` and `GMT` need no file.
    if rule == format!("{name}0") || host_has(name) {
        return None;
    }
    if let Ok(folder) = extract(OURS, "zoneinfo") {
        return Some(("TZDIR", folder.join(OURS).into()));
    }
    *stand_in() = Some((zone.to_owned(), rule.into()));
    Some(("TZ", rule.into()))
}

/// The zone's name, if `TZ` has its rule.
pub fn name() -> Option<OsString> {
    let zone = env::var_os("TZ")?;
    let stand_in = stand_in();
    let (name, _) = stand_in.as_ref().filter(|(_, rule)| *rule == zone)?;
    Some(name.clone())
}

/// The environment variables for other processes: with the zone's name.
pub fn variables() -> impl Iterator<Item = (OsString, OsString)> {
    let name = name();
    env::vars_os().map(move |(variable, value)| match &name {
        Some(name) if variable == "TZ" => (variable, name.clone()),
        _ => (variable, value),
    })
}

/// Searches as the C library does.
fn host_has(name: &str) -> bool {
    let folder = env::var_os("TZDIR").filter(|folder| !folder.is_empty());
    let folder = folder.map_or_else(|| HOSTS.into(), PathBuf::from);
    fs::read(folder.join(name)).is_ok_and(|file| file.starts_with(b"TZif"))
}

/// The last line of a zone's file (RFC 9636): its current rule as a value of
/// `TZ`.
fn rule(file: &[u8]) -> Option<&str> {
    let file = file.strip_prefix(b"TZif")?.strip_suffix(b"\n")?;
    let line = file.rsplit(|byte| *byte == b'\n').next()?;
    std::str::from_utf8(line)
        .ok()
        .filter(|line| !line.is_empty())
}

fn stand_in() -> std::sync::MutexGuard<'static, Option<(OsString, OsString)>> {
    lock(&STAND_IN)
}

unsafe extern "C" {
    /// Reads the zone in `TZ` (POSIX).
    fn tzset();
}

#[cfg(test)]
mod tests {
    use super::super::bundle;
    use super::*;

    #[test]
    fn every_zone_has_a_rule() {
        let mut zones = 0;
        for file in bundle::below(OURS).filter(|file| !file.path().ends_with(".py")) {
            assert!(rule(&file.data()).is_some(), "{}", file.path());
            zones += 1;
        }
        assert!(zones > 500, "{zones}");
    }

    #[test]
    fn a_rule_is_the_last_line() {
        let file = File::find(&format!("{OURS}/Europe/Berlin")).expect("Berlin");
        assert_eq!(rule(&file.data()), Some("CET-1CEST,M3.5.0,M10.5.0/3"));
        assert_eq!(rule(b"something else\n"), None);
    }

    #[test]
    fn what_is_no_zone_of_ours_is_left_alone() {
        for zone in [
            "",
            ":",
            "UTC",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "/etc/localtime",
            "Europe",
            "Europe/__init__.py",
            "Europe/../Europe/Berlin",
        ] {
            assert_eq!(what_lacks(zone.as_ref()), None, "{zone}");
        }
    }
}
