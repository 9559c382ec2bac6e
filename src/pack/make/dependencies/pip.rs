//! Runs the included pip in a child process.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::dependency_files::Requirements;
use super::{explain, inputs, kept_install, normalize};
use crate::pack::interrupt;
use crate::pack::make::options::Options;
use crate::pack::make::python;

/// What was installed.
#[derive(Debug, Default)]
pub struct Installed {
    /// The packages' names.
    pub names: Vec<String>,
    /// Whether some come from a folder, or from a file that can change.
    pub has_folders: bool,
    /// Whether some come from a URL where another package may be tomorrow.
    pub moves: bool,
    /// Whether a lock file named all of them.
    pub is_locked: bool,
    /// Whether all had a hash in it.
    pub is_hashed: bool,
}

/// Installs the requirements into the folder of packages in `folder`, which is also
/// used for temporary files. `log` is written, and stays.
///
/// # Errors
/// One sentence, which names the log.
pub fn install(
    requirements: &Requirements,
    project: &Path,
    options: &Options,
    folder: &Path,
    log: &Path,
    say: &dyn Fn(&str),
) -> Result<Installed> {
    let packages = folder.join(kept_install::PACKAGES);
    fs::create_dir_all(&packages)?;
    let mut installed = Installed {
        is_locked: requirements.locked,
        is_hashed: requirements.locked && requirements.unhashed.is_empty(),
        ..Installed::default()
    };
    let work = folder.join("work");
    // If one requirement has a hash, pip requires one for all.
    for (lines, files) in [
        (&requirements.lines, &requirements.files[..]),
        (&requirements.unhashed, &[]),
    ] {
        if lines.is_empty() && files.is_empty() {
            continue;
        }
        fs::create_dir(&work)?;
        let own = work.join("requirements.txt");
        fs::write(&own, lines.join("\n"))?;
        let mut command = command(project, options, &work, log);
        command.arg("--requirement").arg(&own);
        for file in files {
            command.arg("--requirement").arg(file);
        }
        if requirements.locked {
            command.arg("--no-deps");
        }
        run(command, log, say)?;
        installed.add(&work.join("report.json"))?;
        let target = work.join("target");
        if target.exists() {
            normalize::merge(&target, &packages)?;
        }
        fs::remove_dir_all(&work)?;
    }
    Ok(installed)
}

/// pip with all options, but without the requirements.
fn command(project: &Path, options: &Options, work: &Path, log: &Path) -> Command {
    let mut command = python::command();
    let fixed = "-I -m pip install --no-compile --prefer-binary --no-input \
                           --disable-pip-version-check --progress-bar=off \
                           --root-user-action=ignore --no-warn-conflicts";
    command.args(fixed.split_whitespace());
    command.arg("--target").arg(work.join("target"));
    command.arg("--report").arg(work.join("report.json"));
    command.arg("--log").arg(log);
    for file in &options.constraint {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
        command.arg("--constraint").arg(file);
    }
    for place in &options.find_links {
        command
            .arg("--find-links")
            .arg(inputs::link(place, project));
    }
    if options.no_index {
        command.arg("--no-index");
    }
    if let Some(url) = &options.index_url {
        command.args(["--index-url", url]);
    }
    for url in &options.extra_index_url {
        command.args(["--extra-index-url", url]);
    }
    // These variables must not change where pip installs and what it prints.
    for name in [
        "TARGET", "PREFIX", "ROOT", "LOG", "REPORT", "QUIET", "VERBOSE",
    ] {
        command.env_remove(format!("PIP_{name}"));
    }
    for name in ["USER", "DRY_RUN", "REQUIRE_VIRTUALENV"] {
        command.env(format!("PIP_{name}"), "0");
    }
    // On the same file system, so that files are moved and not copied.
    let temporary = work.join("tmp");
    let _ = fs::create_dir(&temporary);
    command.env("TMPDIR", temporary);
    // Requirements such as ./library are relative to the project's folder.
    command.current_dir(project);
    command
}

fn run(mut command: Command, log: &Path, say: &dyn Fn(&str)) -> Result<()> {
    let _ = fs::remove_file(log);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = interrupt::start(&mut command).context("The interpreter cannot be started")?;
    let mut errors = child.stderr.take().expect("it is piped");
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        text
    });
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        const OF_INTEREST: [&str; 4] = ["Collecting ", "Downloading ", "Building ", "Installing "];
        if OF_INTEREST
            .iter()
            .any(|it| line.trim_start().starts_with(it))
        {
            say(line.trim());
        }
        said += &line;
        said.push('\n');
    }
    let errors = errors.join().unwrap_or_default();
    if child.wait()?.success() {
        return Ok(());
    }
    said += &String::from_utf8_lossy(&errors);
    let logged = fs::read_to_string(log).unwrap_or_default();
    if logged.is_empty() {
        fs::write(log, &said)?;
    }
    bail!(
        "{}; the whole log is in {}",
        explain::explain(&said, &logged),
        log.display()
    )
}

// pip's installation report, version 1.

#[derive(Deserialize)]
struct Report {
    install: Vec<ReportedPackage>,
}

#[derive(Deserialize)]
struct ReportedPackage {
    metadata: ReportedMetadata,
    is_direct: bool,
    download_info: Download,
}

#[derive(Deserialize)]
struct ReportedMetadata {
    name: String,
}

#[derive(Deserialize)]
struct Download {
    url: String,
    dir_info: Option<serde_json::Value>,
    vcs_info: Option<Commit>,
}

#[derive(Deserialize)]
struct Commit {
    requested_revision: Option<String>,
    commit_id: String,
}

impl Installed {
    fn add(&mut self, report: &PathBuf) -> Result<()> {
        let report = fs::read(report).context("pip has written no report")?;
        let report: Report = serde_json::from_slice(&report)?;
        for item in report.install {
            self.names.push(item.metadata.name);
            if !item.is_direct {
                continue;
            }
            let place = item.download_info;
            self.has_folders |= place.dir_info.is_some();
            self.moves |= match place.vcs_info {
                Some(it) => it.requested_revision.as_ref() != Some(&it.commit_id),
                None => !self.is_hashed,
            };
            // The file may be another one tomorrow, without a trace.
            self.has_folders |= place.url.starts_with("file:") && !self.is_hashed;
        }
        Ok(())
    }
}
