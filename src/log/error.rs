//! The error log: the `log` crate's records as Gunicorn's lines.

use std::ffi::OsStr;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use ::log::{Level, LevelFilter, Metadata, Record};

use super::clock::{LocalTime, Timestamp};
use super::destination::Destination;
use super::json;
use super::recent;
use super::sink;
use super::statsd::{Metric, Statsd};
use super::syslog::{Severity, Syslog};

/// The log target that makes an error critical.
const CRITICAL: &str = "critical";

/// An open error log.
#[derive(Debug)]
pub struct ErrorLog {
    output: Destination,
    level: RwLock<String>,
    critical_only: AtomicBool,
    json: bool,
    syslog: Option<Syslog>,
    statsd: Option<Arc<Statsd>>,
}

impl ErrorLog {
    /// Opens a log that goes to a file, or to standard error for `-`. Its lines
    /// have Gunicorn's form, or are JSON.
    ///
    /// `level` is Gunicorn's `loglevel`; an unknown one counts as `info`.
    ///
    /// # Errors
    /// The file cannot be opened; the error names it.
    pub fn open(path: &OsStr, level: &str, json: bool) -> io::Result<Self> {
        let output = match path == "-" {
            true => Destination::Stderr(io::stderr()),
            false => Destination::append_to(path.as_ref())?,
        };
        Ok(Self {
            output,
            level: RwLock::new(level.to_owned()),
            critical_only: AtomicBool::new(level.eq_ignore_ascii_case(CRITICAL)),
            json,
            syslog: None,
            statsd: None,
        })
    }

    /// The same log, which also goes to a syslog daemon.
    pub fn with_syslog(self, syslog: Option<Syslog>) -> Self {
        Self { syslog, ..self }
    }

    /// The same log, whose errors and warnings are also counted in statsd.
    pub fn with_statsd(self, statsd: Option<Arc<Statsd>>) -> Self {
        Self { statsd, ..self }
    }

    /// Gunicorn's `loglevel`: the lowest level that is logged.
    pub fn level(&self) -> String {
        let level = self.level.read();
        level.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs from now on what this `loglevel` lets through.
    pub fn set_level(&self, level: &str) {
        let is_critical = level.eq_ignore_ascii_case(CRITICAL);
        self.critical_only.store(is_critical, Ordering::Relaxed);
        level.clone_into(&mut self.level.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// True if records of this kind are logged. Records of libraries are not.
    pub fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == CRITICAL
            || (is_ours(metadata) && !self.critical_only.load(Ordering::Relaxed))
    }

    /// Writes the record's line at once.
    pub fn write(&self, record: &Record<'_>) {
        let message = record.args().to_string();
        let (level, severity) = level(record);
        recent::keep(|| gunicorns(level, &message));
        if !sink::take_error(number(severity), &message) {
            self.write_line(level, severity, &message, None);
        }
        self.count(level, severity, &message);
    }

    /// Writes a record that does not come from the `log` crate. Its level has
    /// the number of Python's `logging`. If `line` is given, it is written in
    /// place of Gunicorn's line.
    pub fn write_straight(&self, level: i32, message: &str, line: Option<&str>) {
        let (level, severity) = match level {
            50.. => ("CRITICAL", Severity::Critical),
            40.. => ("ERROR", Severity::Error),
            30.. => ("WARNING", Severity::Warning),
            20.. => ("INFO", Severity::Info),
            _ => ("DEBUG", Severity::Debug),
        };
        self.write_line(level, severity, message, line);
        // A sink's record was kept and counted before.
        if !sink::is_under_way() {
            recent::keep(|| gunicorns(level, message));
            self.count(level, severity, message);
        }
    }

    /// Writes text unchanged, or as the message of a line if the lines are
    /// JSON.
    pub fn write_raw(&self, text: &str) {
        recent::keep(|| text.to_owned());
        if self.json {
            self.write_line("ERROR", Severity::Error, text.trim_end_matches('\n'), None);
        } else {
            self.output.write_lines(text.as_bytes());
        }
    }

    fn count(&self, level: &str, severity: Severity, message: &str) {
        if let Some(statsd) = &self.statsd
            && severity <= Severity::Warning
        {
            let kind = if message.contains(TRACEBACK) {
                "exception"
            } else {
                level
            };
            let name = format!("gunicorn.log.{}", kind.to_ascii_lowercase());
            statsd.tell(Metric::Counter, &name, &1);
        }
    }

    fn write_line(&self, level: &str, severity: Severity, message: &str, line: Option<&str>) {
        let line = if let Some(line) = line {
            line.as_bytes().to_vec()
        } else if self.json {
            json::error_line(level, message, &Timestamp::now())
        } else {
            gunicorns(level, message).into_bytes()
        };
        self.output.write_lines(&line);
        if let Some(syslog) = &self.syslog {
            let text = if self.json {
                line.trim_ascii_end()
            } else {
                message.as_bytes()
            };
            syslog.send(severity, text);
        }
    }

    pub fn reopen(&self) -> io::Result<()> {
        self.output.reopen()
    }

    /// Redirects the process's standard streams to the file of this log.
    pub fn capture_standard_streams(&self) -> io::Result<()> {
        self.output.capture_standard_streams()
    }
}

/// Calls `to` with the line of a record, if it is an error of this program.
pub fn echo(record: &Record<'_>, to: fn(&str)) {
    let metadata = record.metadata();
    if record.level() == Level::Error && (metadata.target() == CRITICAL || is_ours(metadata)) {
        to(&gunicorns(level(record).0, &record.args().to_string()));
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

/// The text by which an exception is recognised.
const TRACEBACK: &str = "Traceback (most recent call last):";

/// The number of a level in Python's `logging`.
fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 50,
        Severity::Error => 40,
        Severity::Warning => 30,
        Severity::Info => 20,
        Severity::Debug => 10,
    }
}

/// The records that a level of Python's `logging` lets through.
pub fn filter(level: i32) -> LevelFilter {
    match level {
        60.. => LevelFilter::Off,
        40.. => LevelFilter::Error,
        30.. => LevelFilter::Warn,
        20.. => LevelFilter::Info,
        _ => LevelFilter::Debug,
    }
}

/// The records that a `loglevel` lets through; nothing if there is no such
/// level.
pub fn threshold(level: &str) -> Option<LevelFilter> {
    Some(match level.to_ascii_lowercase().as_str() {
        "debug" => LevelFilter::Debug,
        "info" => LevelFilter::Info,
        "warning" => LevelFilter::Warn,
        "error" | CRITICAL => LevelFilter::Error,
        _ => return None,
    })
}

/// A line in Gunicorn's form, `[2026-11-23 02:49:20 +0000] [pid] [INFO]
/// message`.
fn gunicorns(level: &str, message: &str) -> String {
    let time = LocalTime::now();
    let pid = process::id();
    format!("{} [{pid}] [{level}] {message}\n", time.error_log())
}

/// The name of the record's level in Python, and its severity for syslog.
fn level(record: &Record<'_>) -> (&'static str, Severity) {
    match record.level() {
        Level::Error if record.target() == CRITICAL => ("CRITICAL", Severity::Critical),
        Level::Error => ("ERROR", Severity::Error),
        Level::Warn => ("WARNING", Severity::Warning),
        Level::Info => ("INFO", Severity::Info),
        Level::Debug | Level::Trace => ("DEBUG", Severity::Debug),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(target: &'a str, level: Level) -> ::log::RecordBuilder<'a> {
        let mut builder = Record::builder();
        builder.target(target).level(level);
        builder
    }

    #[test]
    fn a_line_is_gunicorns() {
        let line = gunicorns("WARNING", "Two\nlines");
        let (time, rest) = line.split_at("[2026-11-23 02:49:20 +0000]".len());
        assert!(time.starts_with('[') && time.ends_with(']'), "{line}");
        assert_eq!(rest, format!(" [{}] [WARNING] Two\nlines\n", process::id()));
    }

    #[test]
    fn critical_is_a_target() {
        let critical = record(CRITICAL, Level::Error).build();
        assert_eq!(level(&critical), ("CRITICAL", Severity::Critical));
        let quiet = ErrorLog::open("-".as_ref(), "Critical", false).unwrap();
        assert!(quiet.enabled(critical.metadata()));
        assert!(!quiet.enabled(record("rgunicorn", Level::Error).build().metadata()));
    }

    #[test]
    fn libraries_are_not_logged() {
        let log = ErrorLog::open("-".as_ref(), "debug", false).unwrap();
        assert!(log.enabled(record("rgunicorn::net", Level::Info).build().metadata()));
        assert!(!log.enabled(record("rgunicornish", Level::Error).build().metadata()));
        assert!(!log.enabled(record("zip::read", Level::Error).build().metadata()));
    }

    #[test]
    fn the_levels_are_gunicorns() {
        assert_eq!(threshold("WARNING"), Some(LevelFilter::Warn));
        assert_eq!(threshold("critical"), Some(LevelFilter::Error));
        assert_eq!(threshold("verbose"), None);
    }
}
