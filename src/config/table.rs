//! What one row of the settings table is, and the macro that makes the table.

use std::ffi::OsString;

use super::Settings;
use super::value::Value;

/// How a setting is written on the command line.
///
/// The text is the name of the value in the help.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// One value of text.
    Text(&'static str),
    /// Text that may be left out, and what stands for it then.
    OptionalText(&'static str, &'static str),
    /// One whole number; anything else is an error of usage (exit 2).
    Number(&'static str),
    /// A whole number that is octal when it begins with 0.
    Mode(&'static str),
    /// Text that may be given several times.
    List(&'static str),
    /// A flag without a value.
    Switch,
    /// A flag without a value, which turns the setting off.
    Off,
    /// A function in the config file, with the names of its arguments.
    Hook(&'static [&'static str]),
}

/// Whether a setting of Gunicorn's means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it does in Gunicorn.
    Works,
    /// It is accepted and changes nothing; why, in one sentence, which is
    /// logged as a warning where the value is not the default.
    Ignored(&'static str),
    /// Only the default is accepted; what to do instead, in one sentence.
    Refused(&'static str),
}

/// A variable of the environment that gives a setting its default, and how
/// its text becomes the setting's value.
pub type Variable = (&'static str, fn(OsString) -> Value);

/// One row of the table.
pub struct Setting {
    /// The name in a config file, and of the field in [`Settings`].
    pub name: &'static str,
    /// The heading it stands under, as in Gunicorn's reference.
    pub section: &'static str,
    /// How it is written on the command line, with the dashes. Empty for a
    /// setting that only a config file can give.
    pub flags: &'static [&'static str],
    /// How its value is written.
    pub kind: Kind,
    /// The variable of the environment that gives the default, if one does.
    pub variable: Option<Variable>,
    /// Whether it means something here.
    pub support: Support,
    /// What it does. The first paragraph is the help of the command line.
    pub help: &'static str,
    /// Checks a value and stores it; the error is the reason for refusing it.
    pub set: fn(&mut Settings, Value) -> Result<(), String>,
    /// The value in these settings.
    pub get: fn(&Settings) -> Value,
}

impl Setting {
    /// The row of this name.
    pub fn named(name: &str) -> Option<&'static Setting> {
        super::TABLE.iter().find(|setting| setting.name == name)
    }

    /// The value when no source gives one.
    pub fn default(&self) -> Value {
        (self.get)(&Settings::default())
    }

    /// The first paragraph of the help, in one line and without a full stop.
    pub fn summary(&self) -> String {
        let words = self
            .help
            .lines()
            .map(str::trim)
            .take_while(|line| !line.is_empty());
        let text = words.collect::<Vec<_>>().join(" ");
        text.trim_end_matches('.').to_owned()
    }
}

/// Turns the rows of `settings/*.rs` into the `Settings` struct, its defaults
/// and the table, so that each setting is written once.
///
/// Of a row's fields, `flags`, `variable` and `support` can be left out.
macro_rules! settings {
    ([$(
        section $section:literal;
        $(
            $(#[doc = $help:literal])+
            $name:ident: $type:ty {
                $(flags: $flags:expr,)?
                kind: $kind:expr,
                default: $default:expr,
                $(variable: $variable:expr,)?
                $(support: $support:expr,)?
                check: $check:expr,
            }
        )+
    )+]) => {
        /// Every setting with its checked value.
        #[derive(Clone, Debug, PartialEq)]
        pub struct Settings {
            $($( $(#[doc = $help])+ pub $name: $type, )+)+
            /// The names of the settings that a source has given.
            pub given: BTreeSet<&'static str>,
        }

        impl Default for Settings {
            fn default() -> Self {
                Self {
                    $($( $name: $default, )+)+
                    given: BTreeSet::new(),
                }
            }
        }

        /// All settings, in the order of the reference page.
        pub static TABLE: &[Setting] = &[
            $($(
                Setting {
                    name: stringify!($name),
                    section: $section,
                    flags: settings!(@or &[] $(, $flags)?),
                    kind: $kind,
                    variable: settings!(@or None $(, Some($variable))?),
                    support: settings!(@or Support::Works $(, $support)?),
                    help: concat!($($help, "\n"),+),
                    set: |settings, value| {
                        settings.$name = $check(value)?;
                        Ok(())
                    },
                    get: |settings| ToValue::to_value(&settings.$name),
                },
            )+)+
        ];
    };
    (@or $default:expr) => { $default };
    (@or $default:expr, $given:expr) => { $given };
}

pub(super) use settings;
