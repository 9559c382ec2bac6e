//! A row of the table of settings.

use std::ffi::OsString;

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
    Function(&'static [&'static str]),
}

/// Whether a setting of Gunicorn's means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does what it does in Gunicorn.
    Works,
    /// It is accepted and changes nothing. The sentence says why; it is logged as a
    /// warning where the value is not the default.
    Ignored(&'static str),
    /// Only the default is accepted. The sentence says what to do instead.
    Refused(&'static str),
}

/// A variable of the environment that gives a setting its default, and how
/// its text becomes the setting's value.
pub type Variable = (&'static str, fn(OsString) -> Value);

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in a config file, and the name of the field.
    pub name: &'static str,
    /// The heading it stands under, as in Gunicorn's reference.
    pub section: &'static str,
    /// How it is written on the command line, with the dashes. Empty for a
    /// setting that only a config file can give.
    pub flags: &'static [&'static str],
    /// How its value is written.
    pub kind: Kind,
    /// The words that a shell proposes for its value.
    pub choices: &'static [&'static str],
    /// The variable of the environment that gives the default, if one does.
    pub variable: Option<Variable>,
    /// Whether it means something here.
    pub support: Support,
    /// What it does. The first paragraph is the help of the command line.
    pub help: &'static str,
    /// The value when no source gives one.
    pub default: fn() -> Value,
    /// The end-to-end test of its effect, as `module::function`.
    #[cfg(test)]
    pub tested: Option<&'static str>,
}

impl Setting {
    /// The value when no source gives one.
    pub fn default(&self) -> Value {
        (self.default)()
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
