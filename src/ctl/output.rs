//! What is printed.

use std::io::{self, Write};

use anyhow::{Context, Result};
use serde_json::Value;

/// Prints a line. Its text may come from a stranger who has taken the name of a
/// server: characters that would steer the terminal are replaced.
///
/// # Errors
/// The output is closed, other than by a pager that the user has left.
pub fn line(text: impl AsRef<str>) -> Result<()> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let text = text.as_ref().replace(steers, "\u{fffd}");
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("The output is closed"),
    }
}

/// Prints data.
///
/// # Errors
/// As [`line`].
pub fn json(data: &Value) -> Result<()> {
    line(format!("{data:#}"))
}

/// Prints rows, of which the first is the head. The columns are as wide as their
/// texts; numbers are at the right.
///
/// # Errors
/// As [`line`].
pub fn table<const N: usize>(rows: &[[String; N]]) -> Result<()> {
    let width = |column: usize| {
        let texts = rows.iter().map(|row| row[column].chars().count());
        texts.max().unwrap_or(0)
    };
    let is_number = |column: usize| {
        let mut texts = rows.iter().skip(1).map(|row| &row[column]);
        let begins_with_digit = |text: &str| text.starts_with(|it: char| it.is_ascii_digit());
        let is_number = |text: &String| begins_with_digit(text.trim_start_matches('-'));
        rows.len() > 1 && texts.all(|text| is_number(text) || text == "-")
    };
    let columns: Vec<_> = (0..N).map(|it| (width(it), is_number(it))).collect();
    for row in rows {
        let mut text = String::new();
        for (cell, (width, is_number)) in row.iter().zip(&columns) {
            text += &match is_number {
                true => format!("{cell:>width$}  "),
                false => format!("{cell:<width$}  "),
            };
        }
        line(text.trim_end())?;
    }
    Ok(())
}

/// A number of bytes.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} B"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A number of bytes by which something has grown, or shrunk.
pub fn signed_bytes(size: i64) -> String {
    let sign = if size < 0 { "-" } else { "" };
    format!("{sign}{}", bytes(size.unsigned_abs()))
}

/// A time in seconds, with as many digits as matter.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        0.0..0.1 => format!("{:.1} ms", seconds * 1000.0),
        0.1..1.0 => format!("{:.0} ms", seconds * 1000.0),
        1.0..60.0 => format!("{seconds:.1} s"),
        _ => {
            let whole = seconds as u64;
            let (days, hours) = (whole / 86400, whole / 3600 % 24);
            let (minutes, seconds) = (whole / 60 % 60, whole % 60);
            match (days, hours) {
                (0, 0) => format!("{minutes} min {seconds:02} s"),
                (0, _) => format!("{hours} h {minutes:02} min"),
                _ => format!("{days} d {hours:02} h"),
            }
        }
    }
}

/// A word of a report, such as a state.
pub fn word(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// The workers of an answer: each process id with its data. What a worker could
/// not say is printed as an error. An error if no worker has said anything.
pub fn workers(answer: &Value) -> Result<Vec<(String, Value)>> {
    let mut said = Vec::new();
    let mut last = None;
    for (pid, data) in answer["workers"].as_object().into_iter().flatten() {
        match data["error"].as_str() {
            Some(why) => {
                let problem = format!("Worker {pid}: {why}");
                eprintln!("{problem}");
                last = Some(problem);
            }
            None => said.push((pid.clone(), data.clone())),
        }
    }
    match (said.is_empty(), last) {
        (true, Some(_)) => anyhow::bail!("No worker has answered"),
        (true, None) => anyhow::bail!("There is no worker"),
        _ => Ok(said),
    }
}
