//! The error log and the access log, in Gunicorn's formats.
//!
//! The whole program logs errors through the macros of the `log` crate.
//! [`install`] makes them write Gunicorn's lines, each one at once. Requests go
//! to the log that [`access`] gives.
//!
//! A process has one set of logs. [`install`] may be called again, for example
//! after a reload of the settings, and replaces them. Forked processes have a
//! copy.

#![forbid(unsafe_code)]

mod access;
mod clock;
mod destination;
mod dropped_body;
mod error;
mod escape;
mod format;
mod id_note;
mod json;
mod recent;
mod record;
mod sink;
mod statsd;
mod syslog;
mod text;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::sync::{Arc, Once, OnceLock, PoisonError, RwLock};

use ::log::LevelFilter;

pub use access::{AccessForm, AccessLog};
pub use dropped_body::dropped_body;
pub use format::AccessFormat;
pub use id_note::id_note;
pub use json::AccessFields;
pub use recent::{keep_recent, recent};
pub use record::{AccessDetails, AccessRecord, Field};
pub use sink::{Diverted, Sink, divert, go_straight, undivert, undivert_in};
pub use statsd::{Metric, StatsdAddress};
pub use syslog::SyslogAddress;

use error::ErrorLog;
use statsd::Statsd;
use syslog::Syslog;

/// The settings of the logs.
#[derive(Debug)]
pub struct LogOptions<'a> {
    /// The file of the error log, or `-` for standard error.
    pub error_file: &'a OsStr,
    /// Gunicorn's `loglevel`; an unknown one counts as `info` and causes a
    /// warning.
    pub level: &'a str,
    /// True if the lines of the error log are JSON.
    pub json: bool,
    /// True if the process's standard streams go to the file of the error log.
    pub capture_output: bool,
    /// The file of the access log, or `-` for standard output.
    pub access_file: Option<&'a OsStr>,
    /// The form of the access log's lines.
    pub access_form: AccessForm,
    /// True if a [`Sink`] will be installed. It gets requests also without a
    /// file.
    pub elsewhere: bool,
    /// The setting `access_log_format`.
    pub access_format: &'a str,
    pub syslog: Option<SyslogOptions>,
    pub statsd: Option<StatsdOptions<'a>>,
}

impl LogOptions<'_> {
    fn outline(&self) -> Outline {
        Outline {
            error_file: self.error_file.to_owned(),
            level: self.level.to_owned(),
            access_file: self.access_file.map(OsStr::to_owned),
            access_format: self.access_format.to_owned(),
            syslog: self.syslog.is_some(),
            no_access_to_syslog: self.syslog.as_ref().is_some_and(|to| !to.access),
        }
    }
}

/// The settings of a syslog daemon.
#[derive(Debug)]
pub struct SyslogOptions {
    pub address: SyslogAddress,
    /// Its number (RFC 5424, section 6.2.1).
    pub facility: u8,
    /// The part of the tag after `gunicorn.`.
    pub prefix: String,
    /// True if the access log goes there, too.
    pub access: bool,
}

/// The settings of a statsd daemon.
#[derive(Debug)]
pub struct StatsdOptions<'a> {
    pub address: StatsdAddress,
    /// The prefix of the names, with its dot.
    pub prefix: String,
    /// Tags of dogstatsd, with commas between them.
    pub tags: &'a str,
}

/// The logs of this process.
#[derive(Debug)]
struct Logs {
    error: ErrorLog,
    access: Option<Arc<AccessLog>>,
    statsd: Option<Arc<Statsd>>,
    capture_output: bool,
    outline: Outline,
}

/// The settings of the logs, for Python code that asks for them.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// The file of the error log, or `-`.
    pub error_file: OsString,
    /// Gunicorn's `loglevel`.
    pub level: String,
    /// The file of the access log, or `-`.
    pub access_file: Option<OsString>,
    /// `access_log_format`.
    pub access_format: String,
    /// True if both logs also go to syslog.
    pub syslog: bool,
    /// True if the access log does not go to syslog.
    pub no_access_to_syslog: bool,
}

static LOGS: RwLock<Option<Arc<Logs>>> = RwLock::new(None);

/// Opens the logs in place of the open ones. The first call must come before
/// the process has threads. `log::error!(target: "critical", ...)` then logs at
/// `critical`.
///
/// # Errors
/// A file cannot be opened; the error names it. The old logs stay.
pub fn install(options: &LogOptions<'_>) -> io::Result<()> {
    static MACROS: Once = Once::new();

    let (statsd, trouble) = match options.statsd.as_ref().map(open_statsd).transpose() {
        Ok(statsd) => (statsd, None),
        Err(error) => (None, Some(error)),
    };
    let logs = Logs::open(options, statsd)?;
    ::log::set_max_level(threshold_or_info(options.level));
    *LOGS.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(logs));
    MACROS.call_once(|| {
        // Unit tests may have set a logger of their own before.
        let _ = ::log::set_logger(&LogCrate);
    });
    if let Some(trouble) = trouble {
        ::log::warn!("Going without metrics. {trouble}");
    }
    if error::threshold(options.level).is_none() {
        ::log::warn!(
            "There is no log level '{}'; logging at 'info'. The levels are debug, info, warning, \
             error and critical.",
            options.level
        );
    }
    Ok(())
}

fn open_statsd(to: &StatsdOptions<'_>) -> io::Result<Arc<Statsd>> {
    Statsd::open(&to.address, &to.prefix, to.tags).map(Arc::new)
}

impl Logs {
    fn open(options: &LogOptions<'_>, statsd: Option<Arc<Statsd>>) -> io::Result<Self> {
        let syslog = |name| {
            let to = options.syslog.as_ref()?;
            let tag = format!("gunicorn.{}.{name}", to.prefix);
            (name == "error" || to.access)
                .then(|| Syslog::new(to.address.clone(), to.facility, tag))
        };
        let error = ErrorLog::open(options.error_file, options.level, options.json)?
            .with_syslog(syslog("error"))
            .with_statsd(statsd.clone());
        let (path, form) = (options.access_file, options.access_form.clone());
        let to_syslog = syslog("access");
        let wanted = path.is_some() || to_syslog.is_some() || statsd.is_some() || options.elsewhere;
        let access = wanted.then(|| AccessLog::open(form, path, to_syslog, statsd.clone()));
        if options.capture_output {
            error.capture_standard_streams()?;
        }
        Ok(Self {
            error,
            access: access.transpose()?.map(Arc::new),
            statsd,
            capture_output: options.capture_output,
            outline: options.outline(),
        })
    }

    /// Gives the errors of files that could not be opened.
    fn reopen(&self) -> Vec<io::Error> {
        let access = self.access.as_ref().map_or(Ok(()), |log| log.reopen());
        let error = self
            .error
            .reopen()
            .and_then(|()| match self.capture_output {
                true => self.error.capture_standard_streams(),
                false => Ok(()),
            });
        [access, error]
            .into_iter()
            .filter_map(Result::err)
            .collect()
    }
}

static ECHO: OnceLock<fn(&str)> = OnceLock::new();

/// Also calls this function for each error, whatever the log's level is, with
/// the line of a text log.
pub fn echo_errors_to(echo: fn(&str)) {
    // The first caller is the only one.
    let _ = ECHO.set(echo);
}

/// The access log, if there is one.
pub fn access() -> Option<Arc<AccessLog>> {
    current()?.access.clone()
}

/// The settings of the logs; nothing before they are open.
pub fn outline() -> Option<Outline> {
    let logs = current()?;
    Some(Outline {
        level: logs.error.level(),
        ..logs.outline.clone()
    })
}

/// Logs from now on what this `loglevel` lets through, until the logs are
/// [installed](install) again. Loggers in Python are not changed.
///
/// # Errors
/// There is no such level.
pub fn set_level(level: &str) -> Result<(), UnknownLevel> {
    let threshold = known_threshold(level)?;
    if let Some(logs) = current() {
        logs.error.set_level(level);
    }
    ::log::set_max_level(threshold);
    Ok(())
}

/// Checks that there is such a `loglevel`.
///
/// # Errors
/// There is none.
pub fn check_level(level: &str) -> Result<(), UnknownLevel> {
    known_threshold(level).map(drop)
}

fn known_threshold(level: &str) -> Result<LevelFilter, UnknownLevel> {
    error::threshold(level).ok_or_else(|| UnknownLevel(level.to_owned()))
}

/// A `loglevel` that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("there is no log level '{0}'; the levels are debug, info, warning, error and critical")]
pub struct UnknownLevel(String);

fn threshold_or_info(level: &str) -> LevelFilter {
    error::threshold(level).unwrap_or(LevelFilter::Info)
}

/// Writes text to the error log unchanged, whatever its level is. If the lines
/// are JSON, it is the message of a line.
pub fn raw(text: &str) {
    match sink::of_errors() {
        Some(sink) => sink.raw(text),
        None => straight_raw(text),
    }
}

/// The same, not through the [`Sink`].
pub fn straight_raw(text: &str) {
    match current() {
        Some(logs) => logs.error.write_raw(text),
        // Another logger may be installed, as in tests.
        None => ::log::error!("{}", text.trim_end_matches('\n')),
    }
}

/// Writes a record of the error log, not through the [`Sink`]. Its level has
/// the number of Python's `logging`. If `line` is given, it is written in place
/// of Gunicorn's line.
pub fn straight_error(level: i32, message: &str, line: Option<&str>) {
    if let Some(logs) = current() {
        logs.error.write_straight(level, message, line);
    }
}

/// Adds a line to the access log, not through the [`Sink`]: `line` if it is
/// given, else `text` or the request's JSON.
pub fn straight_access(text: &str, line: Option<&str>) {
    if let Some(log) = access() {
        log.line_straight(text, line);
    }
}

/// Logs records of this level and above. It has the number of Python's
/// `logging`.
pub fn let_through(level: i32) {
    ::log::set_max_level(error::filter(level));
}

/// Opens the files of the logs again, for example after they were renamed. A
/// file that cannot be opened is logged, and the old one stays open.
pub fn reopen() {
    if let Some(sink) = sink::any() {
        sink.reopen();
    }
    for error in current().map(|logs| logs.reopen()).unwrap_or_default() {
        ::log::error!("{error}");
    }
}

/// Sends a metric to statsd, if there is one.
pub fn metric(metric: Metric, name: &str, value: &dyn fmt::Display) {
    if let Some(statsd) = current().and_then(|logs| logs.statsd.clone()) {
        statsd.tell(metric, name, value);
    }
}

/// Writes the collected lines, for a process that ends in the middle of its
/// work. Does not wait for other threads.
pub fn flush_without_waiting() {
    if let Some(access) = access() {
        access.flush_without_waiting();
    }
}

fn current() -> Option<Arc<Logs>> {
    LOGS.read().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The logger behind the macros of the `log` crate.
struct LogCrate;

impl ::log::Log for LogCrate {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        current().is_some_and(|logs| logs.error.enabled(metadata))
    }

    fn log(&self, record: &::log::Record<'_>) {
        if let Some(echo) = ECHO.get() {
            error::echo(record, *echo);
        }
        if let Some(logs) = current()
            && logs.error.enabled(record.metadata())
        {
            logs.error.write(record);
        }
    }

    fn flush(&self) {}
}
