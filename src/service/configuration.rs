//! From the command line to the settings: the pack, the config file and the
//! environment add to it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::Result;
use pyo3::prelude::*;

use crate::config::{
    ConfigFile, Draft, Layer, PythonClass, Setting, Settings, Value, WorkerClass, current_folder,
};
use crate::pack;
use crate::python::config_file::Place;
use crate::python::{self, Hooks};
use crate::site::Site;

/// The settings, and what else the sources give.
#[derive(Debug)]
pub struct Configuration {
    pub settings: Settings,
    pub hooks: Hooks,
    /// The settings as Python code sees them, if the master needs Python.
    pub cfg: Option<Py<PyAny>>,
    /// Sentences for the log.
    pub warnings: Vec<String>,
}

/// A site that was packed.
#[derive(Debug, Default)]
pub struct PackedSite {
    /// Where its modules are: a folder, or the zip that they are imported from. Nothing
    /// if the settings name no pack.
    pub root: Option<PathBuf>,
    /// Sentences for the log.
    pub warnings: Vec<String>,
}

impl Configuration {
    /// Gives the draft what the config file and the environment say, and finishes
    /// it. The interpreter is started if there is a config file, or a worker class or a
    /// logger class in Python, and not otherwise. `words` is the whole command line.
    ///
    /// Must be called in the folder that the server was started in. It can be called
    /// again; the file is run again then.
    ///
    /// # Errors
    /// What is wrong, in one sentence, with a traceback where the file raised.
    pub fn read(mut draft: Draft, words: &[OsString]) -> Result<Self> {
        let PackedSite { root, mut warnings } = apply_pack(&mut draft)?;
        let place = find_file(&draft, root.as_deref());
        let folder = place.as_ref().and_then(Place::folder);
        let folder = folder.map_or_else(current_folder, Path::to_owned);
        let file = match place {
            Some(place) => {
                // The file can import what the app can import.
                let site = find_site(&draft, &mut warnings)?;
                python::start(&site.worker_environment(words.to_vec()))?;
                ConfigFile::read(&place, &mut draft)?
            }
            None => ConfigFile::default(),
        };
        let mut settings = draft.clone().finish(variable)?;
        let is_named = matches!(settings.workers.worker_class, WorkerClass::Named(_));
        if (is_named || settings.has_own_logger()) && !python::is_started() {
            let site = find_site(&draft, &mut warnings)?;
            python::start(&site.worker_environment(words.to_vec()))?;
        }
        let mut class = None;
        if let WorkerClass::Named(name) = &settings.workers.worker_class {
            let own = PythonClass::find(name, &folder, &file, &mut draft)?;
            settings = draft.finish(variable)?;
            warnings.extend(own.warnings);
            class = Some((own.class, own.shown));
        }
        let (class, shown) = class
            .as_ref()
            .map(|(class, shown)| (class, &**shown))
            .unzip();
        let cfg = file.cfg(&settings, class, settings.has_own_logger())?;
        let hooks = file.hooks(cfg.as_ref(), shown)?;
        warnings.extend(file.warnings);
        warnings.extend(settings.ignored());
        Ok(Self {
            settings,
            hooks,
            cfg,
            warnings,
        })
    }
}

/// Gives the draft the settings that the site was packed with, and the zip if the
/// site is in this executable.
///
/// # Errors
/// The pack cannot be used, or a setting in it is refused.
pub fn apply_pack(draft: &mut Draft) -> Result<PackedSite> {
    let mut packed = PackedSite::default();
    if let Some(own) = pack::own_site() {
        let path = Value::from(own.as_os_str().to_owned());
        apply(draft, "app_zip", path)?;
    }
    let settings = draft.clone().finish(variable)?;
    if settings.application.app_zip.is_none() {
        return Ok(packed);
    }
    let site = find_site(draft, &mut packed.warnings)?;
    for (name, value) in pack::Label::of(&site.root)?.settings {
        let value = from_root(&name, Value::from(&value), &site.root);
        apply(draft, &name, value)?;
    }
    packed.root = Some(site.root);
    Ok(packed)
}

/// Folders in the settings of a pack are relative to the pack's root.
fn from_root(name: &str, value: Value, root: &Path) -> Value {
    match (name, value) {
        ("chdir", Value::Str(folder)) => root.join(folder).into_os_string().into(),
        ("pythonpath", Value::Str(folders)) => {
            let folders = folders.split(',').map(|it| root.join(it.trim()));
            let folders = folders.map(PathBuf::into_os_string).collect::<Vec<_>>();
            folders.join(OsStr::new(",")).into()
        }
        (_, value) => value,
    }
}

fn apply(draft: &mut Draft, name: &str, value: Value) -> Result<()> {
    // The pack may come from a newer version that has more settings.
    if let Some(setting) = Setting::named(name) {
        draft.apply(Layer::Pack, setting, value)?;
    }
    Ok(())
}

/// Where the config file is: where `config` says, else in the current folder,
/// else in the site that was packed, at this root.
fn find_file(draft: &Draft, packed: Option<&Path>) -> Option<Place> {
    let folder = current_folder();
    if let Some(config) = draft.config() {
        return Some(Place::parse(config, &folder));
    }
    Place::usual(&folder).or_else(|| Place::usual(packed?))
}

/// The site as far as it is known before the config file is read.
fn find_site(draft: &Draft, warnings: &mut Vec<String>) -> Result<Site> {
    let site = Site::find(&draft.clone().finish(variable)?)?;
    warnings.extend_from_slice(site.notes());
    Ok(site)
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}
