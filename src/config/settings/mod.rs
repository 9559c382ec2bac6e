//! The table of settings: everything about a setting stands here, once.
//!
//! Names, flags, defaults and meanings are Gunicorn's (27.0); some settings
//! are our own. Each file holds some sections. A section is a struct, and a
//! field with its attributes is a row of the table; `section.rs` says what the
//! attributes mean.

mod application;
mod debugging;
mod dirty;
mod hooks;
mod http2;
mod logging;
mod mechanics;
mod security;
mod sources;
mod status;
mod tls;
mod tracing;
mod workers;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::LazyLock;

use super::check::name_and_value;
use super::folder::current_folder;
use super::section::Section;
use super::setting::Setting;
use super::value::Value;

use application::Application;
use debugging::Debugging;
use dirty::{Dirty, DirtyHooks};
use hooks::ServerHooks;
use http2::Http2;
use logging::{Logging, Naming};
use mechanics::Mechanics;
use security::Security;
use sources::{Socket, Sources};
use status::{Control, Status};
use tls::Ssl;
use tracing::Tracing;
use workers::{Limits, Workers};

/// Makes the struct of all sections, and what goes through them in this order.
macro_rules! sections {
    ($(#[doc = $about:literal])+ pub struct $Settings:ident {
        $( pub $section:ident: $Section:ty, )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $Settings {
            $( pub $section: $Section, )+
            /// The names of the settings that a source has given.
            pub given: BTreeSet<&'static str>,
        }

        /// All settings, in the order of the reference page.
        pub static TABLE: LazyLock<Vec<Setting>> =
            LazyLock::new(|| [$( <$Section>::ROWS, )+].concat());

        impl $Settings {
            fn sections(&self) -> impl Iterator<Item = &dyn Section> {
                [$( &self.$section as &dyn Section, )+].into_iter()
            }

            fn sections_mut(&mut self) -> impl Iterator<Item = &mut dyn Section> {
                [$( &mut self.$section as &mut dyn Section, )+].into_iter()
            }
        }
    };
}

sections!(
    /// Every setting with its checked value.
    pub struct Settings {
        pub sources: Sources,
        pub socket: Socket,
        pub workers: Workers,
        pub limits: Limits,
        pub security: Security,
        pub debugging: Debugging,
        pub mechanics: Mechanics,
        pub tracing: Tracing,
        pub logging: Logging,
        pub naming: Naming,
        pub hooks: ServerHooks,
        pub ssl: Ssl,
        pub http2: Http2,
        pub dirty: Dirty,
        pub dirty_hooks: DirtyHooks,
        pub status: Status,
        pub control: Control,
        pub application: Application,
    }
);

impl Settings {
    /// The value of a setting.
    pub fn get(&self, setting: &Setting) -> Value {
        let mut values = self.sections().filter_map(|it| it.get(setting.name));
        values.next().expect("the setting is of a section")
    }

    /// Checks a value and stores it; the error is the reason for refusing it.
    pub fn set(&mut self, setting: &Setting, value: Value) -> Result<(), String> {
        let mut sections = self.sections_mut();
        let section = sections.find(|it| it.get(setting.name).is_some());
        section
            .expect("the setting is of a section")
            .set(setting.name, value)
    }

    /// The folder that the app starts in and that comes first on `sys.path`:
    /// `chdir`, else the current one.
    pub fn folder(&self) -> PathBuf {
        let folder = self.mechanics.chdir.clone();
        folder.unwrap_or_else(current_folder)
    }

    /// The names and values that `raw_env` adds to the environment.
    pub fn variables(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let variables = self.mechanics.raw_env.iter();
        variables.filter_map(|it| name_and_value(it))
    }
}

impl Setting {
    /// The row of this name.
    pub fn named(name: &str) -> Option<&'static Setting> {
        TABLE.iter().find(|setting| setting.name == name)
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::super::setting::Support;
    use super::*;

    /// Settings that work and whose effect no test shows, and why.
    const UNTESTED: &[(&str, &str)] = &[];

    #[test]
    fn each_setting_is_tested_or_known_not_to_be() {
        assert!(TABLE.len() > 100, "{}", TABLE.len());
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/e2e");
        for setting in TABLE.iter() {
            let name = setting.name;
            let is_untested = UNTESTED.iter().any(|(known, _)| *known == name);
            let works = setting.support == Support::Works;
            assert_eq!(
                setting.tested.is_some(),
                works && !is_untested,
                "{name}: a setting that works names the test of its effect, others do not"
            );
            let Some(test) = setting.tested else { continue };
            let (module, function) = test.split_once("::").expect("module::function");
            let source = fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
            let there = source.contains(&format!("fn {function}("));
            assert!(there, "{name}: there is no test {test}");
        }
        for (name, _) in UNTESTED {
            assert!(Setting::named(name).is_some(), "there is no setting {name}");
        }
    }

    #[test]
    fn each_word_that_shells_propose_is_accepted() {
        for setting in TABLE.iter() {
            for word in setting.choices {
                let value = Value::Str((*word).to_owned());
                let accepted = Settings::default().set(setting, value);
                assert_eq!(accepted, Ok(()), "{}: {word}", setting.name);
            }
        }
        let with_words = TABLE.iter().filter(|it| !it.choices.is_empty());
        assert!(with_words.count() > 10);
    }
}
