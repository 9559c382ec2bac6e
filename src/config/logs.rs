//! What the settings ask of the logs.

use pyo3::prelude::*;

use super::settings::Settings;
use crate::log::{self, AccessFields, AccessForm, AccessFormat};
use crate::python::{self, logger, traceback};

impl Settings {
    /// The settings of the section "Logging", in the form that the logs take.
    pub fn logs(&self) -> log::LogOptions<'_> {
        log::LogOptions {
            error_file: &self.logging.errorlog,
            level: &self.logging.loglevel,
            json: self.logging.log_json,
            capture_output: self.logging.capture_output,
            access_file: self.logging.accesslog.as_deref(),
            access_form: self.access_form(),
            elsewhere: self.log_by_python(),
            access_format: &self.logging.access_log_format,
            syslog: self.logging.syslog.then(|| self.syslog_options()),
            statsd: self.statsd_options(),
        }
    }

    /// Whether `logger_class` is a class of the user's. Those of Gunicorn are built in.
    pub fn has_own_logger(&self) -> bool {
        ![
            "gunicorn.glogging.Logger",
            "gunicorn.instrument.statsd.Statsd",
            "simple",
        ]
        .contains(&&*self.logging.logger_class)
    }

    /// Brings both logs to Python's `logging`, if the settings say so and there is
    /// an interpreter. Without one, each worker does it. `cfg` is what Python code
    /// sees of the settings, if that has been made.
    ///
    /// # Errors
    /// What is wrong with the class or the config.
    pub fn start_python_logging(&self, cfg: Option<&Py<PyAny>>) -> Result<(), String> {
        if !python::is_started() {
            return Ok(());
        }
        match self.log_by_python() {
            true => self.install_logger(cfg),
            false => logger::settle(cfg),
        }
    }

    /// Makes the logger that these settings ask for, in the running interpreter.
    /// `cfg` is what Python code sees of them, if that has been made.
    ///
    /// # Errors
    /// What is wrong with the class or the config.
    pub fn install_logger(&self, cfg: Option<&Py<PyAny>>) -> Result<(), String> {
        if let Some(cfg) = cfg {
            return logger::install(cfg);
        }
        let made = Python::attach(|py| {
            super::cfg::cfg(py, self, None)
                .map(Bound::unbind)
                .map_err(|error| traceback::format(py, &error))
        });
        logger::install(&made?)
    }

    /// Whether both logs go through Python's `logging`: by a class of the
    /// user's own, or by a config.
    pub fn log_by_python(&self) -> bool {
        self.has_own_logger()
            || self.logging.logconfig_dict.is_set()
            || self.logging.logconfig_json.is_some()
            || self.logging.logconfig.is_some()
    }

    fn access_form(&self) -> AccessForm {
        const CHECKED: &str = "the setting's check has parsed it";
        if self.logging.access_log_json {
            AccessForm::Json(AccessFields::parse(&self.logging.access_log_fields).expect(CHECKED))
        } else {
            AccessForm::Text(AccessFormat::parse(&self.logging.access_log_format).expect(CHECKED))
        }
    }

    fn syslog_options(&self) -> log::SyslogOptions {
        let odd = |it: char| it == ':' || it.is_control();
        let name = || self.process_name().replace(odd, ".");
        log::SyslogOptions {
            address: self.logging.syslog_addr.clone(),
            facility: self.logging.syslog_facility.number(),
            prefix: self.logging.syslog_prefix.clone().unwrap_or_else(name),
            access: !self.logging.disable_redirect_access_to_syslog,
        }
    }

    fn statsd_options(&self) -> Option<log::StatsdOptions<'_>> {
        // It may be written with a dot at its end, or without.
        let prefix = self.logging.statsd_prefix.trim_end_matches('.');
        let dot = if prefix.is_empty() { "" } else { "." };
        Some(log::StatsdOptions {
            address: self.logging.statsd_host.clone()?,
            prefix: format!("{prefix}{dot}"),
            tags: &self.logging.dogstatsd_tags,
        })
    }

    /// What the processes are called: by default as the app.
    fn process_name(&self) -> &str {
        let name = self.naming.proc_name.as_ref();
        let name = name.or(self.sources.wsgi_app.as_ref());
        name.unwrap_or(&self.naming.default_proc_name)
    }
}
