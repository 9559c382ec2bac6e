//! The command line, made from the settings table.
//!
//! `rgunicorn [OPTIONS] [APP_MODULE]` serves an app;
//! `rgunicorn [OPTIONS] python ...` is the interpreter, and everything after
//! that word belongs to it. `--version`, `--licenses`, `--extract-libraries` and
//! `--generate` are about the executable itself.

mod error;
mod generate;
mod manual;
mod parser;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::{ArgMatches, FromArgMatches};

use crate::config::{Draft, Kind, Layer, Setting, TABLE, Value};
use crate::ctl;
use crate::init;
use crate::pack::{self, Label, inspect, make};

pub use error::Error;
pub use generate::Generated;

/// The variable that holds more options, written as on the command line.
const MORE_OPTIONS: &str = "GUNICORN_CMD_ARGS";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Serve the app.
    Serve(Draft),
    /// Be the Python interpreter, with these arguments.
    Python(Draft, Vec<OsString>),
    /// Print this line about the version; `verbose` adds those of all that the
    /// executable carries.
    Version { line: String, verbose: bool },
    /// Print something that is made from the command line.
    Generate(Generated),
    /// Print the licences of all that the executable carries.
    Licenses,
    /// Write the shared libraries that it carries into this folder.
    ExtractLibraries(PathBuf),
    /// Make one file of a project.
    Pack(make::Options),
    /// Give back the files of a pack, into a folder.
    Unpack { file: PathBuf, folder: PathBuf },
    /// Show what is inside a pack.
    Inspect(inspect::Options),
    /// Make a small project.
    Init(init::Options),
    /// Look into a running server, or steer it.
    Ctl(ctl::Options),
}

/// Reads the command line (without the program's name) and the options in
/// `GUNICORN_CMD_ARGS`.
///
/// The result is a draft: the config file and the environment can still add to it.
///
/// # Errors
/// The line asks for the help or the version, or is wrong; see
/// [`Error::report`].
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, Error> {
    let mut draft = Draft::default();
    let args: Vec<OsString> = args.into_iter().collect();
    let matches = parser::parser().try_get_matches_from(&args);
    let matches = matches.map_err(|error| with_name_of_site(error, &args))?;
    if matches.get_flag(parser::VERSION) {
        return Ok(Command::Version {
            line: parser_of_site().render_version(),
            verbose: matches.get_flag(parser::VERBOSE),
        });
    }
    if let Some(what) = matches.get_one(parser::GENERATE) {
        return Ok(Command::Generate(*what));
    }
    if matches.get_flag(parser::LICENSES) {
        return Ok(Command::Licenses);
    }
    if let Some(folder) = matches.get_one::<PathBuf>(parser::EXTRACT_LIBRARIES) {
        return Ok(Command::ExtractLibraries(folder.clone()));
    }
    if let Some(command) = own_command(&matches)? {
        return Ok(command);
    }
    check_no_value_is_app(&matches)?;
    take(&mut draft, Layer::CommandLine, &matches)?;
    if let Some(more) = environment(MORE_OPTIONS) {
        let more = shlex::bytes::split(more.as_bytes()).ok_or(Error::Quotes)?;
        let more = more.into_iter().map(OsString::from_vec);
        let more = parser::parser()
            .try_get_matches_from(more)
            .map_err(Error::MoreOptions)?;
        take(&mut draft, Layer::CommandArguments, &more)?;
    }
    Ok(match matches.subcommand() {
        Some((_, python)) => {
            if let Some(app) = matches.get_one::<OsString>(parser::APP) {
                return Err(parser::app_before(app, "python").into());
            }
            Command::Python(draft, parser::python_args(python))
        }
        None => Command::Serve(draft),
    })
}

/// Makes what the user asks for.
///
/// # Errors
/// The manual page cannot be made.
pub fn generate(what: Generated) -> std::io::Result<Vec<u8>> {
    what.make(parser_of_site())
}

/// The help of an executable with a site in it names the site.
fn with_name_of_site(error: clap::Error, args: &[OsString]) -> clap::Error {
    if error.use_stderr() {
        return error;
    }
    match parser_of_site().try_get_matches_from(args) {
        Err(named) => named,
        Ok(_) => error,
    }
}

/// The parser, which calls an executable with a site in it by its own name.
fn parser_of_site() -> clap::Command {
    let Some(own) = pack::own_site() else {
        return parser::parser();
    };
    let label = Label::of(own).unwrap_or_default();
    let name = own.file_name().unwrap_or_default().to_string_lossy();
    parser::parser_of(&name, &label)
}

/// One of the commands that have options of their own, and not the settings.
fn own_command(matches: &ArgMatches) -> Result<Option<Command>, Error> {
    let subcommand = matches.subcommand_name().filter(|name| *name != "python");
    if let (Some(name), Some(app)) = (subcommand, matches.get_one::<OsString>(parser::APP)) {
        return Err(parser::app_before(app, name).into());
    }
    let path = |matches: &ArgMatches, name| matches.get_one::<PathBuf>(name).cloned();
    Ok(Some(match matches.subcommand() {
        Some((parser::PACK, own)) => Command::Pack(make::Options::from_arg_matches(own)?),
        Some((parser::UNPACK, own)) => Command::Unpack {
            file: path(own, "FILE").unwrap_or_default(),
            folder: path(own, "DIR").unwrap_or_default(),
        },
        Some((parser::INSPECT, own)) => Command::Inspect(inspect::Options::from_arg_matches(own)?),
        Some((parser::INIT, own)) => Command::Init(init::Options::from_arg_matches(own)?),
        Some((parser::CTL, own)) => Command::Ctl(ctl::Options::from_arg_matches(own)?),
        _ => return Ok(None),
    }))
}

/// Options that uvicorn has as flags without a value: a person who is used to that
/// may write the app after them. The same can happen with options whose value may
/// be left out.
const FLAGS_OF_UVICORN: [&str; 2] = ["proxy_headers", "server_header"];

/// Checks that no such option has the app for its value.
fn check_no_value_is_app(matches: &ArgMatches) -> Result<(), Error> {
    if matches.contains_id(parser::APP) || matches.subcommand().is_some() {
        return Ok(());
    }
    for setting in TABLE.iter() {
        let may_take = FLAGS_OF_UVICORN.contains(&setting.name)
            || matches!(setting.kind, Kind::OptionalText(..));
        if may_take
            && let Some(Value::Str(value)) = value(setting, matches)
            && is_app(&value)
        {
            let flag = setting.flags[0];
            return Err(Error::ValueIsApp { flag, value });
        }
    }
    Ok(())
}

/// Whether text looks like `module:name`.
fn is_app(text: &str) -> bool {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        characters
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && characters.all(|it| it.is_alphanumeric() || it == '_')
    };
    let (module, name) = text.split_once(':').unwrap_or_default();
    let name = name.split('(').next().unwrap_or_default();
    module.split('.').all(is_name) && name.split('.').all(is_name)
}

/// Hands the values of a parsed line to the draft.
fn take(draft: &mut Draft, layer: Layer, matches: &ArgMatches) -> Result<(), Error> {
    for setting in TABLE.iter() {
        if let Some(raw) = value(setting, matches) {
            draft.apply(layer, setting, raw)?;
        }
    }
    Ok(())
}

fn value(setting: &Setting, matches: &ArgMatches) -> Option<Value> {
    let name = setting.name;
    match setting.kind {
        _ if setting.flags.is_empty() && name != parser::APP => None,
        Kind::Text(_) | Kind::OptionalText(..) => {
            matches.get_one::<OsString>(name).cloned().map(Value::from)
        }
        Kind::Mode(_) | Kind::Number(_) => matches.get_one(name).copied().map(Value::Int),
        Kind::List(_) => {
            let items = matches.get_many::<OsString>(name)?;
            Some(Value::List(items.cloned().map(Value::from).collect()))
        }
        Kind::Switch => matches.get_flag(name).then_some(Value::Bool(true)),
        Kind::Off => matches.get_flag(name).then_some(Value::Bool(false)),
        Kind::Function(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn parse_with(line: &str, environment: &[(&str, &str)]) -> Result<Command, Error> {
        let args = shlex::split(line).unwrap().into_iter().map(OsString::from);
        parse(args, |name| find(environment, name))
    }

    fn find(environment: &[(&str, &str)], name: &str) -> Option<OsString> {
        let mut all = environment.iter();
        all.find(|(known, _)| *known == name)
            .map(|(_, value)| (*value).into())
    }

    fn settings_with(line: &str, environment: &[(&str, &str)]) -> Settings {
        match parse_with(line, environment).unwrap() {
            Command::Serve(draft) => draft.finish(|name| find(environment, name)).unwrap(),
            other => panic!("{line} does not serve: {other:?}"),
        }
    }

    fn settings(line: &str) -> Settings {
        settings_with(line, &[])
    }

    fn usage_error(line: &str) -> String {
        match parse_with(line, &[]) {
            Err(error @ Error::Usage(_)) => {
                let Error::Usage(clap) = &error else {
                    unreachable!()
                };
                assert_eq!(clap.exit_code(), 2, "{line}");
                error.to_string()
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn options_may_stand_anywhere_and_be_repeated() {
        let settings =
            settings("-w 3 -b :80 app:app --bind unix:/s -e A=1 --env B=2 --access-logfile - -w 4");
        assert_eq!(settings.workers.workers, 4);
        assert_eq!(settings.socket.bind, [":80", "unix:/s"]);
        assert_eq!(settings.mechanics.raw_env, ["A=1", "B=2"]);
        assert_eq!(settings.logging.accesslog, Some("-".into()));
        assert_eq!(settings.sources.wsgi_app.as_deref(), Some("app:app"));
    }

    #[test]
    fn every_flag_of_the_table_is_an_option() {
        for setting in TABLE.iter() {
            for flag in setting.flags {
                let command = parser::parser();
                let long = flag.strip_prefix("--");
                let known = command.get_arguments().any(|arg| match long {
                    Some(long) => arg
                        .get_long_and_visible_aliases()
                        .is_some_and(|all| all.contains(&long)),
                    None => arg.get_short() == flag.chars().nth(1),
                });
                assert!(known, "{flag}");
            }
        }
        parser::parser().debug_assert();
    }

    #[test]
    fn long_options_can_be_shortened_and_have_aliases() {
        assert_eq!(settings("--back 2 --log-file e").logging.errorlog, "e");
        assert_eq!(settings("--error-logfile=e").logging.errorlog, "e");
    }

    #[test]
    fn the_command_line_wins_over_the_variable_of_options() {
        let environment = [("GUNICORN_CMD_ARGS", "-w 5 --env 'A=x y' -t 9")];
        let settings = settings_with("-w 2", &environment);
        assert_eq!((settings.workers.workers, settings.workers.timeout), (2, 9));
        assert_eq!(settings.mechanics.raw_env, ["A=x y"]);
    }

    #[test]
    fn what_follows_the_word_python_is_pythons() {
        let line = "--app-zip /s.zip python -W error manage.py --workers 3 -- -c --help";
        match parse_with(line, &[]).unwrap() {
            Command::Python(draft, args) => {
                let settings = draft.finish(|_| None).unwrap();
                assert_eq!(settings.application.app_zip, Some("/s.zip".into()));
                let args = args.join(" ".as_ref());
                assert_eq!(args, "-W error manage.py --workers 3 -- -c --help");
            }
            other => panic!("{other:?}"),
        }
        for (line, expected) in [("python", 0), ("python -v", 1), ("python --help", 1)] {
            match parse_with(line, &[]).unwrap() {
                Command::Python(_, args) => assert_eq!(args.len(), expected, "{line}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn options_that_tell_about_the_executable() {
        assert_eq!(parse_with("--licenses", &[]).unwrap(), Command::Licenses);
        let folder = Command::ExtractLibraries("/tmp/x".into());
        assert_eq!(
            parse_with("--extract-libraries /tmp/x", &[]).unwrap(),
            folder
        );
    }

    #[test]
    fn wrong_lines_are_named() {
        assert!(usage_error("--worker-clas sync --bnd x").contains("--bnd"));
        assert!(usage_error("--wrokers 3").contains("'--workers'"));
        assert!(usage_error("-w many").contains("'many'"));
        assert!(usage_error("app:app other").contains("'other'"));
        assert!(usage_error("-b").contains("--bind"));
        assert!(usage_error("app:app python -c 1").contains("python"));
    }

    #[test]
    fn an_app_that_an_option_has_taken_is_noticed() {
        for line in [
            "--proxy-headers app:app",
            "-w 2 --proxy-headers my.site:make.app -b :80",
            "--proxy-headers app:make()",
            "--proxy-protocol app:app",
            "--server-header app:app",
        ] {
            let error = parse_with(line, &[]).unwrap_err();
            let told = error.to_string();
            assert!(
                told.contains("name it before the options"),
                "{line}: {told}"
            );
            assert!(told.contains("is taken for the value of --"), "{told}");
        }
        let mechanics = |line| settings(line).mechanics;
        let server = mechanics("app:app --server-header a:b").server_header;
        assert_eq!(server, "a:b");
        let headers = mechanics("app:app --proxy-headers").proxy_headers;
        let named = mechanics("--proxy-headers=x-forwarded-for").proxy_headers;
        assert_eq!(headers, named);
        for value in ["nginx/1.0", "x-forwarded-for", ":80", "a b:c"] {
            assert!(!is_app(value), "{value}");
        }
    }

    #[test]
    fn wrong_values_name_the_option() {
        let error = parse_with("-w -1", &[]).unwrap_err();
        assert!(matches!(error, Error::Setting(_)), "{error:?}");
        assert!(error.to_string().contains("--workers"), "{error}");
        for options in ["-w many", "'", "--nope"] {
            let error = parse_with("", &[("GUNICORN_CMD_ARGS", options)]).unwrap_err();
            assert!(error.to_string().contains("$GUNICORN_CMD_ARGS"), "{error}");
        }
    }
}
