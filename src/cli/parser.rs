//! clap's parser, made from the settings table.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, ValueHint, value_parser};

use super::generate::Generated;
use crate::config::{Kind, Setting, TABLE};
use crate::ctl;
use crate::init;
use crate::pack::{Label, inspect, make};

/// The setting that the app on the command line gives.
pub const APP: &str = "wsgi_app";

/// The options that are commands of their own.
pub const LICENSES: &str = "licenses";
pub const EXTRACT_LIBRARIES: &str = "extract-libraries";
pub const VERSION: &str = "version";
pub const VERBOSE: &str = "verbose";
pub const GENERATE: &str = "generate";

/// The words that are commands, in addition to `python`.
pub const PACK: &str = "pack";
pub const UNPACK: &str = "unpack";
pub const INSPECT: &str = "inspect";
pub const INIT: &str = "init";
pub const CTL: &str = "ctl";

/// What follows the word `python`.
const PYTHON_ARGS: &str = "args";

pub fn parser() -> Command {
    named(
        "rgunicorn",
        "Serves a Python web app, with the interpreter inside.",
    )
}

/// The same for an executable with a site in it: `name` is its file's, `site` what the
/// label says of the site.
pub fn parser_of(name: &str, site: &Label) -> Command {
    let title = site.name.iter().chain(&site.version).cloned();
    let title = title.collect::<Vec<_>>().join(" ");
    let title = if title.is_empty() { name } else { &title };
    let about = format!("Serves {title}, which is packed into this file with the interpreter.");
    named(name, &about)
}

fn named(name: &str, about: &str) -> Command {
    Command::new(name.to_owned())
        // The usage lines of commands within commands begin with it.
        .bin_name(name)
        .about(about.to_owned())
        .override_usage(format!(
            "{name} [OPTIONS] [APP_MODULE]\n       {name} [OPTIONS] python [ARGS]...\n       \
             {name} pack|unpack|inspect|init|ctl [OPTIONS] ...",
        ))
        .version(version())
        .no_binary_name(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        // As Python's argparse, which Gunicorn uses.
        .infer_long_args(true)
        .args_override_self(true)
        .arg(
            Arg::new(APP)
                .value_name("APP_MODULE")
                .value_parser(value_parser!(OsString))
                .help("The app: module, module:name or module:factory(\"argument\")"),
        )
        .arg(
            Arg::new(VERSION)
                .short('v')
                .long(VERSION)
                .action(ArgAction::SetTrue)
                .help("Print the version"),
        )
        .arg(
            Arg::new(VERBOSE)
                .long(VERBOSE)
                .requires(VERSION)
                .action(ArgAction::SetTrue)
                .help("With --version: also the version of everything inside"),
        )
        .arg(
            Arg::new(LICENSES)
                .long(LICENSES)
                .action(ArgAction::SetTrue)
                .help("Print the version and licence of everything inside"),
        )
        .arg(
            Arg::new(EXTRACT_LIBRARIES)
                .long(EXTRACT_LIBRARIES)
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .value_hint(ValueHint::DirPath)
                .help("Write the shared libraries inside to a folder, for a debugger"),
        )
        .arg(
            Arg::new(GENERATE)
                .long(GENERATE)
                .value_name("WHAT")
                .value_parser(value_parser!(Generated))
                .help("Print the manual page, or what completes commands in a shell"),
        )
        .args(TABLE.iter().filter(|it| !it.flags.is_empty()).map(option))
        .subcommand(python())
        .subcommand(command(
            name,
            make::Options::augment_args(Command::new(PACK)),
            "[OPTIONS] [DIR]",
            "Make one file of a project: a zip, an executable or a container image",
        ))
        .subcommand(command(
            name,
            Command::new(UNPACK)
                .arg(path("FILE", "A zip, an executable or a container image"))
                .arg(path("DIR", "The folder to make")),
            "FILE DIR",
            "Give back the files of a pack",
        ))
        .subcommand(command(
            name,
            inspect::Options::augment_args(Command::new(INSPECT)),
            "[OPTIONS] [FILE]",
            "Show what is inside a pack, or inside this executable",
        ))
        .subcommand(command(
            name,
            init::Options::augment_args(Command::new(INIT)),
            "[KIND] [DIR]",
            "Make a small project to begin with",
        ))
        .subcommand(command(
            name,
            ctl::Options::augment_args(Command::new(CTL)),
            "[OPTIONS] [COMMAND]",
            "Look into a running server, or steer it",
        ))
}

/// A command with options of its own.
fn command(name: &str, command: Command, usage: &str, about: &'static str) -> Command {
    let usage = format!("{name} {} {usage}", command.get_name());
    command.override_usage(usage).about(about).long_about(None)
}

fn path(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .help(help)
        .required(true)
        .value_parser(value_parser!(PathBuf))
}

/// What the user gave after the word `python`.
pub fn python_args(matches: &ArgMatches) -> Vec<OsString> {
    let args = matches.get_many::<OsString>(PYTHON_ARGS);
    args.into_iter().flatten().cloned().collect()
}

/// The error of a line that names an app and a command, too.
pub fn app_before(app: &OsStr, command: &str) -> clap::Error {
    let app = app.display();
    parser().error(
        ErrorKind::ArgumentConflict,
        format!("'{app}' has no place before the word '{command}'; leave out one of the two"),
    )
}

fn version() -> String {
    format!(
        "(version {}; CPython {})",
        env!("CARGO_PKG_VERSION"),
        crate::python::version()
    )
}

fn python() -> Command {
    Command::new("python")
        .about("The Python interpreter; what follows is its command line")
        .disable_help_flag(true)
        .arg(
            Arg::new(PYTHON_ARGS)
                .num_args(0..)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString)),
        )
}

fn option(setting: &'static Setting) -> Arg {
    let shown = setting.default().to_string();
    let summary = setting.summary();
    let help = match shown.as_str() {
        "None" | "True" | "False" | "[]" | "''" => summary,
        shown => format!("{summary} (default: {shown})"),
    };
    let arg = Arg::new(setting.name)
        .help_heading(setting.section)
        .help(help);
    let arg = setting.flags.iter().fold(arg, flag);
    let arg = match setting.kind {
        Kind::Switch | Kind::Off | Kind::Function(_) => arg,
        _ => arg.value_hint(value_hint(setting)),
    };
    match setting.kind {
        Kind::Text(value) => arg.value_name(value).value_parser(value_parser!(OsString)),
        Kind::Number(value) => arg
            .value_name(value)
            .allow_negative_numbers(true)
            .value_parser(whole_number),
        Kind::OptionalText(value, missing) => arg
            .value_name(value)
            .num_args(0..=1)
            .default_missing_value(missing)
            .value_parser(value_parser!(OsString)),
        Kind::Mode(value) => arg.value_name(value).value_parser(mode),
        Kind::List(value) => arg
            .value_name(value)
            .action(ArgAction::Append)
            .value_parser(value_parser!(OsString)),
        Kind::Switch | Kind::Off => arg.action(ArgAction::SetTrue),
        // Functions have no flags.
        Kind::Function(_) => arg,
    }
}

/// What a shell proposes for the value.
fn value_hint(setting: &Setting) -> ValueHint {
    match setting.kind {
        Kind::Text("FILE" | "CONFIG" | "INI") | Kind::List("FILES") => ValueHint::FilePath,
        Kind::Text("DIR" | "DIRS") => ValueHint::DirPath,
        // Without a hint, shells propose files.
        _ => ValueHint::Other,
    }
}

fn whole_number(text: &str) -> Result<i64, &'static str> {
    text.parse().map_err(|_| "it is not a whole number")
}

/// A whole number that is octal when it begins with 0.
fn mode(text: &str) -> Result<i64, &'static str> {
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => {
            let digits = digits.trim_start_matches(['o', 'O']);
            i64::from_str_radix(digits, 8).map_err(|_| "it is not an octal number")
        }
        _ => whole_number(text),
    }
}

/// Gives an option one of its flags: the first long one is its name, further
/// ones are aliases that the help shows too.
fn flag(arg: Arg, flag: &&'static str) -> Arg {
    match flag.strip_prefix("--") {
        Some(long) if arg.get_long().is_none() => arg.long(long),
        Some(long) => arg.visible_alias(long),
        None => arg.short(flag.chars().nth(1)),
    }
}
