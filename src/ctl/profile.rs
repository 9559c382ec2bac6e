//! `ctl profile`: where workers spend their time.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use inferno::flamegraph;
use serde_json::{Value, json};

use super::client::Client;
use super::output::{self, line};
use super::values;

/// How long the answer may take in addition to the time of the samples.
const MORE_TIME: u64 = 20;

/// The options of `ctl profile`.
#[derive(Args, Debug, PartialEq)]
pub struct Options {
    /// The process id of a worker; without it, all workers
    #[arg(value_parser = values::process_id)]
    worker: Option<i32>,

    /// For how long samples are taken
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = values::seconds)]
    seconds: u64,

    /// How many samples are taken each second
    #[arg(long, value_name = "NUMBER", default_value_t = 100,
          value_parser = values::rate)]
    rate: u64,

    /// Only requests whose path begins with this
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// The file to write: a flame graph (.svg), collapsed stacks (.txt) or a
    /// profile for speedscope (.json); without it, collapsed stacks are printed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Takes samples, and writes them.
///
/// # Errors
/// No worker answers, or the file cannot be written.
pub fn run(client: &mut Client, options: &Options, json: bool) -> Result<ExitCode> {
    let form = Form::of(options)?;
    if let Some(path) = &options.output {
        try_to_write(path).with_context(|| cannot_be_written(path))?;
    }
    let worker = values::one_or_all(options.worker);
    let (seconds, rate) = (options.seconds.to_string(), options.rate.to_string());
    let mut args = vec![&*worker, &*seconds, &*rate];
    args.extend(options.path.as_deref());
    let longest = Duration::from_secs(options.seconds + MORE_TIME);
    if options.output.is_some() {
        eprintln!("Samples are taken for {seconds} s.");
    }
    let answer = client.ask("profile", &args, longest)?;
    if json && options.output.is_none() {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut stacks = BTreeMap::new();
    for (pid, profile) in output::workers(&answer)? {
        let samples = &profile["samples"];
        eprintln!("Worker {pid}: {samples} samples");
        if let Some(note) = profile["note"].as_str() {
            eprintln!("Worker {pid}: {note}");
        }
        for (stack, count) in profile["stacks"].as_object().into_iter().flatten() {
            *stacks.entry(stack.clone()).or_insert(0) += count.as_u64().unwrap_or_default();
        }
    }
    if stacks.is_empty() {
        bail!(
            "No sample was at work; the workers were idle{}",
            match &options.path {
                Some(path) => format!(", or no request had a path that begins with '{path}'"),
                None => String::new(),
            }
        );
    }
    let text = form.render(&stacks, options)?;
    match &options.output {
        Some(path) => {
            fs::write(path, text).with_context(|| cannot_be_written(path))?;
            line(format!("Written to {}", path.display()))?;
        }
        None => line(String::from_utf8_lossy(&text).trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Finds out whether a file can be written, before samples are taken for nothing.
/// A file that was not there is not there afterwards: there may be no samples.
///
/// # Errors
/// It cannot be written.
fn try_to_write(path: &Path) -> io::Result<()> {
    match File::create_new(path) {
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).open(path).map(drop)
        }
        Err(error) => Err(error),
    }
}

fn cannot_be_written(path: &Path) -> String {
    format!("'{}' cannot be written", path.display())
}

/// The form of a profile.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    FlameGraph,
    Collapsed,
    Speedscope,
}

impl Form {
    /// By the ending of the file's name.
    fn of(options: &Options) -> Result<Self> {
        let Some(path) = &options.output else {
            return Ok(Self::Collapsed);
        };
        let ending = path
            .extension()
            .map(|it| it.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("svg") => Ok(Self::FlameGraph),
            Some("txt" | "collapsed" | "folded") => Ok(Self::Collapsed),
            Some("json") => Ok(Self::Speedscope),
            _ => bail!(
                "'{}' does not say which form is wanted; let its name end in .svg, .txt or .json",
                path.display()
            ),
        }
    }

    fn render(self, stacks: &BTreeMap<String, u64>, options: &Options) -> Result<Vec<u8>> {
        let lines: Vec<_> = stacks
            .iter()
            .map(|(stack, count)| format!("{stack} {count}"))
            .collect();
        match self {
            Self::FlameGraph => {
                let mut graph = flamegraph::Options::default();
                graph.title = title(options);
                graph.count_name = "samples".to_owned();
                let mut svg = Vec::new();
                let lines = lines.iter().map(String::as_str);
                flamegraph::from_lines(&mut graph, lines, &mut svg)
                    .context("The flame graph cannot be drawn")?;
                Ok(svg)
            }
            Self::Collapsed => Ok((lines.join("\n") + "\n").into_bytes()),
            Self::Speedscope => Ok(serde_json::to_vec(&speedscope(stacks, options))?),
        }
    }
}

fn title(options: &Options) -> String {
    let whose = match options.worker {
        Some(pid) => format!("worker {pid}"),
        None => "all workers".to_owned(),
    };
    let path = options.path.iter().map(|path| format!(", {path}"));
    let path: String = path.collect();
    format!("{whose}, {} s{path}", options.seconds)
}

/// A profile in speedscope's file format.
fn speedscope(stacks: &BTreeMap<String, u64>, options: &Options) -> Value {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut frames = Vec::new();
    let mut samples = Vec::new();
    for stack in stacks.keys() {
        let sample = stack.split(';').map(|frame| {
            *numbers.entry(frame).or_insert_with(|| {
                frames.push(json!({ "name": frame }));
                frames.len() - 1
            })
        });
        samples.push(sample.collect::<Vec<_>>());
    }
    let weights: Vec<_> = stacks.values().collect();
    json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "exporter": concat!("rgunicorn ", env!("CARGO_PKG_VERSION")),
        "name": title(options),
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": [{
            "type": "sampled",
            "name": title(options),
            "unit": "none",
            "startValue": 0,
            "endValue": stacks.values().sum::<u64>(),
            "samples": samples,
            "weights": weights,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(output: &str) -> Options {
        Options {
            worker: None,
            seconds: 10,
            rate: 100,
            path: None,
            output: Some(output.into()),
        }
    }

    fn render(output: &str) -> String {
        let stacks = [("main (a.py:1);slow (a.py:9)", 7), ("main (a.py:1)", 1)];
        let stacks = stacks
            .map(|(stack, count)| (stack.to_owned(), count))
            .into();
        let options = options(output);
        let form = Form::of(&options).unwrap();
        String::from_utf8(form.render(&stacks, &options).unwrap()).unwrap()
    }

    #[test]
    fn the_ending_of_the_name_decides_the_form() {
        let svg = render("a.svg");
        assert!(
            svg.contains("<svg") && svg.contains("slow (a.py:9)"),
            "{svg}"
        );
        assert!(
            !svg.contains("http://") || !svg.contains("<script src"),
            "{svg}"
        );
        assert_eq!(
            render("a.txt"),
            "main (a.py:1) 1\nmain (a.py:1);slow (a.py:9) 7\n"
        );
        let profile: Value = serde_json::from_str(&render("a.json")).unwrap();
        assert_eq!(profile["shared"]["frames"][1]["name"], "slow (a.py:9)");
        let sampled = &profile["profiles"][0];
        assert_eq!(sampled["samples"], json!([[0], [0, 1]]));
        assert_eq!(
            (&sampled["weights"], &sampled["endValue"]),
            (&json!([1, 7]), &json!(8))
        );
        assert!(Form::of(&options("flame")).is_err());
    }

    #[test]
    fn a_file_is_tried_without_a_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.svg");
        try_to_write(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "earlier").unwrap();
        try_to_write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "earlier");
        assert!(try_to_write(&folder.path().join("no/a.svg")).is_err());
    }
}
