//! The config file: a `gunicorn.conf.py` that has run, as values for a draft.

use std::collections::HashSet;

use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::cfg::cfg;
use super::draft::{Draft, Invalid, Layer};
use super::setting::{Kind, Setting};
use super::settings::{Settings, TABLE};
use super::value::Value;
use crate::python::config_file::{self, Place};
use crate::python::{Hooks, traceback};

/// A config file that has run. What only Python can hold, such as functions,
/// stays here.
#[derive(Debug, Default)]
pub struct ConfigFile {
    objects: Option<Py<PyDict>>,
    /// Sentences about names that look like settings and are not.
    pub warnings: Vec<String>,
}

/// Why a config file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    #[error(transparent)]
    File(#[from] config_file::Error),
    #[error("{invalid} It stands in {place}.")]
    Value { place: String, invalid: Invalid },
    /// The worker class, or what it brings, cannot be used.
    #[error(transparent)]
    WorkerClass(#[from] Invalid),
    /// Code of the file raised while it was used; the traceback.
    #[error("{0}")]
    Raised(String),
}

impl ConfigFile {
    /// Runs the file and hands its settings to the draft. The interpreter must
    /// have been started.
    ///
    /// # Errors
    /// The file is not there, raises, or has a value that its setting refuses.
    pub fn read(place: &Place, draft: &mut Draft) -> Result<Self, ConfigFileError> {
        Python::attach(|py| {
            let names = config_file::run(py, place)?;
            let raised = |error| ConfigFileError::Raised(traceback::format(py, &error));
            let objects = PyDict::new(py);
            for setting in TABLE.iter() {
                let Some(object) = names.get_item(setting.name).map_err(raised)? else {
                    continue;
                };
                take(draft, setting, &object, &objects).map_err(|reason| {
                    let invalid = Invalid::new(Layer::ConfigFile, setting, reason);
                    let place = place.name();
                    ConfigFileError::Value { place, invalid }
                })?;
            }
            Ok(Self {
                warnings: unknown_names(&names, &objects, place).map_err(raised)?,
                objects: Some(objects.unbind()),
            })
        })
    }

    /// The settings as Python code sees them, with the worker class if it is one
    /// of the user's; nothing without a config file, unless it is `needed`.
    ///
    /// # Errors
    /// Only a lack of memory.
    pub fn cfg(
        &self,
        settings: &Settings,
        class: Option<&Py<PyAny>>,
        needed: bool,
    ) -> Result<Option<Py<PyAny>>, ConfigFileError> {
        if self.objects.is_none() && class.is_none() && !needed {
            return Ok(None);
        }
        Python::attach(|py| {
            let make = || {
                let objects = match &self.objects {
                    Some(objects) => objects.bind(py).copy()?,
                    None => PyDict::new(py),
                };
                // Another source may have given another class than the file.
                match class {
                    Some(class) => objects.set_item("worker_class", class)?,
                    None if objects.contains("worker_class")? => {
                        objects.del_item("worker_class")?;
                    }
                    None => {}
                }
                if let Some(logger) = objects.get_item("logger_class")?
                    && Value::from_python(&logger)?
                        != Value::Object(settings.logging.logger_class.clone())
                {
                    objects.del_item("logger_class")?;
                }
                cfg(py, settings, Some(&objects))
            };
            match make() {
                Ok(cfg) => Ok(Some(cfg.unbind())),
                Err(error) => Err(ConfigFileError::Raised(traceback::format(py, &error))),
            }
        })
    }

    /// The class that the file gives as `worker_class`, if it is not a name.
    pub(super) fn worker_class<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let objects = self.objects.as_ref()?.bind(py);
        objects.get_item("worker_class").ok()?
    }

    /// The hooks, which see `cfg`; there are none without it. `own_class` is the name
    /// of the worker class, if it is one of the user's.
    ///
    /// # Errors
    /// Only a lack of memory.
    pub fn hooks(
        &self,
        cfg: Option<&Py<PyAny>>,
        own_class: Option<&str>,
    ) -> Result<Hooks, ConfigFileError> {
        let Some(cfg) = cfg else {
            return Ok(Hooks::default());
        };
        Python::attach(|py| {
            let make = || {
                let objects = match &self.objects {
                    Some(objects) => objects.bind(py).clone(),
                    None => PyDict::new(py),
                };
                let is_hook = |setting: &&Setting| matches!(setting.kind, Kind::Function(_));
                let mut names = HashSet::new();
                for hook in TABLE.iter().filter(is_hook) {
                    if objects.contains(hook.name)? {
                        names.insert(hook.name);
                    }
                }
                Hooks::new(names, own_class, cfg.bind(py))
            };
            make().map_err(|error| ConfigFileError::Raised(traceback::format(py, &error)))
        })
    }
}

/// Gives one value to the draft, and keeps it in `objects` when only Python can
/// hold it.
fn take(
    draft: &mut Draft,
    setting: &Setting,
    object: &Bound<'_, PyAny>,
    objects: &Bound<'_, PyDict>,
) -> Result<(), String> {
    let value = || -> PyResult<Value> {
        let module = object.py().import("_rgunicorn.config_file")?;
        if let Kind::Function(arguments) = setting.kind {
            let hook = module.call_method1("hook", (object, arguments.to_vec()))?;
            objects.set_item(setting.name, &hook)?;
            return Value::from_python(&hook);
        }
        let object = match setting.name {
            "worker_class" | "logger_class" => module.call_method1("resolved", (object,))?,
            _ => object.clone(),
        };
        let value = Value::from_python(&object)?;
        if matches!(value, Value::Object(_)) || setting.name == "logconfig_dict" {
            objects.set_item(setting.name, &object)?;
        }
        Ok(value)
    };
    let value = value().map_err(|error| {
        let text = error.value(object.py()).to_string();
        text.trim_end_matches('.').to_owned()
    })?;
    draft
        .apply(Layer::ConfigFile, setting, value)
        .map_err(Invalid::into_reason)
}

/// A sentence for each name that is close to that of a setting and is not one.
///
/// There is none for a helper such as `log_level = "info"`, if the file gives the
/// setting itself, too.
fn unknown_names(
    names: &Bound<'_, PyDict>,
    given: &Bound<'_, PyDict>,
    place: &Place,
) -> PyResult<Vec<String>> {
    let module = given.py().import("_rgunicorn.config_file")?;
    let mut unknown_names = Vec::new();
    for (name, value) in names.iter() {
        let helper = module.call_method1("is_helper", (&name, value))?;
        let name: String = name.extract()?;
        if helper.is_truthy()? || Setting::named(&name).is_some() {
            continue;
        }
        if let Some(near) = nearest(&name)
            && !names.contains(near)?
        {
            unknown_names.push(format!(
                "There is no setting '{name}', which {} sets; is '{near}' meant?",
                place.name()
            ));
        }
    }
    Ok(unknown_names)
}

/// The setting that is likely meant by this name.
fn nearest(name: &str) -> Option<&'static str> {
    let flag = format!("--{}", name.replace('_', "-"));
    if let Some(setting) = TABLE.iter().find(|it| it.flags.contains(&&*flag)) {
        return Some(setting.name);
    }
    let allowed = if name.len() < 6 { 1 } else { 2 };
    TABLE
        .iter()
        .map(|setting| {
            (
                strsim::damerau_levenshtein(name, setting.name),
                setting.name,
            )
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, near)| near)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_are_near_to_one() {
        assert_eq!(nearest("worker"), Some("workers"));
        assert_eq!(nearest("time_out"), Some("timeout"));
        assert_eq!(nearest("access_log"), Some("accesslog"));
        // These are names of flags.
        assert_eq!(nearest("access_logfile"), Some("accesslog"));
        assert_eq!(nearest("log_file"), Some("errorlog"));
        assert_eq!(nearest("preload"), Some("preload_app"));
        assert_eq!(nearest("pid"), Some("pidfile"));
        for name in ["port", "host", "cores", "i", "database_url"] {
            assert_eq!(nearest(name), None, "{name}");
        }
    }

    fn read(text: &str) -> Result<(Settings, Vec<String>), String> {
        crate::python::start_once();
        let place = Place::Text("/site/gunicorn.conf.py".into(), text.to_owned());
        let mut draft = Draft::default();
        let file = ConfigFile::read(&place, &mut draft).map_err(|error| error.to_string())?;
        let settings = draft.finish(|_| None).map_err(|error| error.to_string())?;
        let cfg = file
            .cfg(&settings, None, false)
            .map_err(|error| error.to_string())?;
        file.hooks(cfg.as_ref(), None)
            .map_err(|error| error.to_string())?;
        Ok((settings, file.warnings))
    }

    #[test]
    fn its_values_have_pythons_types() {
        let text = "import pathlib, ssl\n\
                    bind = ('127.0.0.1:1', '[::1]:2')\nworkers = 1 + 2\nchdir = pathlib.Path('/')\n\
                    raw_env = {'A=1'}\ncert_reqs = ssl.CERT_REQUIRED\ntimeout = None\n\
                    secure_scheme_headers = {'X': 'https'}\nlogconfig_dict = {'version': 1}\n";
        let (settings, warnings) = read(text).unwrap();
        assert_eq!(settings.socket.bind, ["127.0.0.1:1", "[::1]:2"]);
        assert_eq!(
            (settings.workers.workers, settings.workers.timeout),
            (3, 30)
        );
        assert_eq!(settings.mechanics.chdir, Some("/".into()));
        assert_eq!(settings.mechanics.raw_env, ["A=1"]);
        assert!(settings.logging.logconfig_dict.is_set());
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (
                "workers = 'many'",
                "Invalid value for workers: 'many' is not",
            ),
            ("workers = -1", "It stands in /site/gunicorn.conf.py."),
            (
                "def post_fork(server): pass",
                "Invalid value for post_fork: post_fork() takes 1",
            ),
            (
                "on_exit = 3",
                "Invalid value for on_exit: 3 is not a function",
            ),
            ("when_ready = 'os.nothing'", "cannot be imported"),
            ("1/0", "ZeroDivisionError"),
            ("x = (", "SyntaxError"),
            ("dirty_workers = 2", "Celery"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn names_that_are_no_settings() {
        let text =
            "import os\nworker = 3\nWORKERS = 4\n_thread = 1\ndef thread(): pass\nport = 1\n";
        let (_, warnings) = read(text).unwrap();
        assert_eq!(
            warnings,
            [
                "There is no setting 'worker', which /site/gunicorn.conf.py sets; is 'workers' meant?"
            ]
        );
        assert!(
            read("log_level = 'info'\nloglevel = log_level")
                .unwrap()
                .1
                .is_empty()
        );
    }

    #[test]
    fn hooks_may_take_fewer_arguments_where_gunicorn_lets_them() {
        for text in [
            "def post_request(worker, req): pass",
            "def post_request(worker, req, environ): pass",
            "post_request = lambda *args: None",
            "on_starting = 'gc.collect'\ndef when_ready(server): pass",
        ] {
            let given = read(text);
            if text.contains("gc.collect") {
                continue;
            }
            assert!(given.unwrap().1.is_empty(), "{text}");
        }
        assert!(read("def post_request(worker): pass").is_err());
    }
}
