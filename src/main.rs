//! One executable that is CPython, its standard library and a
//! Gunicorn-compatible web server.

mod arbiter;
mod asgi;
mod cache;
mod carried;
mod cli;
mod config;
mod control;
mod ctl;
mod exchange;
mod http;
mod http2;
mod init;
mod log;
mod net;
mod pack;
mod process;
mod python;
mod scoreboard;
mod serve;
mod service;
mod site;
mod status;
mod system;
mod websocket;
mod worker;
mod wsgi;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use cli::Command;
use config::Draft;
use python::invocation::Invocation;
use site::Site;

fn main() -> ExitCode {
    process::prepare_signals();
    process::title::claim(env::args_os().len());
    python::arguments::show(process::title::share);
    process::title::show_through(python::arguments::retitle);
    python::time_zone::provide();
    // Now, because its name may be relative to the current folder.
    python::executable();
    let line: Vec<OsString> = env::args_os().collect();
    run(line).unwrap_or_else(|error| {
        let text = format!("\nError: {error:#}\n");
        // In the background, the command that was typed prints it.
        if !process::daemon::print_later(&text) {
            eprint!("{text}");
        }
        process::daemon::report_failure(1);
        ExitCode::FAILURE
    })
}

fn run(line: Vec<OsString>) -> Result<ExitCode> {
    python::library::check()?;
    if let Some(asked) = Invocation::from_command_line(&line)? {
        if asked.by_shape && pack::own_site().is_some() {
            return be_python(Draft::default(), &asked.arguments);
        }
        // Its parent, which keeps the folder in the cache, may end before it.
        let _in_use = asked
            .environment
            .app
            .as_deref()
            .and_then(pack::lock_unpacked);
        return Ok(exit_code(python::run(&asked.arguments, asked.environment)));
    }
    let command = match cli::parse(line.iter().skip(1).cloned(), variable) {
        Ok(command) => command,
        Err(error) => return Ok(error.report().into()),
    };
    match command {
        Command::Serve(draft) => serve::serve(draft, line),
        Command::Python(draft, words) => be_python(draft, &words),
        Command::Version { line, verbose } => print_version(line, verbose),
        Command::Generate(what) => print(&cli::generate(what)?, "What was generated"),
        Command::Licenses => print(&carried::licenses()?, "The licences"),
        Command::ExtractLibraries(folder) => extract_libraries(&folder),
        Command::Pack(options) => done(pack::make::pack(options)),
        Command::Unpack { file, folder } => done(pack::unpack_to_folder(&file, &folder)),
        Command::Inspect(options) => done(pack::inspect::inspect(&options)),
        Command::Init(options) => done(init::init(&options)),
        Command::Ctl(options) => ctl::run(&options),
    }
}

fn done(result: Result<()>) -> Result<ExitCode> {
    result.map(|()| ExitCode::SUCCESS)
}

/// `rgunicorn [OPTIONS] python ...`
fn be_python(mut draft: Draft, words: &[OsString]) -> Result<ExitCode> {
    for note in service::configuration::apply_pack(&mut draft)?.warnings {
        eprintln!("Warning: {note}");
    }
    let settings = draft.finish(variable)?;
    service::enter(&settings)?;
    let site = Site::find(&settings)?;
    process::environment::change_folder(&site.folder)?;
    Ok(exit_code(python::run(words, site.command_environment())))
}

/// `rgunicorn --version`
fn print_version(mut text: String, verbose: bool) -> Result<ExitCode> {
    if verbose {
        text += "\nInside are:\n";
        for part in carried::parts()? {
            text += &format!("  {part}\n");
        }
    }
    print(text.as_bytes(), "The version")
}

fn print(bytes: &[u8], what: &str) -> Result<ExitCode> {
    match io::stdout().write_all(bytes) {
        // The user has left the pager.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.with_context(|| format!("{what} cannot be printed"))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// `rgunicorn --extract-libraries DIR`
fn extract_libraries(folder: &Path) -> Result<ExitCode> {
    let written = carried::extract_libraries(folder)
        .with_context(|| format!("The libraries cannot be written to '{}'", folder.display()))?;
    for path in written {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The last eight bits of the code: the system keeps no more.
fn exit_code(code: i32) -> ExitCode {
    (code as u8).into()
}

fn variable(name: &str) -> Option<OsString> {
    env::var_os(name)
}
