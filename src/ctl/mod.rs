//! `rgunicorn ctl`: looks into a running server, and steers it, through its
//! control socket.

#![forbid(unsafe_code)]

mod client;
mod find;
mod memory;
mod output;
mod profile;
mod stacks;
mod status;
mod top;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::Value;

use client::SOON;

/// The options of `ctl`.
#[derive(Args, Debug, PartialEq)]
pub struct Options {
    /// The process id of the server's master; needed only if there are several
    #[arg(short, long, value_name = "PID", global = true, value_parser = values::process_id)]
    pid: Option<i32>,

    /// The path of the server's control socket (`control_socket`)
    #[arg(
        short,
        long,
        value_name = "PATH",
        global = true,
        conflicts_with = "pid"
    )]
    socket: Option<PathBuf>,

    /// Print JSON
    #[arg(short, long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, PartialEq, Subcommand)]
enum Command {
    /// How the server and its workers are
    Status,
    /// The same, as a live screen
    Top,
    /// What the threads, tasks and greenlets of the workers are doing
    Stacks {
        /// The process id of a worker; without it, all workers
        #[arg(value_parser = values::process_id)]
        worker: Option<i32>,
    },
    /// Where workers spend their time, as a flame graph
    Profile(profile::Options),
    /// What makes the memory of workers grow
    Memory(memory::Options),
    /// Log at this level until a reload or a restart
    LogLevel {
        /// debug, info, warning, error or critical
        level: String,
    },
    /// Ask balancers to send no more clients, or (off) to send them again
    Drain {
        #[arg(value_parser = ["on", "off"], default_value = "on")]
        what: String,
    },
    /// Add or remove workers, of which at least one stays, or let one end
    Worker {
        #[arg(value_parser = ["add", "remove", "kill"])]
        what: String,
        /// How many; for `kill`, the worker's process id
        #[arg(value_parser = values::whole_number)]
        number: Option<i64>,
    },
    /// Read the settings again, and replace the workers
    Reload,
    /// Open the log files again
    Reopen,
    /// End the server
    Shutdown {
        #[arg(value_parser = ["graceful", "quick"], default_value = "graceful")]
        how: String,
    },
    /// Facts about the server, in Gunicorn's form
    Show {
        #[arg(value_parser = ["all", "workers", "dirty", "config", "stats", "listeners"])]
        what: String,
    },
}

/// Does what the options ask for.
///
/// # Errors
/// One sentence: there is no server, there are several, or it refuses.
pub fn run(options: &Options) -> Result<ExitCode> {
    let server = match find::server(options.pid, options.socket.as_deref())? {
        find::Found::One(server) => server,
        find::Found::Several(servers) if options.command.is_none() => {
            find::list(servers, options.json)?;
            return Ok(ExitCode::SUCCESS);
        }
        find::Found::Several(servers) => {
            let pids: Vec<_> = servers.iter().map(|it| it.pid.to_string()).collect();
            bail!(
                "There are several servers, with the process ids {}; name one with --pid",
                pids.join(", ")
            );
        }
    };
    let command = options.command.as_ref().unwrap_or(&Command::Status);
    if *command == Command::Top {
        return top::run(server, options.socket.as_deref());
    }
    let mut client = server.client;
    let done = match command {
        Command::Status | Command::Top => return status::print(&mut client, options.json),
        Command::Stacks { worker } => return stacks::print(&mut client, *worker, options.json),
        Command::Profile(own) => return profile::run(&mut client, own, options.json),
        Command::Memory(own) => return memory::run(&mut client, own, options.json),
        Command::LogLevel { level } => client.ask("log-level", &[level], SOON)?,
        Command::Drain { what } => client.ask("drain", &[what], SOON)?,
        Command::Worker { what, number } => {
            let number = number.map(|number| number.to_string());
            let args = [Some(what.as_str()), number.as_deref()];
            let args: Vec<_> = args.into_iter().flatten().collect();
            client.ask("worker", &args, SOON)?
        }
        Command::Reload => client.ask("reload", &[], SOON)?,
        Command::Reopen => client.ask("reopen", &[], SOON)?,
        Command::Shutdown { how } => client.ask("shutdown", &[how], SOON)?,
        Command::Show { what } => {
            let data = client.ask("show", &[what], SOON)?;
            output::json(&data)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    print_done(command, &done, options.json)
}

/// Prints what was done.
fn print_done(command: &Command, done: &Value, json: bool) -> Result<ExitCode> {
    if json {
        output::json(done)?;
    } else if done["success"] == false {
        bail!("{}", done["error"].as_str().unwrap_or("it was refused"))
    } else {
        output::line(said(command, done))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What was done, as a sentence.
fn said(command: &Command, done: &Value) -> String {
    match command {
        Command::LogLevel { level } => {
            format!("The server logs at '{level}' until a reload or a restart.")
        }
        Command::Drain { what } if what == "off" => {
            "/ready and health_path say again that the server is ready.".to_owned()
        }
        Command::Drain { .. } => {
            "/ready and health_path answer 503 from now on; the server goes on serving.".to_owned()
        }
        Command::Worker { what, number } if what == "kill" => format!(
            "Worker {} finishes its requests and ends; another takes its place.",
            number.unwrap_or_default()
        ),
        Command::Worker { number, .. } => {
            let are_to_be = match done["total"].as_u64().unwrap_or_default() {
                1 => "There is to be 1 worker".to_owned(),
                total => format!("There are to be {total} workers"),
            };
            let wanted = number.unwrap_or(1);
            match done["removed"].as_i64() {
                Some(removed) if removed < wanted => format!("{are_to_be}: at least one stays."),
                _ => format!("{are_to_be}."),
            }
        }
        Command::Reload => "The settings are read again; see the log.".to_owned(),
        Command::Reopen => "The log files are opened again.".to_owned(),
        Command::Shutdown { .. } => match done["drain_delay"].as_f64() {
            Some(delay) if delay > 0.0 => {
                format!("The server drains for {delay} s, and then ends.")
            }
            _ => "The server ends.".to_owned(),
        },
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_done_is_said() {
        let worker = |what: &str, number| Command::Worker {
            what: what.to_owned(),
            number,
        };
        let shutdown = Command::Shutdown {
            how: "graceful".to_owned(),
        };
        for (command, done, sentence) in [
            (
                worker("add", None),
                json!({"added": 1, "total": 2}),
                "There are to be 2 workers.",
            ),
            (
                worker("remove", Some(2)),
                json!({"removed": 2, "total": 1}),
                "There is to be 1 worker.",
            ),
            (
                worker("remove", None),
                json!({"removed": 0, "total": 1}),
                "There is to be 1 worker: at least one stays.",
            ),
            (shutdown, json!({}), "The server ends."),
            (
                Command::Shutdown {
                    how: "graceful".to_owned(),
                },
                json!({"drain_delay": 5}),
                "The server drains for 5 s, and then ends.",
            ),
        ] {
            assert_eq!(said(&command, &done), sentence);
        }
    }
}
