//! What is made from the command line: the manual page, and what completes commands in a
//! shell.

use std::io;

use clap::builder::PossibleValuesParser;
use clap::{Command, ValueEnum};
use clap_complete::Shell;

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
        let shell = match self {
            Self::Man => return manual::page(parser),
            Self::CompleteBash => Shell::Bash,
            Self::CompleteZsh => Shell::Zsh,
            Self::CompleteFish => Shell::Fish,
        };
        let mut parser = with_choices(parser);
        let name = parser.get_name().to_owned();
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut parser, name, &mut script);
        Ok(script)
    }
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
