//! What is made from the command line: the manual page, and what completes commands in a
//! shell.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Command, ValueEnum};
use clap_complete::aot::{Bash, Fish, Generator, Zsh};

use super::manual;
use crate::config::TABLE;

/// What can be made. The names are those that ripgrep has for them.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Generated {
    Man,
    CompleteBash,
    CompleteZsh,
    CompleteFish,
}

impl Generated {
    /// Makes it from the parser.
    pub fn make(self, parser: Command) -> io::Result<Vec<u8>> {
        let commands = parser.get_subcommands().map(Command::get_name);
        let commands: Vec<_> = commands.map(str::to_owned).collect();
        let script = match self {
            Self::Man => return manual::page(parser),
            Self::CompleteBash => script(Bash, parser)?,
            Self::CompleteZsh => for_zsh(&script(Zsh, parser)?, &commands),
            Self::CompleteFish => for_fish(&script(Fish, parser)?, &commands),
        };
        Ok(script.into_bytes())
    }
}

/// What completes commands in a shell.
fn script(shell: impl Generator, parser: Command) -> io::Result<String> {
    let mut parser = with_choices(parser);
    let name = parser.get_name().to_owned();
    parser.set_bin_name(name);
    parser.build();
    let mut script = Vec::new();
    shell.try_generate(&parser, &mut script)?;
    String::from_utf8(script).map_err(io::Error::other)
}

/// clap_complete 4.6 takes the first word for the app, so that only the second could be a
/// command. Here there is no app on a line with a command.
fn for_zsh(script: &str, commands: &[String]) -> String {
    // The options come first, so this is the first word of the whole line.
    let app = script.lines().find(|line| line.starts_with("'::"));
    let Some(spec) = app.and_then(|line| line.strip_suffix(" \\")) else {
        return script.to_owned();
    };
    let first = "    _arguments ";
    let commands = commands.join("|");
    let decide =
        format!("    local -a app\n    (( ${{words[(I)({commands})]}} )) || app=({spec})\n{first}");
    let script = script.replacen(spec, "\"${app[@]}\"", 1);
    let script = script.replacen(first, &decide, 1);
    script.replace("$line[2]", "$line[1]")
}

/// clap_complete 4.6 takes the first word for a command, also if it is the app, and
/// proposes nothing for the value of an option: fish's `argparse` refuses a line that ends
/// with an option whose value is still missing. Here it is asked again without the option.
fn for_fish(script: &str, commands: &[String]) -> String {
    let asks = |line: &&str| line.trim_start().starts_with("argparse ");
    let Some(ask) = script.lines().find(asks) else {
        return script.to_owned();
    };
    let again = format!("{ask}\n    or begin\n        set -e cmd[-1]\n    {ask}\n    end");
    let is_command = format!("if contains -- \"$argv[1]\" {}", commands.join(" "));
    let script = script.replacen(ask, &again, 1);
    script.replacen("if set -q argv[1]", &is_command, 1)
}

/// The words of the settings that have some. The ordinary parser does not know them:
/// settings check their values themselves, and some take other values, too.
fn with_choices(parser: Command) -> Command {
    let settings = TABLE.iter();
    let settings = settings.filter(|it| !it.flags.is_empty() && !it.choices.is_empty());
    settings.fold(parser, |parser, setting| {
        let words = PossibleValuesParser::new(setting.choices);
        parser.mut_arg(setting.name, |arg| arg.value_parser(words))
    })
}

#[cfg(test)]
mod tests {
    use super::super::parser;
    use super::*;

    fn made(what: Generated) -> String {
        String::from_utf8(what.make(parser::parser()).expect("it")).expect("text")
    }

    #[test]
    fn shells_know_commands_flags_and_words() {
        for what in [
            Generated::CompleteBash,
            Generated::CompleteZsh,
            Generated::CompleteFish,
        ] {
            let script = made(what);
            for word in ["pack", "stacks", "reload-engine", "inotify", "gthread"] {
                assert!(script.contains(word), "{what:?}: {word}");
            }
        }
    }

    #[test]
    fn the_page_explains_each_option_and_command() {
        let page = made(Generated::Man);
        for setting in TABLE.iter() {
            for flag in setting.flags.iter().take(1) {
                let flag = flag.replace('-', "\\-");
                assert!(page.contains(&flag), "{flag}");
            }
        }
        assert!(page.contains("\n.SS \"rgunicorn ctl stacks\"\n"), "{page}");
        assert!(!page.contains('`'), "{page}");
    }
}
