//! Where the app's code and its dependencies are.
//!
//! Several settings say it: a zip, a folder, a virtual environment, more folders.
//! [`Site::find`] evaluates them, for serving and for the `python` command.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cache::{self, Readers};
use crate::config::{Settings, current_folder};
use crate::pack::{self, Unpacked};
use crate::python::{Environment, VenvError, absolute, venv_site_packages};

/// A site: an app's code with its dependencies.
#[derive(Debug)]
pub struct Site {
    /// The folder that the app starts in, for relative paths.
    pub folder: PathBuf,
    /// Where its modules are: a folder, or the zip that they are imported
    /// from in memory.
    pub root: PathBuf,
    /// Further folders of modules, which come before the root.
    python_path: Vec<PathBuf>,
    /// Those of them that are in the variable PYTHONPATH, if it is read.
    of_variable: Vec<PathBuf>,
    /// `site-packages` folders.
    site_dirs: Vec<PathBuf>,
    venv: Option<PathBuf>,
    /// Keeps the unpacked folder in the cache as long as this value lives.
    unpacked: Option<Unpacked>,
}

/// Why the site cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Zip(#[from] pack::Error),
    #[error("{0}.")]
    Venv(VenvError),
}

impl From<VenvError> for Error {
    // Its text is in ours, so it must not be printed again as the source.
    fn from(error: VenvError) -> Self {
        Self::Venv(error)
    }
}

impl Site {
    /// Finds the site that the settings describe, and unpacks it when it is a
    /// zip.
    ///
    /// The app starts in the folder that `chdir` names, else in that of the
    /// unpacked zip, so that relative paths mean the same as before it was
    /// packed, else in the current folder.
    ///
    /// # Errors
    /// The zip cannot be used, or `venv` names no virtual environment for our
    /// Python; one sentence that names it.
    pub fn find(settings: &Settings) -> Result<Self, Error> {
        let base = settings.folder();
        let cache_dir = settings.application.app_cache_dir.as_ref();
        cache::choose(cache_dir.and_then(|dir| std::path::absolute(dir).ok()));
        let of_variable = match settings.application.read_pythonpath {
            true => variable_path(),
            false => Vec::new(),
        };
        let mut python_path = python_path(settings, &base);
        python_path.extend_from_slice(&of_variable);
        let mut site = Self {
            folder: base.clone(),
            root: base,
            python_path,
            of_variable,
            site_dirs: Vec::new(),
            venv: None,
            unpacked: None,
        };
        if let Some(zip) = &settings.application.app_zip {
            site.unpack(zip, settings)?;
        }
        site.take_venv(settings)?;
        Ok(site)
    }

    /// Sentences for the log about what was done to the cache.
    pub fn notes(&self) -> &[String] {
        self.unpacked.as_ref().map_or(&[], Unpacked::notes)
    }

    /// What the interpreter of a worker sees; `args` is the app's `sys.argv`.
    pub fn worker_environment(&self, args: Vec<OsString>) -> Environment {
        let mut environment = self.environment();
        environment.program_args = args;
        for folder in [&self.root, &self.folder] {
            if !environment.import_path.contains(folder) {
                environment.import_path.push(folder.clone());
            }
        }
        environment
    }

    /// What the interpreter of the `python` command sees. It adds the current
    /// folder or the script's by itself.
    pub fn command_environment(&self) -> Environment {
        let mut environment = self.environment();
        environment.install_signal_handlers = true;
        if self.unpacked.is_some() {
            environment.import_path.push(self.root.clone());
        }
        environment
    }

    fn environment(&self) -> Environment {
        Environment {
            import_path: self.python_path.clone(),
            customizing: self.of_variable.clone(),
            site_dirs: self.site_dirs.clone(),
            venv: self.venv.clone(),
            app: self.unpacked.as_ref().map(|it| it.root().to_owned()),
            launchers: self.unpacked.as_ref().and_then(Unpacked::launchers),
            ..Environment::default()
        }
    }

    /// A sentence about folders in the variable PYTHONPATH that nothing is
    /// imported from.
    pub fn unread_pythonpath(&self) -> Option<String> {
        let read = self.worker_environment(Vec::new()).import_path;
        let is_unread = |folder: &&PathBuf| folder.exists() && !read.contains(folder);
        let named = variable_path();
        let names: Vec<_> = named
            .iter()
            .filter(is_unread)
            .map(|folder| folder.display().to_string())
            .collect();
        if names.is_empty() {
            return None;
        }
        Some(format!(
            "PYTHONPATH is set and not read: {}. Give --read-pythonpath to import from there, as \
             agents such as ddtrace-run need it; or name folders of your own by --pythonpath.",
            names.join(", ")
        ))
    }

    fn unpack(&mut self, zip: &Path, settings: &Settings) -> Result<(), Error> {
        let unpacked = pack::unpack(
            zip,
            settings.application.app_cache_dir.as_deref(),
            readers(settings),
        )?;
        self.root = unpacked.root().to_owned();
        self.site_dirs = unpacked.site_dirs();
        match &unpacked {
            Unpacked::Folder(_) | Unpacked::Ready(_) if settings.mechanics.chdir.is_none() => {
                self.folder = self.root.clone();
            }
            Unpacked::Folder(_) | Unpacked::Ready(_) => {}
            Unpacked::InMemory { reason, .. } => ::log::warn!("{reason}"),
        }
        self.unpacked = Some(unpacked);
        Ok(())
    }

    /// Takes the virtual environment that the settings name. Without one, a
    /// the active one is taken, or `.venv` next to the app, if it fits. A zip has its
    /// dependencies in it.
    fn take_venv(&mut self, settings: &Settings) -> Result<(), Error> {
        if let Some(dir) = &settings.application.venv {
            // The app may enter another folder.
            let dir = absolute(dir).unwrap_or_else(|_| dir.clone());
            self.site_dirs.extend(venv_site_packages(&dir)?);
            self.venv = Some(dir);
            return Ok(());
        }
        if self.unpacked.is_some() {
            return Ok(());
        }
        let active = env::var_os("VIRTUAL_ENV").filter(|dir| !dir.is_empty());
        let dir = active.map_or_else(|| self.root.join(".venv"), PathBuf::from);
        if !dir.is_dir() {
            return Ok(());
        }
        let dir = absolute(&dir).unwrap_or(dir);
        match venv_site_packages(&dir) {
            Ok(site_dirs) => {
                self.site_dirs.extend(site_dirs);
                self.venv = Some(dir);
            }
            Err(error) => ::log::warn!("Going without a virtual environment: {error}."),
        }
        Ok(())
    }
}

/// Who reads what is unpacked, if it is not this process's user.
fn readers(settings: &Settings) -> Option<Readers> {
    let owner = settings.owner()?;
    Some(Readers {
        user: owner.user,
        group: owner.group,
    })
}

/// The folders of the `pythonpath` setting. Gunicorn puts each before the one
/// it has put there already, so the last comes first.
fn python_path(settings: &Settings, base: &Path) -> Vec<PathBuf> {
    let folders = settings.mechanics.pythonpath.as_deref().unwrap_or_default();
    let folders = folders.as_bytes().split(|byte| *byte == b',');
    let folders = folders.map(<[u8]>::trim_ascii);
    let folders = folders.filter(|folder| !folder.is_empty());
    let folders = folders.map(|folder| base.join(OsStr::from_bytes(folder)));
    folders.rev().collect()
}

/// The folders of the variable PYTHONPATH.
fn variable_path() -> Vec<PathBuf> {
    let variable = env::var_os("PYTHONPATH").unwrap_or_default();
    let folders = env::split_paths(&variable).filter(|it| !it.as_os_str().is_empty());
    folders
        .map(|folder| current_folder().join(folder))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    #[test]
    fn a_folder_is_imported_from_after_pythonpath() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.mechanics.chdir = Some(folder.path().to_owned());
        settings.mechanics.pythonpath = Some("lib, /opt/more".into());
        let site = Site::find(&settings).unwrap();
        assert_eq!(site.folder, folder.path());
        let lib = folder.path().join("lib");
        let paths = [Path::new("/opt/more"), &lib, folder.path()];
        assert_eq!(site.worker_environment(Vec::new()).import_path, paths);
        assert_eq!(site.command_environment().import_path, paths[..2]);
    }

    #[test]
    fn a_zip_is_the_folder_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.zip");
        let mut zip = ZipWriter::new(File::create(&path).unwrap());
        for name in ["app.py", "site-packages/dependency.py"] {
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x = 1\n").unwrap();
        }
        zip.finish().unwrap();
        let mut settings = Settings::default();
        settings.application.app_zip = Some(path);
        settings.application.app_cache_dir = Some(folder.path().join("cache"));
        let site = Site::find(&settings).unwrap();
        assert_eq!(site.folder, site.root);
        assert!(site.root.join("app.py").is_file());
        assert_eq!(
            site.command_environment().import_path,
            [site.root.as_path()]
        );
        assert_eq!(
            site.command_environment().site_dirs,
            [site.root.join("site-packages")]
        );

        settings.mechanics.chdir = Some(folder.path().to_owned());
        let site = Site::find(&settings).unwrap();
        assert_eq!(site.folder, folder.path());
        let paths = [site.root.clone(), site.folder.clone()];
        assert_eq!(site.worker_environment(Vec::new()).import_path, paths);
    }

    #[test]
    fn a_virtual_environment_that_was_asked_for_must_fit() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.application.venv = Some(folder.path().to_owned());
        let error = Site::find(&settings).unwrap_err().to_string();
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");

        fs::write(folder.path().join("pyvenv.cfg"), "version = 2.7.18\n").unwrap();
        let error = Site::find(&settings).unwrap_err().to_string();
        assert!(error.contains("2.7.18"), "{error}");
    }
}
