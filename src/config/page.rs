//! `docs/reference/settings.md`, made from the table.
//!
//! The page is kept in the repository, and the test fails when it is not what
//! the table says. `UPDATE_DOCS=1 cargo test settings_page` rewrites it.

use std::{env, fs};

use super::setting::{Kind, Setting, Support};
use super::settings::TABLE;

const OPENING: &str = "\
# Settings

This page is made from the table in `src/config/settings/`;
`UPDATE_DOCS=1 cargo test settings_page` makes it anew.

A value is taken from the last of these that gives one:

1. the default, for some settings from a variable of the environment,
2. the config file, a `gunicorn.conf.py` ([config-file.md](../guide/config-file.md)),
3. `GUNICORN_CMD_ARGS`: options, written as on the command line,
4. the command line.

An option may stand before or after the app, and be shortened as long as only
one option begins that way. What follows the word `python` belongs to Python,
so an app's module cannot be called `python`.

A path may have any bytes, UTF-8 or not. In a config file it is `bytes`, or text as
`os.fsdecode` gives it.
";

fn page() -> String {
    let mut page = OPENING.to_owned();
    let mut section = "";
    for setting in TABLE.iter() {
        if setting.section != section {
            section = setting.section;
            page += &format!("\n## {section}\n");
        }
        page += &entry(setting);
    }
    page
}

fn entry(setting: &Setting) -> String {
    let mut entry = format!("\n### `{}`\n\n", setting.name);
    let value = match setting.kind {
        Kind::Text(value) | Kind::Number(value) | Kind::List(value) => format!(" {value}"),
        Kind::OptionalText(value, _) => format!(" [{value}]"),
        Kind::Mode(value) => format!(" {value}"),
        Kind::Switch | Kind::Off | Kind::Function(_) => String::new(),
    };
    let flags: Vec<_> = setting
        .flags
        .iter()
        .map(|flag| format!("`{flag}{value}`"))
        .collect();
    entry += &match flags.as_slice() {
        [] => match setting.kind {
            Kind::Function(arguments) => format!(
                "- Function: `def {}({}):`\n",
                setting.name,
                arguments.join(", ")
            ),
            _ => "- Option: none, only in a config file\n".to_owned(),
        },
        flags => format!("- Option: {}\n", flags.join(", ")),
    };
    if !matches!(setting.kind, Kind::Function(_)) {
        entry += &format!("- Default: `{}`\n", setting.default());
    }
    if let Some((variable, _)) = setting.variable {
        entry += &format!("- Default from the environment: `{variable}`\n");
    }
    entry += &match setting.support {
        Support::Works => String::new(),
        Support::Ignored(why) => format!("- Changes nothing. {why}\n"),
        Support::Refused(advice) => format!("- Refused: {advice}.\n"),
    };
    entry += "\n";
    for line in setting.help.lines() {
        entry += line.strip_prefix(' ').unwrap_or(line);
        entry += "\n";
    }
    entry
}

#[test]
fn settings_page_is_what_the_table_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/settings.md");
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, page()).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        written,
        page(),
        "docs/reference/settings.md is out of date; UPDATE_DOCS=1 cargo test settings_page makes it anew"
    );
}

/// The table for `gunicorn.config` in Python, kept as the page is.
#[test]
fn settings_page_and_python_have_the_same_table() {
    let mut text = "\
\"\"\"The table of settings, as Python has it.

For each: the default, the section, the flags, how its value is written, what
belongs to that (the name of the value in the help; of a function, its arguments),
and the first sentence of its help.

Made from the table in src/config/settings/; UPDATE_DOCS=1 cargo test settings_page
makes it anew.
\"\"\"

SETTINGS = {\n"
        .to_owned();
    for setting in TABLE.iter() {
        let (name, default, section) = (setting.name, setting.default(), setting.section);
        let (flags, help) = (setting.flags, setting.summary());
        let (kind, more) = match setting.kind {
            Kind::Text(value) => ("text", format!("{value:?}")),
            Kind::OptionalText(value, missing) => ("optional", format!("{:?}", (value, missing))),
            Kind::Number(value) => ("number", format!("{value:?}")),
            Kind::Mode(value) => ("mode", format!("{value:?}")),
            Kind::List(value) => ("list", format!("{value:?}")),
            Kind::Switch => ("switch", "None".to_owned()),
            Kind::Off => ("off", "None".to_owned()),
            Kind::Function(arguments) => ("hook", format!("{arguments:?}")),
        };
        text += &format!(
            "    \"{name}\": ({default}, \"{section}\", {flags:?}, \"{kind}\", {more}, {help:?}),\n"
        );
    }
    text += "}\n";
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/stdlib-bundle/rgunicorn/defaults.py"
    );
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap_or_default(), text);
}
