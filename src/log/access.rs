//! The access log: one line for each request.
//!
//! A line is made in a buffer of its thread and appended to a buffer of the
//! process, without a system call. [`AccessLog::flush`] writes the collected
//! lines. The worker calls it before it sleeps and at its end. So a line waits
//! at most until the requests are handled that were ready at the same time;
//! under a load that never lets the worker sleep, it waits a second.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use super::clock::Timestamp;
use super::destination::Destination;
use super::format::AccessFormat;
use super::json::AccessFields;
use super::record::AccessRecord;
use super::sink;
use super::statsd::Statsd;
use super::syslog::{Severity, Syslog};
use super::text;
use crate::system::lock;

/// Lines are written when they have this many bytes, at the latest.
const LARGE: usize = 64 * 1024;

/// An open access log, for all threads of a process.
#[derive(Debug)]
pub struct AccessLog {
    form: AccessForm,
    output: Option<Destination>,
    syslog: Option<Syslog>,
    statsd: Option<Arc<Statsd>>,
    waiting: Mutex<Waiting>,
}

/// The form of the lines.
#[derive(Clone, Debug)]
pub enum AccessForm {
    Text(AccessFormat),
    Json(AccessFields),
}

/// Lines that are not written yet.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// The time of the first line, in seconds since the epoch.
    since: u64,
}

/// The buffers of a thread, so that a line is made without an allocation.
#[derive(Default)]
struct LineBuffer {
    line: Vec<u8>,
    time: Timestamp,
}

thread_local! {
    static LINE_BUFFER: Cell<Option<Box<LineBuffer>>> = const { Cell::new(None) };

    /// The JSON of the request that is at the sink.
    static JSON: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl AccessLog {
    /// A log of lines in this form that goes to a file (to standard output for
    /// `-`), to a syslog daemon, or to both, and counts for statsd.
    ///
    /// # Errors
    /// The file cannot be opened; the error names it.
    pub(super) fn open(
        form: AccessForm,
        path: Option<&OsStr>,
        syslog: Option<Syslog>,
        statsd: Option<Arc<Statsd>>,
    ) -> io::Result<Self> {
        let output = match path {
            Some(path) if path == "-" => Some(Destination::Stdout(io::stdout())),
            Some(path) => Some(Destination::append_to(path.as_ref())?),
            None => None,
        };
        Ok(Self {
            form,
            output,
            syslog,
            statsd,
            waiting: Mutex::default(),
        })
    }

    /// Adds the line of a request.
    pub fn line(&self, record: &AccessRecord<'_>) {
        if let Some(statsd) = &self.statsd {
            statsd.request(record);
        }
        if let Some(sink) = sink::of_requests() {
            if let AccessForm::Json(fields) = &self.form {
                let mut line = Vec::new();
                fields.render(&mut line, record, &Timestamp::now());
                JSON.set(line);
            }
            sink.access(record);
            JSON.take();
            return;
        }
        if self.output.is_none() && self.syslog.is_none() {
            return;
        }
        // Taken out, not borrowed: to look up an entry of the environ may run
        // code of the app, even the end of another request.
        let mut buffer = LINE_BUFFER.take().unwrap_or_default();
        buffer.time.update();
        buffer.line.clear();
        match &self.form {
            AccessForm::Text(format) => {
                text::render(&mut buffer.line, format, record, &buffer.time);
            }
            AccessForm::Json(fields) => fields.render(&mut buffer.line, record, &buffer.time),
        }
        buffer.line.push(b'\n');
        self.add(&buffer.line, buffer.time.second());
        LINE_BUFFER.set(Some(buffer));
    }

    /// Adds a line that does not go to the [`Sink`]: `line` with its end, if it
    /// is given; else the request as JSON if the lines are JSON, or `text`.
    ///
    /// [`Sink`]: super::Sink
    pub fn line_straight(&self, text: &str, line: Option<&str>) {
        if self.output.is_none() && self.syslog.is_none() {
            return;
        }
        let mut bytes = match line {
            Some(line) => line.as_bytes().to_vec(),
            None => JSON.take(),
        };
        if bytes.is_empty() {
            bytes.extend_from_slice(text.as_bytes());
        }
        if bytes.last() != Some(&b'\n') {
            bytes.push(b'\n');
        }
        self.add(&bytes, Timestamp::now().second());
    }

    fn add(&self, line: &[u8], second: u64) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.is_empty() {
            waiting.since = second;
        }
        waiting.lines.extend_from_slice(line);
        if waiting.lines.len() >= LARGE || waiting.since < second {
            self.write(waiting);
        }
    }

    /// Writes the collected lines.
    pub fn flush(&self) {
        self.write(lock(&self.waiting));
        if let Some(statsd) = &self.statsd {
            statsd.flush();
        }
    }

    /// Like `flush`, for a process that ends in the middle of its work. Does
    /// not wait for another thread that uses the log.
    pub fn flush_without_waiting(&self) {
        match self.waiting.try_lock() {
            Ok(waiting) => self.write(waiting),
            Err(TryLockError::Poisoned(waiting)) => self.write(waiting.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    pub(super) fn reopen(&self) -> io::Result<()> {
        self.flush();
        self.output.as_ref().map_or(Ok(()), Destination::reopen)
    }

    fn write(&self, mut waiting: MutexGuard<'_, Waiting>) {
        if waiting.lines.is_empty() {
            return;
        }
        if let Some(output) = &self.output {
            output.write_lines(&waiting.lines);
        }
        if let Some(syslog) = &self.syslog {
            syslog.send_lines(Severity::Info, &waiting.lines);
        }
        waiting.lines.clear();
    }
}
