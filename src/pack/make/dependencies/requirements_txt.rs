//! Requirements files as pip reads them (pip's documentation, "Requirements File
//! Format"), without the packed project itself and without links to folders.
//!
//! Many tools write `-e .` into such a file. The project's files are packed already,
//! and an "editable" installation is a link to a folder of this machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The content of such files.
#[derive(Debug, Default)]
pub struct RequirementLines {
    /// Complete lines. The lines of a file that is named in a line replace that line.
    pub lines: Vec<String>,
    /// The text of all files that were read, constraints included.
    pub read: Vec<String>,
    /// Extras of the packed project itself, if it is one of the requirements.
    pub own: Option<BTreeSet<String>>,
    /// Whether pip must get these lines instead of the files.
    pub differs: bool,
    seen: BTreeSet<PathBuf>,
}

impl RequirementLines {
    /// Adds a file of the project in this folder.
    ///
    /// # Errors
    /// It cannot be read; it is named.
    pub fn add(&mut self, file: &Path, project: &Path) -> Result<()> {
        if !self.seen.insert(file.to_owned()) {
            return Ok(());
        }
        let folder = file.parent().unwrap_or(project);
        for line in self.read(file)? {
            match option(&line) {
                Some(("-r" | "--requirement", other)) => self.add(&folder.join(other), project)?,
                Some((word @ ("-c" | "--constraint"), other)) => {
                    let other = folder.join(other);
                    self.constraint(&other)?;
                    self.lines.push(format!("{word} {}", other.display()));
                }
                Some((word @ ("-f" | "--find-links"), place)) => {
                    let there = folder.join(place);
                    let place = match there.exists() {
                        true => there.display().to_string(),
                        false => place.to_owned(),
                    };
                    self.lines.push(format!("{word} {place}"));
                }
                Some(("-e" | "--editable", what)) => {
                    self.differs = true;
                    self.require(what, project);
                }
                _ => self.require(&line, project),
            }
        }
        Ok(())
    }

    /// Reads a file of constraints, and those that it names.
    ///
    /// # Errors
    /// It cannot be read; it is named.
    pub fn constraint(&mut self, file: &Path) -> Result<()> {
        if !self.seen.insert(file.to_owned()) {
            return Ok(());
        }
        for line in self.read(file)? {
            if let Some(("-r" | "--requirement" | "-c" | "--constraint", other)) = option(&line) {
                self.constraint(&file.parent().unwrap_or(file).join(other))?;
            }
        }
        Ok(())
    }

    fn require(&mut self, what: &str, project: &Path) {
        match own(what, project) {
            Some(extras) => {
                self.differs = true;
                self.own.get_or_insert_default().extend(extras);
            }
            None => self.lines.push(what.to_owned()),
        }
    }

    /// The complete lines of a file, without comments.
    fn read(&mut self, file: &Path) -> Result<Vec<String>> {
        let shown = file.display();
        // Reading a pipe or a device might never end.
        match fs::metadata(file) {
            Ok(there) if there.is_file() => {}
            Ok(_) => bail!("The requirements file '{shown}' is not a file; write it to one"),
            Err(_) => bail!("The requirements file '{shown}' is not there"),
        }
        let bytes = fs::read(file)
            .with_context(|| format!("The requirements file '{shown}' cannot be read"))?;
        let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        let whole = text.trim_start_matches('\u{feff}').replace("\\\n", " ");
        let lines = whole.lines().map(|line| {
            let is_comment = |at: &usize| {
                line[..*at].chars().all(char::is_whitespace)
                    || line[..*at].ends_with(char::is_whitespace)
            };
            let end = line.match_indices('#').map(|(at, _)| at).find(is_comment);
            line[..end.unwrap_or(line.len())].trim().to_owned()
        });
        let lines = lines.filter(|line| !line.is_empty()).collect();
        self.read.push(text);
        Ok(lines)
    }
}

/// The option in a line, and its value.
fn option(line: &str) -> Option<(&str, &str)> {
    let (word, value) = match line.strip_prefix('-')?.starts_with('-') {
        true => line.split_once(['=', ' ', '\t'])?,
        false => line.split_at_checked(2)?,
    };
    Some((word, value.trim_start_matches(['=', ' ', '\t']).trim()))
}

/// The extras, if a requirement is the project itself: `.`, `./[docs]`, `shop @
/// file:///home/ann/shop`.
fn own(what: &str, project: &Path) -> Option<Vec<String>> {
    let place = what.split(';').next()?.trim();
    let place = place
        .split_once(" @ ")
        .map_or(place, |(_, place)| place.trim());
    let place = place.strip_prefix("file://").unwrap_or(place);
    let (place, extras) = match place.split_once('[') {
        Some((place, extras)) => (place, extras.split(']').next().unwrap_or_default()),
        None => (place, ""),
    };
    if !place.starts_with(['.', '/']) || fs::canonicalize(project.join(place)).ok()? != project {
        return None;
    }
    let extras = extras.split(',').map(str::trim).filter(|it| !it.is_empty());
    Some(extras.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_itself_and_links_are_not_among_the_lines() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let project = dir.path().canonicalize().expect("it is there");
        let write = |name: &str, text: &str| fs::write(project.join(name), text).expect("a file");
        write(
            "a.txt",
            "-r b.txt\none==1 \\\n  --hash=sha256:0 # c\n-e .[x, y]\n./\n",
        );
        write(
            "b.txt",
            "# no\n-e ./lib\ntwo#egg\n-cc.txt\n--find-links=none\n",
        );
        write("c.txt", "three<3\n");
        let mut plain = RequirementLines::default();
        plain.add(&project.join("a.txt"), &project).expect("files");
        let constraint = format!("-c {}", project.join("c.txt").display());
        let hashed = "one==1    --hash=sha256:0";
        let wanted = ["./lib", "two#egg", &constraint, "--find-links none", hashed];
        assert_eq!(plain.lines, wanted);
        assert!(plain.differs && plain.read.len() == 3);
        let own: Vec<_> = plain.own.expect("it is named").into_iter().collect();
        assert_eq!(own, ["x", "y"]);
    }
}
