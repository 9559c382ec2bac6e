//! The files of a pack: those of the project, its dependencies, Django's static files
//! and the compiled modules.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use super::dependencies::{self, Dependencies};
use super::project::Project;
use super::steps::Steps;
use super::{collect, compile, static_files};
use crate::pack::interrupt::Temporary;
use crate::pack::tree::{Content, PackFile, SITE_PACKAGES, Tree};
use crate::python::discover;

/// The files of a pack.
pub struct SiteFiles {
    pub app: Tree,
    pub dependencies: Tree,
    /// The folders of the files exist until these are dropped.
    _folders: (Temporary<TempDir>, Dependencies),
}

impl SiteFiles {
    /// Collects them. `written` are the files that will be written, which may exist
    /// from an earlier pack.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn collect(project: &Project, written: &[&Path], steps: &Steps) -> Result<Self> {
        let collected = collect::collect(project, written)?;
        for warning in &collected.warnings {
            steps.note(&format!("Warning: {warning}"));
        }
        let stage = Temporary::new(tempfile::tempdir, TempDir::path)
            .context("No folder for temporary files can be made")?;
        let site = stage.path().join("site");
        fs::create_dir(&site)?;
        collected.files.write_to(&site)?;
        // From here on the copies are used, as the project may change meanwhile.
        let mut app = Tree::of_folder(&site, "")?;
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
            dependencies = Tree::of_folder(folder, &prefix)?;
            if !site.join(SITE_PACKAGES).exists() {
                symlink(folder, site.join(SITE_PACKAGES))?;
            }
        }

        if !project.options.no_collectstatic
            && let Some(found) = static_files::collect(&site, steps)?
        {
            if let Some(note) = found.note {
                steps.note(&note);
            }
            app.0.extend(found.files.0);
        }

        steps.next("Compiling");
        match project.options.no_compile {
            true => dependencies.0.retain(|path, _| !path.ends_with(".pyc")),
            false => compile_app(&mut app, &site, steps)?,
        }
        let files = Self {
            app,
            dependencies,
            _folders: (stage, installed),
        };
        files.check_names()?;
        Ok(files)
    }

    pub fn all(&self) -> Tree {
        let mut all = self.app.clone();
        all.0.extend(self.dependencies.0.clone());
        all
    }

    /// Checks that no path is both in the project and in its dependencies.
    fn check_names(&self) -> Result<()> {
        let mut paths = self.app.0.keys();
        let twice = paths.find(|path| self.dependencies.0.contains_key(*path));
        if let Some(path) = twice {
            bail!(
                "'{path}' is in the project and among the dependencies; leave out one of the two by \
                 --exclude, or pack no dependencies by --no-dependencies"
            );
        }
        let all = self.all();
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
}

/// Adds the compiled modules of the app, which is in this folder.
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
        // A file that is not valid Python, such as a template, has none.
        if file.is_file() {
            let file = PackFile {
                content: Content::Disk(file),
                executable: false,
            };
            app.0.insert(path, file);
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

/// Warns of packed settings that the project's own config file overrides.
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
