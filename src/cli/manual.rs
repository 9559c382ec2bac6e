//! The manual page: the options, with all that the table of settings says about them, and
//! the commands.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::config::{Kind, Setting, TABLE};

/// The page, for `man`.
pub fn page(parser: Command) -> io::Result<Vec<u8>> {
    let name = parser.get_name().to_owned();
    let mut parser = with_whole_help(parser);
    parser.build();
    let parser = parser.mut_args(in_words);
    let man = Man::new(parser.clone()).source(format!("rgunicorn {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    heading("SH", "COMMANDS", &mut page)?;
    commands(&parser, &name, &mut page)?;
    Ok(page)
}

/// The commands of a command, and theirs.
fn commands(parser: &Command, name: &str, page: &mut Vec<u8>) -> io::Result<()> {
    for command in parser
        .get_subcommands()
        .filter(|it| it.get_name() != "help")
    {
        let name = format!("{name} {}", command.get_name());
        heading("SS", &name, page)?;
        if let Some(about) = command.get_about() {
            Roff::new()
                .text([roman(format!("{about}."))])
                .to_writer(page)?;
        }
        // What has been explained before is left out.
        let own = command.clone().mut_args(|arg| {
            let known = arg.get_id() == "help" || arg.is_global_set() && name.contains("ctl ");
            in_words(arg).hide(known)
        });
        let mut options = Vec::new();
        Man::new(own).render_options_section(&mut options)?;
        // The headings of its sections would end that of the command.
        let lines = options.split_inclusive(|it| *it == b'\n');
        page.extend(lines.filter(|line| !line.starts_with(b".SH ")).flatten());
        commands(command, &name, page)?;
    }
    Ok(())
}

/// Tells the words that an option may have in a sentence: the page would have a list for
/// them.
fn in_words(arg: Arg) -> Arg {
    let words = arg.get_possible_values();
    let words = words.iter().map(|it| it.get_name().to_owned());
    let words = words.collect::<Vec<_>>().join(", ");
    let help = arg.get_help().map(|it| plain(&it.to_string()));
    let told = match (help, words.is_empty() || !arg.get_action().takes_values()) {
        (Some(help), true) => help,
        (None, true) => return arg,
        (Some(help), false) => format!("{help}: {words}"),
        (None, false) => words,
    };
    arg.help(told).hide_possible_values(true)
}

fn heading(level: &str, text: &str, page: &mut Vec<u8>) -> io::Result<()> {
    Roff::new().control(level, [text]).to_writer(page)
}

/// The parser with the whole help of the settings.
fn with_whole_help(parser: Command) -> Command {
    let settings = TABLE.iter().filter(|it| !it.flags.is_empty());
    settings.fold(parser, |parser, setting| {
        parser.mut_arg(setting.name, |arg| arg.long_help(whole_help(setting)))
    })
}

fn whole_help(setting: &Setting) -> String {
    let mut help = plain(setting.help);
    if !matches!(setting.kind, Kind::Switch | Kind::Off) {
        let default = setting.default().to_string();
        if !matches!(&*default, "None" | "[]" | "''") {
            help += &format!("\n\nDefault: {default}");
        }
    }
    help
}

/// Text without the marks of Markdown; each row of a table is a paragraph.
fn plain(markdown: &str) -> String {
    let mut text = String::new();
    for line in markdown.trim().lines().map(str::trim) {
        let Some(row) = line.strip_prefix('|') else {
            text += line;
            text.push('\n');
            continue;
        };
        let cells: Vec<_> = row
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        if !cells.iter().all(|it| it.starts_with("--")) {
            text += &format!("\n{}\n", cells.join(": "));
        }
    }
    text.replace('`', "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_become_paragraphs() {
        let markdown = " Of `a`.\n\n | atom | is |\n |---|---|\n | `%(h)s` | it |\n\n End.\n";
        assert_eq!(plain(markdown), "Of a.\n\n\natom: is\n\n%(h)s: it\n\nEnd.");
    }
}
