//! What is known of a project before it is packed: its folder, and what its
//! `pyproject.toml` and the command line say.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use super::options::Options;
use crate::config::{Draft, Kind, Layer, Setting, TABLE, Value};
use crate::pack::{Label, text};
use crate::python;

/// A project to pack.
#[derive(Debug)]
pub struct Project {
    /// Its folder, without symbolic links.
    pub folder: PathBuf,
    /// The options of the command line, completed with those of
    /// `[tool.rgunicorn.pack]`.
    pub options: Options,
    pub label: Label,
}

impl Project {
    /// # Errors
    /// The folder does not exist, its `pyproject.toml` cannot be read, or a setting is
    /// refused: one sentence.
    pub fn read(options: Options) -> Result<Project> {
        let dir = options.dir.display();
        let folder = fs::canonicalize(&options.dir)
            .with_context(|| format!("The project's folder '{dir}' cannot be used"))?;
        if !folder.is_dir() {
            bail!("'{dir}' is no folder; name the project's folder");
        }
        let file = read_pyproject(&folder)?;
        let project = file.project.unwrap_or_default();
        let mut tool = file.tool.rgunicorn;
        let theirs = match tool.remove("pack") {
            Some(pack) => pack.try_into::<Options>().map_err(|error| {
                let reason = error.message();
                anyhow!("[tool.rgunicorn.pack] in {PYPROJECT} cannot be used: {reason}")
            })?,
            None => Options::default(),
        };
        check_outputs_inside(&theirs)?;
        let options = options.or(theirs, &folder);
        let label = Label {
            name: options.name.clone().or(project.name),
            version: project.version,
            rgunicorn: env!("CARGO_PKG_VERSION").to_owned(),
            python: python::version().to_owned(),
            settings: settings(tool, &options)?,
        };
        Ok(Project {
            folder,
            options,
            label,
        })
    }

    /// The name for files of the project: its own name, else its folder's.
    ///
    /// # Errors
    /// No file can have this name.
    pub fn file_name(&self) -> Result<String> {
        const LONGEST: usize = 200;
        let folder = || self.folder.file_name()?.to_str().map(str::to_owned);
        let name = self.label.name.clone().or_else(folder);
        let name = name.unwrap_or_else(|| "site".to_owned());
        let is_file = !matches!(&*name, "" | "." | "..") && name.len() <= LONGEST;
        if !is_file || name.contains(|it: char| it == '/' || it.is_control()) {
            let name = text::printable(&name);
            bail!("No file can be called after the project's name '{name}'; give -o FILE");
        }
        Ok(name)
    }
}

/// Checks that the outputs which a project names are inside the project. The project
/// may not be trusted.
fn check_outputs_inside(theirs: &Options) -> Result<()> {
    let named = [&theirs.output, &theirs.image, &theirs.sbom];
    for path in named.into_iter().flatten() {
        let mut parts = path.components();
        if !parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            bail!(
                "[tool.rgunicorn.pack] in {PYPROJECT} has '{}' written outside the project; name \
                 it on the command line",
                path.display()
            );
        }
    }
    Ok(())
}

const PYPROJECT: &str = "pyproject.toml";

/// Settings about where the site is. The pack itself knows that.
const LOCATION_SETTINGS: [&str; 4] = ["app_zip", "app_cache_dir", "config", "venv"];

/// Settings with which the server does not serve.
const NON_SERVING_SETTINGS: [&str; 2] = ["check_config", "print_config"];

/// Settings whose check looks for something on this machine that only the other machine
/// must have.
const MACHINE_SETTINGS: [&str; 4] = ["user", "group", "chdir", "tmp_upload_dir"];

#[derive(Default, Deserialize)]
struct PyProject {
    project: Option<ProjectTable>,
    #[serde(default)]
    tool: Tools,
}

#[derive(Default, Deserialize)]
struct ProjectTable {
    name: Option<String>,
    version: Option<String>,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    rgunicorn: toml::Table,
}

fn read_pyproject(folder: &Path) -> Result<PyProject> {
    let path = folder.join(PYPROJECT);
    if path.exists() && !path.is_file() {
        bail!("{} is no file", path.display());
    }
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(PyProject::default()),
        Err(error) => bail!("{} cannot be read: {error}", path.display()),
    };
    toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| {
            text[..span.start].bytes().filter(|it| *it == b'\n').count() + 1
        });
        let reason = error.message();
        anyhow!("{} is wrong in line {line}: {reason}", path.display())
    })
}

/// The settings from `[tool.rgunicorn]`, `--set` and `--app`. Later ones win over
/// earlier ones.
fn settings(table: toml::Table, options: &Options) -> Result<BTreeMap<String, serde_json::Value>> {
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        let setting = find_setting(&name, "[tool.rgunicorn] in pyproject.toml")?;
        let value = serde_json::to_value(value)?;
        settings.insert(setting.name.to_owned(), value);
    }
    let app = options.app.iter().map(|app| ("wsgi_app", app.as_str()));
    let mut lists: Vec<&str> = Vec::new();
    for set in &options.set {
        let (name, text) = set
            .split_once('=')
            .with_context(|| format!("--set {set}: write it as NAME=VALUE"))?;
        let setting = find_setting(name, "--set")?;
        let value = from_text(setting, text);
        match (settings.get_mut(setting.name), value) {
            // Several values of one setting, each with its own --set.
            (Some(serde_json::Value::Array(there)), serde_json::Value::Array(more))
                if lists.contains(&setting.name) =>
            {
                there.extend(more);
            }
            (_, value) => {
                lists.push(setting.name);
                settings.insert(setting.name.to_owned(), value);
            }
        }
    }
    settings.extend(app.map(|(name, app)| (name.to_owned(), app.into())));
    let mut draft = Draft::default();
    for (name, value) in &settings {
        let setting = find_setting(name, "the pack")?;
        if !MACHINE_SETTINGS.contains(&setting.name) {
            draft.apply(Layer::Pack, setting, Value::from(value))?;
        }
    }
    Ok(settings)
}

/// The setting with this name, which `place` gives.
fn find_setting(name: &str, place: &str) -> Result<&'static Setting> {
    let name = name.trim().replace('-', "_");
    let setting = Setting::named(&name).with_context(|| {
        let likely = TABLE.iter().map(|it| it.name);
        let likely = likely.max_by(|a, b| {
            let near = |it: &str| strsim::jaro(it, &name);
            near(a).total_cmp(&near(b))
        });
        format!(
            "{place} has '{name}', which is no setting; did you mean '{}'?",
            likely.unwrap_or_default()
        )
    })?;
    if LOCATION_SETTINGS.contains(&setting.name) || NON_SERVING_SETTINGS.contains(&setting.name) {
        bail!("{place} has '{name}', which cannot be packed; give it where the site is served");
    }
    Ok(setting)
}

/// A setting's value, from the text that the command line would take.
fn from_text(setting: &Setting, text: &str) -> serde_json::Value {
    let text = text.trim();
    match setting.kind {
        Kind::Switch | Kind::Off => match Value::of_switch(OsString::from(text)) {
            Value::Bool(it) => it.into(),
            _ => text.into(),
        },
        Kind::Number(_) => text.parse::<i64>().map_or(text.into(), Into::into),
        Kind::List(_) => vec![text].into(),
        _ => text.into(),
    }
}
