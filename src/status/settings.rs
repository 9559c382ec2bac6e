//! The settings as they may be shown: without secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use crate::config::{Kind, Setting, Settings, TABLE, Value};

/// What is shown in place of a secret.
const HIDDEN: &str = "(hidden)";

/// The settings that may hold secrets: variables of the environment, files of
/// passwords and tokens, and dictionaries in which people write passwords.
const SECRET: [&str; 5] = [
    "raw_env",
    "key_password_file",
    "status_token_file",
    "logconfig_dict",
    "raw_paste_global_conf",
];

/// The settings that differ from their defaults.
pub fn changed(settings: &Settings) -> BTreeMap<String, String> {
    let changed = shown().filter(|it| settings.get(it) != it.default());
    let shown = changed.map(|setting| {
        let value = match is_hidden(settings, setting) {
            true => HIDDEN.to_owned(),
            false => plain(setting, &settings.get(setting)),
        };
        (setting.name.to_owned(), value)
    });
    shown.collect()
}

/// All settings, for Gunicorn's `show config`.
pub fn all(settings: &Settings) -> Json {
    let all = shown().map(|setting| {
        let value = match is_hidden(settings, setting) {
            true => HIDDEN.into(),
            false => json(setting, &settings.get(setting)),
        };
        (setting.name.to_owned(), value)
    });
    Json::Object(all.collect::<Map<_, _>>())
}

/// The settings that have a value to be shown: hooks have none.
fn shown() -> impl Iterator<Item = &'static Setting> {
    let has_value = |it: &&Setting| !matches!(it.kind, Kind::Function(_));
    TABLE.iter().filter(has_value)
}

/// True for a secret that is set.
fn is_hidden(settings: &Settings, setting: &Setting) -> bool {
    SECRET.contains(&setting.name) && settings.get(setting) != setting.default()
}

/// The app without its arguments, which may be secrets: it may be a call.
pub fn without_arguments(app: &str) -> String {
    match app.split_once('(') {
        Some((name, _)) => format!("{name}(...)"),
        None => app.to_owned(),
    }
}

/// The value of a setting that is not hidden.
fn plain(setting: &Setting, value: &Value) -> String {
    match setting.name {
        "wsgi_app" => without_arguments(&value.plain()),
        _ => value.plain(),
    }
}

fn json(setting: &Setting, value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::List(values) => values.iter().map(|value| json(setting, value)).collect(),
        other => plain(setting, other).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut settings = Settings::default();
        assert_eq!(changed(&settings).len(), 0);
        settings.workers.workers = 3;
        settings.mechanics.raw_env = vec!["PASSWORD=hunter2".into()];
        settings.sources.wsgi_app = Some("site:make('hunter2')".into());
        let shown = changed(&settings);
        assert_eq!(shown["workers"], "3");
        assert_eq!(shown["raw_env"], HIDDEN);
        assert_eq!(shown["wsgi_app"], "site:make(...)");
        let all = all(&settings);
        assert_eq!(all["workers"], 3);
        assert_eq!(all["preload_app"], false);
        assert_eq!(all["pidfile"], Json::Null);
        assert!(!all.to_string().contains("hunter2"), "{all}");
    }

    #[test]
    fn each_secret_is_a_setting() {
        for name in SECRET {
            assert!(Setting::named(name).is_some(), "{name}");
        }
    }
}
