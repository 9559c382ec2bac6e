//! From a project's folder to one file: a zip, an executable or a container
//! image.

mod archive;
mod collect;
mod compile;
mod dependencies;
mod executable;
mod image;
mod image;
mod options;
mod output;
mod project;
mod python;
mod stage;
mod static_files;
mod steps;

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};

pub use options::Options;
use output::Output;
use project::Project;
use steps::Steps;

use super::SITE_PACKAGES;
use super::tree::{Content, Tree};
use crate::python::discover;

/// Packs the project.
///
/// # Errors
/// One sentence with its mend; nothing half-made is left.
pub fn pack(options: Options) -> Result<()> {
    let project = Project::read(options)?;
    let time = time()?;
    let form = Form::of(&project);
    let mut output = form.as_ref().map(|form| Output::new(form.path()));
    let steps = Steps::new(5);

    steps.next("Gathering the project's files");
    let mut parts = parts(&project, &steps)?;
    check_names(&parts)?;

    steps.next("Writing");
    if let (Some(form), Some(output)) = (&form, output.take()) {
        let mut output = output?;
        let mut writer = output.writer();
        if let Form::Executable(_) = form {
            writer.write_all(&executable::program(true)?)?;
        }
        let trees = [&parts.app, &parts.dependencies];
        let mut writer = archive::write(writer, &project.label, &trees, time)?;
        writer.flush().context("The pack cannot be written")?;
        drop(writer);
        let size = output.finish(matches!(form, Form::Executable(_)))?;
        drop(steps);
        form.report(size);
    }
    parts.stage.take();
    Ok(())
}

/// What a pack is written as.
enum Form {
    Zip(PathBuf),
    Executable(PathBuf),
}

impl Form {
    /// What the options ask for; nothing if they only ask for an image.
    fn of(project: &Project) -> Option<Form> {
        let options = &project.options;
        let path = match &options.output {
            Some(path) => path.clone(),
            None if options.image.is_some() && !options.exe => return None,
            None => Path::new("dist").join(project.file_name()),
        };
        let is_zip = path
            .extension()
            .is_some_and(|it| it.eq_ignore_ascii_case("zip"));
        Some(match is_zip && !options.exe {
            true => Form::Zip(path),
            false => Form::Executable(path),
        })
    }

    fn path(&self) -> &Path {
        match self {
            Form::Zip(path) | Form::Executable(path) => path,
        }
    }

    fn report(&self, size: u64) {
        let path = self.path();
        let size = megabytes(size);
        match self {
            Form::Zip(_) => println!(
                "Made {} ({size}). Serve it: rgunicorn --app-zip {}",
                path.display(),
                path.display()
            ),
            Form::Executable(_) => {
                let is_bare = path.parent().is_some_and(|it| it.as_os_str().is_empty());
                let command = if is_bare {
                    Path::new(".").join(path)
                } else {
                    path.to_owned()
                };
                println!(
                    "Made {} ({size}). Serve it: {}",
                    path.display(),
                    command.display()
                );
            }
        }
    }
}

/// The files of a pack.
struct Parts {
    app: Tree,
    dependencies: Tree,
    /// The folder with files of theirs that are not the user's.
    stage: Option<tempfile::TempDir>,
}

fn parts(project: &Project, steps: &Steps) -> Result<Parts> {
    let collected = collect::collect(project)?;
    for warning in &collected.warnings {
        steps.note(&format!("Warning: {warning}"));
    }
    let mut app = collected.files;
    let stage = tempfile::tempdir().context("No folder for temporary files can be made")?;
    let site = stage.path().join("site");
    fs::create_dir(&site)?;
    stage::lay_out(&app, &site)?;
    check_app(project, &site)?;
    check_settings(project, &site, steps);

    steps.next("Installing the dependencies");
    let installed = dependencies::install(
        &project.folder,
        &project.options,
        &|what| steps.now(what),
        &|folder| compile::compile(folder, &format!("{SITE_PACKAGES}/")).map(drop),
    )?;
    for note in &installed.notes {
        steps.note(note);
    }
    let mut dependencies = Tree::default();
    if let Some(folder) = &installed.folder {
        let prefix = format!("{SITE_PACKAGES}/");
        dependencies = stage::tree(folder, &prefix)?;
        if !site.join(SITE_PACKAGES).exists() {
            symlink(folder, site.join(SITE_PACKAGES))?;
        }
    }

    if !project.options.no_collectstatic {
        steps.next("Gathering static files");
        if let Some(gathered) = static_files::gather(&site)? {
            if let Some(note) = gathered.note {
                steps.note(&note);
            }
            app.0.extend(gathered.files.0);
        }
    }

    steps.next("Compiling");
    let modules = stage.path().join("modules");
    fs::create_dir(&modules)?;
    let is_module = |path: &str| path.ends_with(".py");
    let sources = app.0.iter().filter(|(path, _)| is_module(path));
    let sources = Tree(
        sources
            .map(|(path, item)| (path.clone(), item.clone()))
            .collect(),
    );
    stage::lay_out(&sources, &modules)?;
    for (path, why) in compile::compile(&modules, "")? {
        steps.note(&format!(
            "Warning: {path} is no Python of this version: {why}"
        ));
    }
    for (path, item) in stage::tree(&modules, "")?.0 {
        if path.ends_with(".pyc") {
            app.0.insert(path, item);
        }
    }
    Ok(Parts {
        app,
        dependencies,
        stage: Some(stage),
    })
}

/// Checks that there is an app to serve.
fn check_app(project: &Project, site: &Path) -> Result<()> {
    let config = discover::read(site, "gunicorn.conf.py").unwrap_or_default();
    if project.label.settings.contains_key("wsgi_app") || config.contains("wsgi_app") {
        return Ok(());
    }
    match discover::discover(site, false) {
        Ok(_) => Ok(()),
        Err(error) => {
            let folder = project.folder.display().to_string();
            let text = error
                .to_string()
                .replace(&site.display().to_string(), &folder);
            Err(anyhow!(
                "{}",
                text.replace("as APP_MODULE, such as", "by --app, such as")
            ))
        }
    }
}

/// Tells which packed settings the project's own config file overrides.
fn check_settings(project: &Project, site: &Path, steps: &Steps) {
    let config = discover::read(site, "gunicorn.conf.py").unwrap_or_default();
    let is_set = |name: &&String| {
        config.lines().any(|line| {
            let rest = line.strip_prefix(name.as_str()).map(str::trim_start);
            rest.is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=="))
        })
    };
    for name in project.label.settings.keys().filter(is_set) {
        steps.note(&format!(
            "Warning: gunicorn.conf.py in the project gives {name}, too, and what it gives counts"
        ));
    }
}

/// Checks that no file comes from the project and from its dependencies.
fn check_names(parts: &Parts) -> Result<()> {
    let twice = parts
        .app
        .0
        .iter()
        .find(|(path, _)| parts.dependencies.0.contains_key(*path));
    if let Some((path, item)) = twice {
        let from = match &item.content {
            Content::Disk(file) => file.display().to_string(),
            Content::Bytes(_) => "the project".to_owned(),
        };
        bail!(
            "'{path}' is in {from} and among the dependencies; leave out one of the two by \
             --exclude, or pack no dependencies by --no-dependencies"
        );
    }
    Ok(())
}

/// The time of all files in the pack, in seconds since 1970: what
/// `SOURCE_DATE_EPOCH` says (reproducible-builds.org), else the first that a zip can
/// have.
fn time() -> Result<u64> {
    const FIRST: u64 = 315_532_800;
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    match env::var(VARIABLE) {
        Err(_) => Ok(FIRST),
        Ok(text) => text.trim().parse().with_context(|| {
            format!("${VARIABLE} is '{text}'; it must be a number of seconds since 1970")
        }),
    }
}

/// Bytes as people read them.
fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
