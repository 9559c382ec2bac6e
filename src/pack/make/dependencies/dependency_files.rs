//! The files of a project that name its dependencies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::requirements_txt::RequirementLines;
use crate::pack::interrupt;
use crate::pack::make::options::Options;
use crate::pack::make::python;

const PROJECT: &str = "pyproject.toml";

/// The files that name the dependencies.
#[derive(Debug, Default, PartialEq)]
pub struct DependencyFiles {
    /// Files of requirements, as pip reads them.
    pub plain: Vec<PathBuf>,
    /// A lock file or pyproject.toml, which pip does not read.
    pub read: Option<PathBuf>,
}

/// What pip is to install.
#[derive(Debug, Default, Deserialize)]
pub struct Requirements {
    /// Files of requirements.
    #[serde(skip)]
    pub files: Vec<PathBuf>,
    /// Further lines of a requirements file.
    pub lines: Vec<String>,
    /// Locked requirements without a hash, such as folders and commits.
    pub unhashed: Vec<String>,
    /// Whether this is everything, so that pip need not look for dependencies.
    pub locked: bool,
    /// What the files of requirements say.
    #[serde(skip)]
    pub plain: RequirementLines,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Refused { error: String },
    Found(Requirements),
}

impl DependencyFiles {
    /// The files that the options name, else the first one that the project has; and
    /// sentences for the user.
    ///
    /// # Errors
    /// A named file does not exist, or files cannot be used together: one sentence.
    pub fn find(
        project: &Path,
        options: &Options,
    ) -> Result<(Option<DependencyFiles>, Vec<String>)> {
        if !options.requirements.is_empty() {
            return Ok((Some(Self::named(&options.requirements)?), Vec::new()));
        }
        const ORDER: [&str; 6] = [
            "pylock.toml",
            "uv.lock",
            "requirements.txt",
            PROJECT,
            "Pipfile.lock",
            "poetry.lock",
        ];
        let mut there = Vec::new();
        for name in ORDER {
            let is_there = project.join(name).is_file();
            if is_there && (name != PROJECT || speaks_of_dependencies(&project.join(name))?) {
                there.push(name);
            }
        }
        let Some(first) = there.first() else {
            return none_found(project, options, &ORDER);
        };
        let unused = there
            .iter()
            .find(|it| first == &PROJECT && it.ends_with(".lock"));
        let note = unused.map(|it| {
            format!("The dependencies are those of {first}; to take the locked ones: -r {it}")
        });
        let source = Self::named(&[project.join(first)])?;
        Ok((Some(source), note.into_iter().collect()))
    }

    fn named(files: &[PathBuf]) -> Result<DependencyFiles> {
        let mut found = DependencyFiles::default();
        for file in files {
            let shown = file.display();
            let real = fs::canonicalize(file)
                .with_context(|| format!("The requirements file '{shown}' cannot be read"))?;
            if !real.is_file() {
                bail!("The requirements file '{shown}' is not a file; write it to one");
            }
            if !is_of_another_kind(file) {
                found.plain.push(real);
            } else if found.read.replace(real).is_some() {
                bail!("-r takes one lock file or pyproject.toml, and '{shown}' is another");
            }
        }
        match &found.read {
            Some(file) if !found.plain.is_empty() && !file.ends_with(PROJECT) => bail!(
                "'{}' has all that is to be installed; leave out the other files of -r",
                file.display()
            ),
            _ => Ok(found),
        }
    }

    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.plain.iter().chain(&self.read)
    }

    /// The names of the files, as in `uv.lock`.
    pub fn names(&self) -> String {
        let names = self.files().filter_map(|it| it.file_name());
        let names: Vec<_> = names.map(|it| it.to_string_lossy()).collect();
        names.join(", ")
    }

    /// What pip is to install.
    ///
    /// # Errors
    /// A file cannot be read, or does not have what was asked for: one sentence.
    pub fn requirements(&self, project: &Path, options: &Options) -> Result<Requirements> {
        let mut plain = RequirementLines::default();
        for file in &self.plain {
            plain.add(file, project)?;
        }
        let mut found = match &self.read {
            Some(file) => ask(file, project, &options.extra, &options.group)?,
            None => Requirements::default(),
        };
        let extras = options.extra.iter().map(|it| ("extra", it));
        let mut asked = extras.chain(options.group.iter().map(|it| ("group", it)));
        if let (None, Some((kind, name))) = (&self.read, asked.next()) {
            bail!(
                "{} has no {kind}s; to have '{name}', name the file that has it, as in -r {PROJECT}",
                self.names()
            );
        }
        // If there are hashes, all dependencies are listed.
        let is_hashed = plain.lines.iter().any(|line| line.contains("--hash"));
        if let (Some(extras), false) = (&plain.own, is_hashed) {
            let file = project.join(PROJECT);
            if !file.is_file() {
                bail!(
                    "{} names the project itself, which has no {PROJECT} that says what it \
                     needs; write that into the one or the other",
                    self.names()
                );
            }
            let extras: Vec<_> = extras.iter().cloned().collect();
            found.lines.extend(ask(&file, project, &extras, &[])?.lines);
        }
        if plain.differs {
            found.lines.splice(..0, plain.lines.iter().cloned());
        } else {
            found.files.clone_from(&self.plain);
        }
        Ok(Requirements { plain, ..found })
    }
}

/// Reads a file that pip does not read.
fn ask(file: &Path, project: &Path, extras: &[String], groups: &[String]) -> Result<Requirements> {
    let question = serde_json::json!({
        "file": file, "project": project, "extras": extras, "groups": groups,
    });
    let mut command = python::command();
    command
        .args(["-I", "-m", "_rgunicorn.requirements"])
        .arg(question.to_string())
        .stdin(Stdio::null());
    let done = interrupt::output(&mut command).context("The interpreter cannot be started")?;
    match serde_json::from_slice(&done.stdout) {
        Ok(Answer::Found(found)) => {
            let mut lines = found.lines.iter().chain(&found.unhashed);
            if let Some(line) = lines.find(|line| line.contains(is_end_of_line)) {
                bail!(
                    "{} has a control character in {line:?}, of which pip would make other \
                     requirements; make the file again",
                    file.display()
                );
            }
            Ok(found)
        }
        Ok(Answer::Refused { error }) => bail!("{error}"),
        Err(_) => bail!(
            "{} cannot be read:\n{}",
            file.display(),
            String::from_utf8_lossy(&done.stderr).trim_end()
        ),
    }
}

/// Whether pip may end a line at this character, as Python's `str.splitlines` does.
/// Names, versions and URLs have no other control characters either. A tab counts as a
/// space.
fn is_end_of_line(character: char) -> bool {
    character.is_control() && character != '\t' || matches!(character, '\u{2028}' | '\u{2029}')
}

/// The result if the project has no file that names dependencies.
fn none_found(
    project: &Path,
    options: &Options,
    order: &[&str],
) -> Result<(Option<DependencyFiles>, Vec<String>)> {
    if project.join("Pipfile").is_file() {
        bail!("There is a Pipfile and no Pipfile.lock: run `pipenv lock`");
    }
    if fs::read_to_string(project.join(PROJECT)).is_ok_and(|it| it.contains("[tool.poetry")) {
        bail!("There is a project of Poetry and no poetry.lock: run `poetry lock`");
    }
    let extras = options.extra.iter().map(|it| ("extra", it));
    let mut asked = extras.chain(options.group.iter().map(|it| ("group", it)));
    if let Some((kind, name)) = asked.next() {
        bail!("The project names no dependencies, so there is no {kind} '{name}'");
    }
    let note = format!(
        "No dependencies: there is no {} that names any.",
        order.join(", ")
    );
    Ok((None, vec![note]))
}

/// Whether we read the file, and not pip. Its name decides.
fn is_of_another_kind(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let of_tools = [PROJECT, "uv.lock", "poetry.lock", "Pipfile.lock"];
    // PEP 751: pylock.toml, pylock.NAME.toml
    of_tools.contains(&&*name) || name.starts_with("pylock.") && name.ends_with(".toml")
}

/// Whether it names dependencies. Many projects have this file only for the settings of
/// tools.
fn speaks_of_dependencies(file: &Path) -> Result<bool> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct PyProject {
        project: Project,
        dependency_groups: toml::Table,
    }
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Project {
        dependencies: Option<toml::Value>,
        optional_dependencies: toml::Table,
        dynamic: Vec<String>,
    }
    let text = fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    let found: PyProject =
        toml::from_str(&text).with_context(|| format!("{} cannot be read", file.display()))?;
    Ok(found.project.dependencies.is_some()
        || !found.project.optional_dependencies.is_empty()
        || !found.dependency_groups.is_empty()
        || found.project.dynamic.iter().any(|it| it == "dependencies"))
}
