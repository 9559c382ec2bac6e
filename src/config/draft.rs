//! Values from several sources, and which of them counts.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use super::choices::Http2Cleartext;
use super::setting::{Setting, Support};
use super::settings::{Settings, TABLE};
use super::value::Value;
use super::worker_class::WorkerClass;

/// Where a value comes from; a later layer overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// What the site was packed with.
    Pack,
    /// A variable of the environment that stands for a default.
    Environment,
    /// `gunicorn.conf.py`.
    ConfigFile,
    /// `GUNICORN_CMD_ARGS`.
    CommandArguments,
    /// The command line.
    CommandLine,
    /// A worker class in Python, by the keywords that it has for its server.
    WorkerClass,
}

/// A value that its setting refuses: one sentence.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("Invalid value for {place}: {reason}.")]
pub struct Invalid {
    place: String,
    reason: String,
}

impl Invalid {
    pub(super) fn new(layer: Layer, setting: &Setting, reason: String) -> Self {
        let place = place(layer, setting);
        Self { place, reason }
    }

    pub(super) fn into_reason(self) -> String {
        self.reason
    }
}

/// Settings that are still being collected.
///
/// Values may come in any order: each remembers its [`Layer`], and one of an
/// earlier layer never replaces one of a later.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    settings: Settings,
    given: HashMap<&'static str, Layer>,
}

impl Draft {
    /// Checks a value, and takes it unless a later layer has given one.
    pub fn apply(&mut self, layer: Layer, setting: &Setting, raw: Value) -> Result<(), Invalid> {
        let wins = self
            .given
            .get(setting.name)
            .is_none_or(|given| *given <= layer);
        let checked = if wins {
            self.given.insert(setting.name, layer);
            self.settings.given.insert(setting.name);
            set(&mut self.settings, setting, raw)
        } else {
            set(&mut Settings::default(), setting, raw)
        };
        checked.map_err(|reason| Invalid::new(layer, setting, reason))
    }

    /// Where the config file is, when a source has said it.
    pub fn config(&self) -> Option<&OsStr> {
        let given = self.given.contains_key("config");
        given.then_some(self.settings.sources.config.as_os_str())
    }

    /// Where the worker class comes from, if a source gives one.
    pub(super) fn worker_class_layer(&self) -> Option<Layer> {
        self.given.get("worker_class").copied()
    }

    /// The error that the worker class cannot be used.
    pub(super) fn invalid_worker_class(&self, reason: String) -> Invalid {
        let setting = Setting::named("worker_class").expect("there is this setting");
        let layer = self.worker_class_layer().unwrap_or(Layer::Environment);
        Invalid::new(layer, setting, reason)
    }

    /// The settings; `environment` gives the text of a variable and is asked
    /// only for what no other source has given. An empty one counts as unset.
    pub fn finish(
        mut self,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Settings, Invalid> {
        for setting in TABLE.iter() {
            if self.given.get(setting.name) > Some(&Layer::Pack) {
                continue;
            }
            let Some((name, to_value)) = setting.variable else {
                continue;
            };
            if let Some(text) = environment(name).filter(|text| !text.is_empty()) {
                self.apply(Layer::Environment, setting, to_value(text))?;
            }
        }
        let settings = &mut self.settings;
        if let Some(reason) = settings.workers.worker_class.refusal() {
            return Err(self.invalid_worker_class(reason));
        }
        if settings.workers.worker_class == WorkerClass::Sync && settings.workers.threads > 1 {
            settings.workers.worker_class = WorkerClass::Gthread;
        }
        Ok(self.settings)
    }
}

impl Settings {
    /// Settings that are given and change nothing here: a sentence for each, to be
    /// logged as a warning.
    pub fn ignored(&self) -> Vec<String> {
        let mut ignored = Vec::new();
        for setting in TABLE.iter() {
            if let Support::Ignored(why) = setting.support
                && self.get(setting) != setting.default()
            {
                ignored.push(format!(
                    "The setting {} changes nothing. {why}",
                    setting.name
                ));
            }
        }
        if let (Some(folder), Some(_)) = (&self.ssl.certfile, &self.ssl.keyfile)
            && folder.is_dir()
        {
            ignored.push(format!(
                "The setting keyfile changes nothing. certfile '{}' is a folder, where each \
                 certificate has its key in the same file or beside it.",
                folder.display()
            ));
        }
        // As in Gunicorn, but only for who has asked for HTTP/2.
        if self.given.contains("http_protocols")
            && self.http2.http_protocols.has_http2()
            && self.http2.http2_cleartext == Http2Cleartext::Off
            && self.ssl.certfile.is_none()
        {
            ignored.push(
                "The setting http_protocols changes nothing. There is no TLS, and without it \
                 HTTP/2 is only spoken if http2_cleartext says so."
                    .to_owned(),
            );
        }
        ignored
    }
}

/// Checks and stores a value; `None` is the default.
fn set(settings: &mut Settings, setting: &Setting, raw: Value) -> Result<(), String> {
    if raw == Value::None {
        // `set` accepts the default, except that of settings whose value only Python
        // can hold: those refuse `None`.
        let default = setting.default();
        return match default {
            Value::None => settings.set(setting, Value::None).or(Ok(())),
            default => settings.set(setting, default),
        };
    }
    settings.set(setting, raw)?;
    match setting.support {
        Support::Refused(advice) if settings.get(setting) != setting.default() => {
            Err(advice.to_owned())
        }
        _ => Ok(()),
    }
}

/// How a person names this setting at this place.
fn place(layer: Layer, setting: &Setting) -> String {
    let long = setting.flags.iter().find(|flag| flag.starts_with("--"));
    let flag = *long.unwrap_or(&setting.name);
    match (layer, setting.variable) {
        (Layer::Environment, Some((variable, _))) => format!("${variable}"),
        (Layer::CommandArguments, _) => format!("{flag} in $GUNICORN_CMD_ARGS"),
        (Layer::CommandLine, _) => flag.to_owned(),
        (Layer::Pack, _) => format!("{} in the pack", setting.name),
        (Layer::WorkerClass, _) => format!("{} by the worker class's keywords", setting.name),
        _ => setting.name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str) -> &'static Setting {
        Setting::named(name).unwrap()
    }

    fn nothing(_: &str) -> Option<OsString> {
        None
    }

    fn number(number: i64) -> Value {
        Value::Int(number)
    }

    #[test]
    fn who_asks_for_http_2_without_tls_is_told_what_is_missing() {
        let warnings = |given: &[(&str, &str)]| {
            let mut draft = Draft::default();
            for (name, value) in given {
                let value = Value::Str((*value).to_owned());
                draft
                    .apply(Layer::ConfigFile, setting(name), value)
                    .unwrap();
            }
            draft.finish(nothing).unwrap().ignored()
        };
        assert_eq!(warnings(&[]).len(), 0);
        assert_eq!(warnings(&[("http_protocols", "h1")]).len(), 0);
        let both = ("http_protocols", "h2,h1");
        let told = warnings(&[both]);
        assert!(
            told[0].contains("http2_cleartext") && told.len() == 1,
            "{told:?}"
        );
        assert_eq!(warnings(&[both, ("certfile", "a.pem")]).len(), 0);
        assert_eq!(warnings(&[both, ("http2_cleartext", "both")]).len(), 0);
    }

    #[test]
    fn later_layers_win_in_any_order() {
        let workers = setting("workers");
        let mut draft = Draft::default();
        draft.apply(Layer::CommandLine, workers, number(4)).unwrap();
        draft.apply(Layer::ConfigFile, workers, number(2)).unwrap();
        draft
            .apply(Layer::CommandArguments, workers, number(3))
            .unwrap();
        let environment = |name: &str| (name == "WEB_CONCURRENCY").then(|| "9".into());
        assert_eq!(draft.finish(environment).unwrap().workers.workers, 4);
    }

    #[test]
    fn the_environment_gives_defaults() {
        let environment = |name: &str| match name {
            "WEB_CONCURRENCY" => Some("9".into()),
            "PORT" => Some("5000".into()),
            "RGUNICORN_APP_ZIP" => Some(OsString::new()),
            _ => None,
        };
        let settings = Draft::default().finish(environment).unwrap();
        assert_eq!(settings.workers.workers, 9);
        assert_eq!(settings.socket.bind, ["0.0.0.0:5000"]);
        assert_eq!(settings.application.app_zip, None);
    }

    #[test]
    fn a_wrong_default_from_the_environment_counts_only_where_it_is_used() {
        let wrong = ["WEB_CONCURRENCY", "PORT"];
        let environment = |name: &str| wrong.contains(&name).then(|| "many".into());
        let mut draft = Draft::default();
        for name in ["workers", "bind"] {
            let raw = setting(name).default();
            draft.apply(Layer::CommandLine, setting(name), raw).unwrap();
        }
        assert!(draft.finish(environment).is_ok());
        let error = Draft::default().finish(environment).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Invalid value for $PORT: '0.0.0.0:many' has no valid port number; \
             give one from 0 to 65535."
        );
    }

    #[test]
    fn an_error_names_the_place_and_the_value() {
        let mut draft = Draft::default();
        let error = draft
            .apply(Layer::CommandLine, setting("workers"), number(-1))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Invalid value for --workers: -1 is not a whole number from 0 to 2147483647."
        );
        let error = draft
            .apply(Layer::ConfigFile, setting("workers"), number(-1))
            .unwrap_err();
        assert!(error.to_string().starts_with("Invalid value for workers: "));
        assert_eq!(Draft::default().finish(nothing), Ok(Settings::default()));
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for setting in TABLE.iter() {
            let mut settings = Settings::default();
            for raw in [setting.default(), Value::None] {
                set(&mut settings, setting, raw).unwrap();
                assert_eq!(settings, Settings::default(), "{}", setting.name);
            }
        }
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_advice() {
        let mut draft = Draft::default();
        let value = Value::Str("site.ini".to_owned());
        let error = draft.apply(Layer::CommandLine, setting("paste"), value);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("Invalid value for --paste: ") && error.contains("loadapp"));
    }

    #[test]
    fn what_changes_nothing_is_told() {
        let mut draft = Draft::default();
        let value = Value::Str("/dev/shm".to_owned());
        draft
            .apply(Layer::CommandLine, setting("worker_tmp_dir"), value)
            .unwrap();
        let told = draft.finish(nothing).unwrap().ignored();
        assert_eq!(told.len(), 1);
        assert!(told[0].starts_with("The setting worker_tmp_dir changes nothing. "));
    }
}
