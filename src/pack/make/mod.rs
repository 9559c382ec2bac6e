//! From a project's folder to one file: a zip, an executable or a container
//! image.

mod archive;
mod collect;
mod compile;
mod dependencies;
mod executable;
mod form;
mod image;
mod options;
mod project;
mod python;
mod stage;
mod static_files;
mod steps;
mod times;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use dependencies::Dependencies;
use form::Form;
pub use options::Options;
use project::Project;
use steps::Steps;
use times::Times;

use super::SITE_PACKAGES;
use super::inspect;
use super::output::{self, Output};
use super::tree::{Content, Tree};
use crate::python::discover;

/// Packs the project.
///
/// # Errors
/// One sentence with its mend; nothing half-made is left.
pub fn pack(options: Options) -> Result<()> {
    let project = Project::read(options)?;
    let times = Times::read()?;
    let outputs = Form::all(&project)?.into_iter().map(|form| {
        let output = Output::new(form.path())?;
        Ok((form, output))
    });
    let outputs = outputs.collect::<Result<Vec<_>>>()?;
    let steps = Steps::new(5);

    let warnings = outputs
        .iter()
        .filter_map(|(form, _)| form.warning(&project.label));
    for warning in warnings {
        steps.note(&format!("Warning: {warning}"));
    }
    steps.next("Gathering the project's files");
    let parts = parts(&project, &steps)?;
    check_names(&parts)?;

    steps.next("Writing");
    let all = parts.all();
    for note in inspect::native_notes(&all)? {
        steps.note(&format!("Warning: {note}"));
    }
    let with_program = outputs.iter().any(|(form, _)| form.has_program());
    let contents = inspect::sbom(&all, &project.label, with_program)?;
    let first = outputs.first().map(|(form, _)| form.path().to_owned());
    let mut made = Vec::new();
    for (form, output) in outputs {
        made.push(form.write(output, &project.label, &parts, &contents, times)?);
    }
    drop(steps);
    if let Some(to) = &project.options.sbom {
        output::write(to, &contents, "the list of what is inside")?;
    }
    for told in made {
        println!("{told}");
    }
    if let Some(first) = first.filter(|_| project.options.check) {
        inspect::check(&first)?;
    }
    Ok(())
}

/// The files of a pack.
struct Parts {
    app: Tree,
    dependencies: Tree,
    /// Files of theirs are there as long as these are.
    _kept: (TempDir, Dependencies),
}

impl Parts {
    /// All files.
    fn all(&self) -> Tree {
        let mut all = self.app.clone();
        all.0.extend(self.dependencies.0.clone());
        all
    }
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
    if let Some(source) = &installed.source {
        steps.note(&format!("The dependencies are those of {source}."));
    }
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

    if !project.options.no_collectstatic
        && let Some(gathered) = static_files::gather(&site, steps)?
    {
        if let Some(note) = gathered.note {
            steps.note(&note);
        }
        app.0.extend(gathered.files.0);
    }

    steps.next("Compiling");
    match project.options.no_compile {
        true => dependencies.0.retain(|path, _| !path.ends_with(".pyc")),
        false => compile_app(&mut app, stage.path(), steps)?,
    }
    Ok(Parts {
        app,
        dependencies,
        _kept: (stage, installed),
    })
}

/// Adds the compiled modules of the app, which are made in a folder below `stage`.
fn compile_app(app: &mut Tree, stage: &Path, steps: &Steps) -> Result<()> {
    let folder = stage.join("modules");
    fs::create_dir(&folder)?;
    let mut sources = app.clone();
    sources.0.retain(|path, _| path.ends_with(".py"));
    stage::lay_out(&sources, &folder)?;
    for (path, why) in compile::compile(&folder, "")? {
        steps.note(&format!(
            "Warning: {path} is no Python of this version: {why}"
        ));
    }
    let mut compiled = stage::tree(&folder, "")?;
    compiled.0.retain(|path, _| path.ends_with(".pyc"));
    app.0.extend(compiled.0);
    Ok(())
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
