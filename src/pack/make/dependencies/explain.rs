//! Turns the output of a failed pip into one sentence that says what to do.

use std::env;
use std::path::Path;

/// The sentence, without a full stop. `said` is the output of pip, `log` its log file.
pub fn explain(said: &str, log: &str) -> String {
    let lines: Vec<&str> = said.lines().chain(log.lines()).map(str::trim).collect();
    let ways = [full_disk, wrong_hash, conflict, no_package, not_built];
    ways.iter()
        .find_map(|way| way(&lines))
        .unwrap_or_else(|| other(&lines))
}

fn has(lines: &[&str], text: &str) -> bool {
    position(lines, text).is_some()
}

/// The first line that contains `text`.
fn position(lines: &[&str], text: &str) -> Option<usize> {
    lines.iter().position(|line| line.contains(text))
}

/// What follows `start` in the first line that begins with it.
fn after<'a>(lines: &[&'a str], start: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix(start))
}

/// What follows `start` in the last line that begins with it.
fn after_last<'a>(lines: &[&'a str], start: &str) -> Option<&'a str> {
    lines.iter().rev().find_map(|line| line.strip_prefix(start))
}

fn full_disk(lines: &[&str]) -> Option<String> {
    let is_full = has(lines, "No space left on device") || has(lines, "Disk quota exceeded");
    is_full.then(|| {
        "The disk is full, and the dependencies cannot be installed: make room, or set \
         XDG_CACHE_HOME to a folder on another disk"
            .to_owned()
    })
}

fn wrong_hash(lines: &[&str]) -> Option<String> {
    let missing = [
        "Hashes are required in --require-hashes mode",
        "These do not:",
    ];
    if let Some(start) = missing.iter().find_map(|it| position(lines, it)) {
        let next = lines.get(start + 1).unwrap_or(&"one of them");
        let name = next.split([' ', '<', '>', '=', '!', '~', ';']).next();
        return Some(format!(
            "Some dependencies have hashes and {} has none: give hashes of all dependencies \
             and of what they need, or of none",
            name.unwrap_or_default()
        ));
    }
    let start = position(lines, "DO NOT MATCH THE HASHES")?;
    let rest = &lines[start + 1..];
    let mut rest = rest.iter();
    let name = rest.find(|line| line.contains(" from ") || line.ends_with(':'));
    let name = name.and_then(|line| line.split(" from ").next());
    Some(format!(
        "The file that was found for {} is not the one whose hash is locked: lock again if \
         you trust the new one, and find out who has changed it if not",
        name.map_or("a dependency", |it| it.trim_end_matches(':'))
    ))
}

fn conflict(lines: &[&str]) -> Option<String> {
    let start = position(lines, "The conflict is caused by:")?;
    let reasons = lines[start + 1..]
        .iter()
        .take_while(|line| !line.is_empty());
    let reasons: Vec<String> = reasons.map(|line| without_place(line)).collect();
    let (few, more) = reasons.split_at(reasons.len().min(4));
    let more = match more.len() {
        0 => String::new(),
        count => format!(" and {count} more reasons"),
    };
    Some(format!(
        "The dependencies contradict each other ({}{more}): change one of these demands",
        few.join(", ")
    ))
}

fn no_package(lines: &[&str]) -> Option<String> {
    const START: &str = "ERROR: Could not find a version that satisfies the requirement ";
    const IGNORED: &str = "ERROR: Ignored the following versions that require a different python";
    let unreachable = [
        "connection broken by",
        "connection error: ",
        "Max retries exceeded",
    ];
    let is_unreachable = unreachable.iter().any(|it| has(lines, it));
    let Some(found) = after(lines, START) else {
        return is_unreachable.then(|| {
            "An address of packages cannot be reached: look at the network and the proxy".to_owned()
        });
    };
    let (wanted, versions) = found
        .rsplit_once(" (from versions: ")
        .unwrap_or((found, "none)"));
    let wanted = without_place(wanted);
    if has(lines, "problem confirming the ssl certificate") {
        return Some(format!(
            "The certificate of the index of packages is not trusted, so there is no {wanted}: \
             name the file with its authority by PIP_CERT"
        ));
    }
    if is_unreachable {
        return Some(format!(
            "The index of packages cannot be reached, so there is no {wanted}: look at the \
             network and the proxy, or give the packages by --find-links DIR --no-index"
        ));
    }
    let demanded = wanted.split_once("==").map(|(_, version)| version.trim());
    let ignored = after(lines, IGNORED).unwrap_or_default();
    let is_for_others = ignored.split([' ', ';']).any(|it| Some(it) == demanded);
    if is_for_others || !ignored.is_empty() && versions == "none)" {
        return Some(format!(
            "There is no {wanted} for Python {}: demand another version or package",
            env!("RGUNICORN_PYTHON_MINOR")
        ));
    }
    if versions == "none)" {
        return Some(format!(
            "There is no package {wanted} for this Python and machine where pip looks: look at \
             its name, and name the place that has it by --index-url or --find-links"
        ));
    }
    let versions: Vec<_> = versions.trim_end_matches(')').split(", ").collect();
    let newest = &versions[versions.len().saturating_sub(5)..];
    let before = match newest.len() < versions.len() {
        true => "..., ",
        false => "",
    };
    Some(format!(
        "There is no version {wanted}, but {before}{}: demand one that is there",
        newest.join(", ")
    ))
}

fn not_built(lines: &[&str]) -> Option<String> {
    let is_failure = has(lines, "finished with status 'error'")
        || has(lines, "subprocess-exited-with-error")
        || has(lines, "Failed to build installable wheels");
    if !is_failure {
        return None;
    }
    let mut lines_back = lines.iter().rev();
    let failed = lines_back.find(|line| line.ends_with("finished with status 'error'"));
    let of_wheel = failed.and_then(|line| line.strip_prefix("Building wheel for "));
    let name = of_wheel
        .and_then(|line| line.split(" (").next())
        .or_else(|| after_last(lines, "Collecting "))
        .or_else(|| after_last(lines, "Processing "))
        .unwrap_or("A dependency");
    let name = without_place(name);
    let python = env!("RGUNICORN_PYTHON_MINOR");
    Some(match has_compiler() {
        false => format!(
            "{name} has no wheel for Python {python} on this machine and must be built from \
             source, for which there is no compiler: install gcc, or demand a version that \
             has a wheel"
        ),
        true => format!(
            "{name} has no wheel for Python {python} on this machine and cannot be built from \
             source: demand a version that has a wheel, or install what its documentation \
             says that it needs"
        ),
    })
}

fn other(lines: &[&str]) -> String {
    let error = after_last(lines, "ERROR: ");
    let last = lines.iter().rev().find(|line| !line.is_empty()).copied();
    let text = error.or(last).unwrap_or("it says nothing");
    format!(
        "pip cannot install the dependencies ({})",
        text.trim_end_matches('.')
    )
}

/// Removes the place of a requirement, as it is usually a temporary file.
fn without_place(text: &str) -> String {
    let end = text.find(" (from ").unwrap_or(text.len());
    text[..end].to_owned()
}

fn has_compiler() -> bool {
    let given = env::var_os("CC").filter(|it| !it.is_empty());
    let folders = env::var_os("PATH").unwrap_or_default();
    given.is_some()
        || env::split_paths(&folders).any(|folder| {
            ["cc", "gcc", "clang"]
                .iter()
                .any(|it| Path::new(&folder).join(it).is_file())
        })
}
