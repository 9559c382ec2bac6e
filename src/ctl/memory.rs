//! `ctl memory`: what makes the memory of workers grow.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

use super::client::Client;
use super::output::{self, line, signed_bytes as size, table};
use super::values;

/// How long the looks may take in addition to the time between them.
const MORE_TIME: u64 = 70;

/// The options of `ctl memory`.
#[derive(Args, Debug, PartialEq)]
pub struct Options {
    /// The process id of a worker; without it, all workers
    #[arg(value_parser = values::process_id)]
    worker: Option<i32>,

    /// The time between the two looks that are compared
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = values::seconds)]
    seconds: u64,
}

/// Compares two looks at the memory, and prints what has grown.
///
/// # Errors
/// No worker answers, or the output is closed.
pub fn run(client: &mut Client, options: &Options, json: bool) -> Result<ExitCode> {
    let worker = values::one_or_all(options.worker);
    let seconds = options.seconds.to_string();
    let longest = Duration::from_secs(options.seconds + MORE_TIME);
    let answer = client.ask("memory", &[&worker, &seconds], longest)?;
    if json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    for (pid, memory) in output::workers(&answer)? {
        let [before, after] = ["rss_before", "rss_after"].map(|it| number(&memory[it]));
        line(format!(
            "Worker {pid}: {} before, {} after {} s",
            size(before),
            size(after),
            options.seconds
        ))?;
        line("")?;
        table(&allocations(&memory))?;
        line("")?;
        table(&types(&memory))?;
        line("")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn allocations(memory: &Value) -> Vec<[String; 4]> {
    let mut rows = vec![["GREW BY", "BLOCKS", "NOW", "ALLOCATED AT"].map(str::to_owned)];
    for it in memory["allocations"].as_array().into_iter().flatten() {
        rows.push([
            size(number(&it["size_diff"])),
            number(&it["count_diff"]).to_string(),
            size(number(&it["size"])),
            it["where"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    rows
}

fn types(memory: &Value) -> Vec<[String; 3]> {
    let mut rows = vec![["MORE", "NOW", "TYPE OF OBJECTS"].map(str::to_owned)];
    for it in memory["types"].as_array().into_iter().flatten() {
        let (before, after) = (number(&it["before"]), number(&it["after"]));
        rows.push([
            (after - before).to_string(),
            after.to_string(),
            it["type"].as_str().unwrap_or_default().to_owned(),
        ]);
    }
    rows
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}
