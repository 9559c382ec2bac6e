//! `rgunicorn [OPTIONS] [APP_MODULE]`: the command that serves.

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Error, Result};

use crate::arbiter::{self, Inheritance};
use crate::carried;
use crate::config::{Draft, Settings, current_folder};
use crate::log;
use crate::process::environment::set_variable;
use crate::process::{Program, daemon};
use crate::python::{self, time_zone};
use crate::service::configuration::Configuration;
use crate::service::{self, Service};

/// Serves the app, or only checks that it could. Gives the exit code.
///
/// # Errors
/// What ends the server, in one sentence.
pub fn serve(draft: Draft, words: Vec<OsString>) -> Result<ExitCode> {
    let inheritance = Inheritance::take();
    // Apps ask this variable whether they are served, and by whom.
    set_variable(
        "SERVER_SOFTWARE",
        concat!("rgunicorn/", env!("CARGO_PKG_VERSION")),
    );
    // Never freed: it is needed as long as this process lives.
    let program: &'static Program = Box::leak(Box::new(Program {
        file: python::executable().to_owned(),
        words,
        folder: current_folder(),
        environment: time_zone::variables().collect(),
    }));
    let configuration = match Configuration::read(draft.clone(), &program.words) {
        Err(error) if inheritance.is_successor() => {
            // The config file cannot say where the logs are.
            let known = draft.finish(|name| env::var_os(name))?;
            log::install(&known.logs())?;
            return Err(give_up(error, &known, program, &inheritance));
        }
        configuration => configuration?,
    };
    let settings = configuration.settings.clone();
    if settings.debugging.print_config {
        print!("{}", settings.printed());
    }
    if settings.debugging.check_config || settings.debugging.print_config {
        for warning in &configuration.warnings {
            eprintln!("Warning: {warning}");
        }
        service::check(&settings, &program.words)?;
        return Ok(ExitCode::SUCCESS);
    }
    if settings.mechanics.daemon && !inheritance.is_successor() {
        go_to_background(&settings)?;
    }
    let service = load(configuration, program, &inheritance);
    let service = match service {
        Err(error) if inheritance.is_successor() => {
            return Err(give_up(error, &settings, program, &inheritance));
        }
        service => service?,
    };
    let is_successor = inheritance.is_successor();
    let run = arbiter::run(service, program, inheritance);
    let code = run.inspect_err(|error| log_unseen(error, is_successor, &settings))?;
    daemon::report_failure(code);
    Ok(code.into())
}

fn load(
    mut configuration: Configuration,
    program: &'static Program,
    inheritance: &Inheritance,
) -> Result<Service> {
    if !inheritance.is_reexec() {
        let is_set = |name: &str| env::var_os(name).is_some_and(|it| !it.is_empty());
        configuration.warnings.extend(carried::disobeyed(is_set));
    }
    Service::load(configuration, program)?.preload()
}

fn go_to_background(settings: &Settings) -> Result<()> {
    let has_stderr = daemon::daemonize(settings.logging.enable_stdio_inheritance)?;
    if !has_stderr || settings.logging.errorlog != "-" {
        log::echo_errors_to(|line| {
            daemon::print_later(line);
        });
    }
    Ok(())
}

/// Ends a process that has inherited the sockets of another one, and cannot serve.
/// If it has inherited workers, too, it executes itself again for them. Gives the
/// error that ends it.
fn give_up(
    error: Error,
    settings: &Settings,
    program: &Program,
    inheritance: &Inheritance,
) -> Error {
    if inheritance.workers.is_empty() {
        log_unseen(&error, true, settings);
        return error;
    }
    arbiter::retry_reexec(program, inheritance, error)
}

/// Logs what ends this server, besides printing it, if another server has started
/// it: nobody may see what it prints.
fn log_unseen(error: &Error, is_successor: bool, settings: &Settings) {
    if is_successor && settings.logging.errorlog != "-" {
        ::log::error!("{error:#}");
    }
}
