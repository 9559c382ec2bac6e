//! `ctl stacks`: what the threads, tasks and greenlets of workers are doing.

use std::process::ExitCode;

use anyhow::Result;

use super::client::{Client, SOON};
use super::output::{self, line};

/// Prints the stacks of one worker, or of all.
///
/// # Errors
/// No worker answers, or the output is closed.
pub fn print(client: &mut Client, worker: Option<i32>, json: bool) -> Result<ExitCode> {
    let worker = worker.map(|pid| pid.to_string());
    let args: Vec<_> = worker.as_deref().into_iter().collect();
    let answer = client.ask("stacks", &args, SOON)?;
    if json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (pid, stacks) in output::workers(&answer)? {
        line(format!("Worker {pid}"))?;
        line(stacks["text"].as_str().unwrap_or_default())?;
    }
    Ok(ExitCode::SUCCESS)
}
