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

use std::collections::BTreeSet;
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
use super::interrupt::{self, Temporary};
use super::output::{self, Output};
use super::tree::{Content, Item, Tree};
use crate::python::discover;

/// Packs the project.
///
/// # Errors
/// One sentence with its mend; nothing half-made is left.
pub fn pack(options: Options) -> Result<()> {
    let watch = interrupt::watch()?;
    let project = Project::read(options)?;
    let times = Times::read()?;
    let forms = Form::all(&project)?;
    check_outputs(&forms, &project)?;
    let outputs = forms.into_iter().map(|form| {
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
    let written = outputs.iter().map(|(form, _)| form.path());
    let parts = parts(&project, &written.collect::<Vec<_>>(), &steps)?;
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
        output::print(format!("{told}\n").as_bytes())?;
    }
    drop(watch);
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
    _kept: (Temporary<TempDir>, Dependencies),
}

impl Parts {
    /// All files.
    fn all(&self) -> Tree {
        let mut all = self.app.clone();
        all.0.extend(self.dependencies.0.clone());
        all
    }
}

/// `written` are the files that the pack will be.
fn parts(project: &Project, written: &[&Path], steps: &Steps) -> Result<Parts> {
    let collected = collect::collect(project, written)?;
    for warning in &collected.warnings {
        steps.note(&format!("Warning: {warning}"));
    }
    let stage = Temporary::new(tempfile::tempdir, TempDir::path)
        .context("No folder for temporary files can be made")?;
    let site = stage.path().join("site");
    fs::create_dir(&site)?;
    stage::lay_out(&collected.files, &site)?;
    // From here on the copies count, as the project may change.
    let mut app = stage::tree(&site, "")?;
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
        false => compile_app(&mut app, &site, steps)?,
    }
    Ok(Parts {
        app,
        dependencies,
        _kept: (stage, installed),
    })
}

/// Adds the compiled modules of the app, which lies in this folder.
fn compile_app(app: &mut Tree, site: &Path, steps: &Steps) -> Result<()> {
    for (path, why) in compile::compile(site, "")? {
        steps.note(&format!(
            "Warning: {path} is no Python of this version: {why}"
        ));
    }
    let modules = app.0.keys().filter(|path| path.ends_with(".py"));
    let compiled: Vec<_> = modules.filter_map(|path| compile::compiled(path)).collect();
    for path in compiled {
        let file = site.join(&path);
        // A template of Python, say, has none.
        if file.is_file() {
            let item = Item {
                content: Content::Disk(file),
                executable: false,
            };
            app.0.insert(path, item);
        }
    }
    Ok(())
}

/// Checks that each file to write is another one.
fn check_outputs(forms: &[Form], project: &Project) -> Result<()> {
    let list = project.options.sbom.as_deref();
    let paths = forms.iter().map(Form::path).chain(list);
    let mut seen = BTreeSet::new();
    for path in paths {
        if !seen.insert(std::path::absolute(path)?) {
            bail!(
                "'{}' is named for two things to write; name another",
                path.display()
            );
        }
    }
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
            let text = text.replace("as APP_MODULE, such as", "by --app, such as");
            let more = match site.join("src").is_dir() {
                true => " Modules in src/ are found with --set pythonpath=src.",
                false => "",
            };
            Err(anyhow!("{text}{more}"))
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
        .keys()
        .find(|path| parts.dependencies.0.contains_key(*path));
    if let Some(path) = twice {
        bail!(
            "'{path}' is in the project and among the dependencies; leave out one of the two by \
             --exclude, or pack no dependencies by --no-dependencies"
        );
    }
    let all = parts.all();
    for path in all.0.keys() {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(file) = folders.into_iter().find(|it| all.0.contains_key(*it)) {
            bail!(
                "The project has a file '{file}', where a folder of this name is to be in the \
                 pack; rename it, or leave it out by --exclude"
            );
        }
    }
    Ok(())
}
