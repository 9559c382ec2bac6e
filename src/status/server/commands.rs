//! The commands of the control socket: Gunicorn's, and our own.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::control::Request;
use crate::log;
use crate::status::order::{Order, Orders};
use crate::status::report::WorkerState;
use crate::status::view::View;

/// How long workers may take for an answer that is at hand.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// How long they may take in addition to the time that they were asked to look.
const MORE_TIME: Duration = Duration::from_secs(10);

/// The longest time for which a worker is looked at, in seconds.
const LONGEST: u64 = 300;

/// What each command does.
const HELP: [(&str, &str); 20] = [
    ("show all", "The master and its workers"),
    ("show workers", "The workers"),
    ("show dirty", "Dirty workers; there are none"),
    ("show config", "The settings, without secrets"),
    ("show stats", "Numbers about the server"),
    ("show listeners", "The sockets that listen"),
    ("worker add [N]", "Have N workers more"),
    ("worker remove [N]", "Have N workers fewer, at least one"),
    (
        "worker kill PID",
        "Let a worker finish its requests and end",
    ),
    (
        "reload",
        "Read the settings again and replace the workers (HUP)",
    ),
    ("reopen", "Open the log files again (USR1)"),
    ("shutdown [graceful|quick]", "End the server (TERM, INT)"),
    ("status", "All that is known of the server"),
    (
        "stacks [PID]",
        "What the threads and tasks of workers are doing",
    ),
    (
        "profile PID|all SECONDS [HZ] [PATH]",
        "Where workers spend their time",
    ),
    (
        "memory PID|all SECONDS",
        "What makes the memory of workers grow",
    ),
    ("log-level LEVEL", "Log at this level from now on"),
    ("drain", "Ask balancers to send no more clients"),
    ("drain off", "Ask balancers to send clients again"),
    ("help", "This list"),
];

/// What follows from a command.
#[derive(Debug)]
pub enum Outcome {
    /// The reply: data, or a sentence that says what is wrong.
    Now(Result<Value, String>),
    /// Workers must be asked.
    Ask(Question),
}

/// A question to workers.
#[derive(Debug)]
pub struct Question {
    pub pids: Vec<i32>,
    pub command: &'static str,
    pub args: Vec<String>,
    pub limit: Duration,
}

/// Does what a command says.
pub fn run(request: &Request, view: &View, config: &Value, orders: &mut Orders) -> Outcome {
    let words = request.command.split_ascii_whitespace().map(str::to_owned);
    let args = (0..request.args.len()).filter_map(|place| request.arg(place));
    let words: Vec<String> = words.chain(args).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let now = match words[..] {
        ["show", "all"] => Ok(show_all(view)),
        ["show", "workers"] => Ok(show_workers(view)),
        ["show", "dirty"] => Ok(json!({
            "enabled": false, "pid": null, "workers": [], "apps": [],
        })),
        ["show", "config"] => Ok(config.clone()),
        ["show", "stats"] => Ok(show_stats(view)),
        ["show", "listeners"] => Ok(show_listeners(view)),
        ["show", ..] => {
            Err("'show' needs one of: all, workers, dirty, config, stats, listeners".to_owned())
        }
        ["worker", "add" | "remove" | "kill", ..] if view.facts.is_ending() => ends_soon(),
        ["worker", "add", ref rest @ ..] => count(rest).map(|count| add(view, orders, count)),
        ["worker", "remove", ref rest @ ..] => count(rest).map(|count| remove(view, orders, count)),
        ["worker", "kill", pid] => number(pid).map(|pid| end_worker(view, orders, pid)),
        ["worker", ..] => Err("'worker' needs 'add [N]', 'remove [N]' or 'kill PID'".to_owned()),
        ["dirty", ..] => Ok(json!({
            "success": false, "error": "there are no dirty workers in this server",
        })),
        ["reload"] => signal(Signal::SIGHUP).map(|()| json!({"status": "reloading"})),
        ["reopen"] => signal(Signal::SIGUSR1).map(|()| json!({"status": "reopening"})),
        ["shutdown"] | ["shutdown", "graceful"] => shut_down(view, Signal::SIGTERM, "graceful"),
        ["shutdown", "quick"] => shut_down(view, Signal::SIGINT, "quick"),
        ["shutdown", ..] => Err("'shutdown' may be 'graceful' or 'quick'".to_owned()),
        ["status"] => serde_json::to_value(view.report()).map_err(|error| error.to_string()),
        ["log-level"] => Err("'log-level' needs a level, such as debug or info".to_owned()),
        ["drain"] | ["drain", "on"] => drain(view, orders, true),
        ["drain", "off"] => drain(view, orders, false),
        ["help"] => Ok(json!({
            "commands": HELP.into_iter().collect::<BTreeMap<_, _>>(),
        })),
        ["log-level", level] => return set_log_level(view, orders, level),
        ["stacks", ref rest @ ..] => return ask_stacks(view, rest),
        ["profile", ref rest @ ..] => return ask_profile(view, rest),
        ["memory", ref rest @ ..] => return ask_memory(view, rest),
        [] => Err("there is no command in this message".to_owned()),
        [unknown, ..] => Err(format!("there is no command '{unknown}'; see 'help'")),
    };
    Outcome::Now(now)
}

/// Asks for the stacks of these workers.
pub fn stacks(pids: Vec<i32>) -> Question {
    Question {
        pids,
        command: "stacks",
        args: Vec::new(),
        limit: ANSWER_TIME,
    }
}

/// Asks for this many workers more, or fewer: then at least one stays. Gives how
/// many there were, and will be.
pub fn change_workers(view: &View, orders: &mut Orders, more: i64) -> (usize, usize) {
    let before = orders.target(view.facts.target);
    let changed = before.saturating_add_signed(more as isize);
    let after = if more < 0 { changed.max(1) } else { changed };
    orders.give(Order::SetWorkers(after));
    (before, after)
}

/// Sends a signal to the master.
pub fn signal(signal: Signal) -> Result<(), String> {
    kill(Pid::this(), signal).map_err(|error| error.to_string())
}

fn shut_down(view: &View, how: Signal, mode: &str) -> Result<Value, String> {
    let drains = how == Signal::SIGTERM && !view.facts.is_ending();
    let delay = if drains { view.facts.drain_delay } else { 0 };
    let done = json!({"status": "shutting_down", "mode": mode, "drain_delay": delay});
    signal(how).map(|()| done)
}

fn drain(view: &View, orders: &mut Orders, is_wanted: bool) -> Result<Value, String> {
    if view.facts.is_ending() {
        return ends_soon();
    }
    orders.give(Order::Drain(is_wanted));
    Ok(json!({ "draining": is_wanted }))
}

fn ends_soon() -> Result<Value, String> {
    Err("the server was told to end, and changes no more".to_owned())
}

fn set_log_level(view: &View, orders: &mut Orders, level: &str) -> Outcome {
    let level = level.to_ascii_lowercase();
    if let Err(unknown) = log::check_level(&level) {
        return Outcome::Now(Err(unknown.to_string()));
    }
    // Workers that are started later have the master's level.
    orders.give(Order::SetLogLevel(level.clone()));
    Outcome::Ask(Question {
        pids: all(view),
        command: "log-level",
        args: vec![level],
        limit: ANSWER_TIME,
    })
}

fn show_workers(view: &View) -> Value {
    let workers = workers(view);
    json!({"count": workers.len(), "workers": workers})
}

fn workers(view: &View) -> Vec<Value> {
    let report = view.report().workers.into_iter();
    let workers = report.map(|worker| {
        json!({
            "pid": worker.process.pid,
            "age": worker.age,
            "booted": worker.state != WorkerState::Booting,
            "aborted": false,
            "last_heartbeat": worker.silent.map(rounded),
            "state": worker.state,
            "requests": worker.counters.all_requests(),
        })
    });
    workers.collect()
}

fn show_all(view: &View) -> Value {
    let workers = workers(view);
    json!({
        "arbiter": {"pid": Pid::this().as_raw(), "type": "arbiter", "role": "master"},
        "web_worker_count": workers.len(),
        "web_workers": workers,
        "dirty_arbiter": null,
        "dirty_workers": [],
        "dirty_worker_count": 0,
    })
}

fn show_stats(view: &View) -> Value {
    let report = view.report();
    json!({
        "uptime": rounded(report.uptime),
        "pid": report.master.pid,
        "workers_current": report.workers.len(),
        "workers_target": report.target,
        "workers_spawned": report.workers_started,
        "workers_killed": report.workers_ended.values().sum::<u64>(),
        "reloads": report.reloads,
        "dirty_arbiter_pid": null,
        "requests": report.totals.all_requests(),
    })
}

fn show_listeners(view: &View) -> Value {
    let listeners = view.facts.listeners.iter().map(|(url, descriptor)| {
        let kind = match url {
            url if url.starts_with("unix:") => "unix",
            url if url.contains("://[") => "tcp6",
            _ => "tcp",
        };
        json!({"address": url, "fd": descriptor, "type": kind})
    });
    let listeners: Vec<_> = listeners.collect();
    json!({"count": listeners.len(), "listeners": listeners})
}

fn add(view: &View, orders: &mut Orders, count: usize) -> Value {
    let (before, after) = change_workers(view, orders, count as i64);
    json!({"added": after - before, "previous": before, "total": after})
}

fn remove(view: &View, orders: &mut Orders, count: usize) -> Value {
    let (before, after) = change_workers(view, orders, -(count as i64));
    json!({"removed": before.saturating_sub(after), "previous": before, "total": after})
}

fn end_worker(view: &View, orders: &mut Orders, pid: i32) -> Value {
    if view.worker(pid).is_none() {
        return json!({"success": false, "error": no_worker(pid)});
    }
    orders.give(Order::EndWorker(pid));
    json!({"success": true, "killed": pid})
}

fn ask_stacks(view: &View, rest: &[&str]) -> Outcome {
    match pids(view, rest.first().copied().unwrap_or("all")) {
        Ok(pids) => Outcome::Ask(stacks(pids)),
        Err(why) => Outcome::Now(Err(why)),
    }
}

fn ask_profile(view: &View, rest: &[&str]) -> Outcome {
    let question = || {
        let (pids, seconds, rest) = time(view, rest, "profile PID|all SECONDS [HZ] [PATH]")?;
        let hz = rest.first().copied().unwrap_or("100");
        let hz: u64 = number(hz)?;
        if !(1..=1000).contains(&hz) {
            return Err(format!("{hz} times a second is not between 1 and 1000"));
        }
        let path = rest.get(1).map(|path| (*path).to_owned());
        let args = [seconds.to_string(), hz.to_string()];
        Ok(Question {
            pids,
            command: "profile",
            args: args.into_iter().chain(path).collect(),
            limit: Duration::from_secs(seconds) + MORE_TIME,
        })
    };
    outcome(question())
}

fn ask_memory(view: &View, rest: &[&str]) -> Outcome {
    let question = || {
        let (pids, seconds, _) = time(view, rest, "memory PID|all SECONDS")?;
        Ok(Question {
            pids,
            command: "memory",
            args: vec![seconds.to_string()],
            // Both looks go through all objects.
            limit: Duration::from_secs(seconds) + 6 * MORE_TIME,
        })
    };
    outcome(question())
}

fn outcome(question: Result<Question, String>) -> Outcome {
    match question {
        Ok(question) => Outcome::Ask(question),
        Err(why) => Outcome::Now(Err(why)),
    }
}

/// The workers and the seconds of a command, and what follows them.
fn time<'a>(
    view: &View,
    words: &'a [&'a str],
    usage: &str,
) -> Result<(Vec<i32>, u64, &'a [&'a str]), String> {
    let [who, seconds, rest @ ..] = words else {
        return Err(format!("the command is: {usage}"));
    };
    let seconds: u64 = number(seconds)?;
    if !(1..=LONGEST).contains(&seconds) {
        return Err(format!("{seconds} seconds are not between 1 and {LONGEST}"));
    }
    Ok((pids(view, who)?, seconds, rest))
}

/// The process ids of one worker, or of all.
fn pids(view: &View, who: &str) -> Result<Vec<i32>, String> {
    if who == "all" {
        return Ok(all(view));
    }
    let pid = number(who)?;
    match view.worker(pid) {
        Some(_) => Ok(vec![pid]),
        None => Err(no_worker(pid)),
    }
}

fn all(view: &View) -> Vec<i32> {
    view.workers().iter().map(|worker| worker.pid).collect()
}

fn no_worker(pid: i32) -> String {
    format!("there is no worker with the process id {pid}")
}

fn count(words: &[&str]) -> Result<usize, String> {
    match words {
        [] => Ok(1),
        [count] => match number::<usize>(count)? {
            count @ 1..=1024 => Ok(count),
            count => Err(format!("{count} workers are not between 1 and 1024")),
        },
        _ => Err("one number of workers is enough".to_owned()),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    let number = text.parse();
    number.map_err(|_| format!("'{text}' is not a whole number that fits here"))
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}
