//! What the workers serve: the app that one reading of the settings names, and
//! all that a worker needs to serve it.

pub mod configuration;
mod enter;

pub use enter::enter;

use std::env;
use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use anyhow::{Context, Error, Result, bail};
use nix::unistd::Pid;
use pyo3::prelude::*;

use crate::cli::{self, Command};
use crate::config::{Settings, WorkerClass};
use crate::log;
use crate::net::{Listener, Tls};
use crate::process::environment::{change_folder, set_variable};
use crate::process::{Program, title};
use crate::python::app::{self, AppSource};
use crate::python::{self, Environment, Hooks, hooks, logger, time_zone};
use crate::site::Site;
use crate::worker::{self, Heartbeat, Watched};
use configuration::Configuration;

/// One reading of the settings, and the app that they name.
pub struct Service {
    pub settings: Settings,
    /// The hooks of the config file.
    pub hooks: Hooks,
    /// The name that `ps` shows.
    pub name: String,
    program: &'static Program,
    /// The settings as Python code sees them, if the master needs Python.
    cfg: Option<Py<PyAny>>,
    /// The variables that the settings and the config file have left behind.
    variables: Vec<(OsString, OsString)>,
    site: Site,
    app: AppSource,
    /// What a worker's interpreter sees.
    environment: Environment,
    preloaded: Option<Py<PyAny>>,
    /// The app's zip, if it is one, as an absolute path.
    zip: Option<PathBuf>,
    tls: Option<Arc<Tls>>,
}

/// What the master gives a new worker, besides what it serves.
#[derive(Debug)]
pub struct WorkerContext {
    /// The sockets to take connections from.
    pub listeners: Vec<Listener>,
    /// What the master watches.
    pub heartbeat: Heartbeat,
    /// The master; a worker whose parent is another one stops.
    pub master: Pid,
    /// What hooks can see of it.
    pub facts: hooks::Master,
    /// How many workers there were, with this one.
    pub age: u64,
    /// Through which the master asks the worker what it does.
    pub channel: Option<UnixStream>,
}

impl Service {
    /// Finds the app, and changes this process so that it can be served.
    ///
    /// # Errors
    /// What is missing or cannot be used, in one sentence.
    pub fn load(configuration: Configuration, program: &'static Program) -> Result<Self> {
        let Configuration {
            settings,
            hooks,
            cfg,
            warnings,
        } = configuration;
        enter(&settings)?;
        // Before the site's folder is entered: log files are relative to this one.
        log::install(&settings.logs())?;
        let started = settings.start_python_logging(cfg.as_ref());
        started.map_err(Error::msg)?;
        hooks.check_class()?;
        give_logs_away(&settings);
        for warning in warnings {
            ::log::warn!("{warning}");
        }
        if ::log::log_enabled!(::log::Level::Debug) {
            ::log::debug!("{}", settings.listed());
        }
        if settings.debugging.reload && settings.mechanics.preload_app {
            ::log::warn!("The app is preloaded, so reload does nothing; leave out one of the two");
        }
        let zip = &settings.application.app_zip;
        let zip = zip.as_ref().map(std::path::absolute).transpose();
        let zip = zip.context("The current folder is gone")?;
        let tls = settings.tls()?;
        let (site, app) = find_app(&settings)?;
        if let Some(unread) = site.unread_pythonpath() {
            ::log::warn!("{unread}");
        }
        Ok(Self {
            tls,
            zip,
            environment: site.worker_environment(program.words.clone()),
            name: name(&settings, &app),
            program,
            settings,
            hooks,
            cfg,
            variables: time_zone::variables().collect(),
            site,
            app,
            preloaded: None,
        })
    }

    /// Loads the app for all workers, if the settings say so.
    ///
    /// # Errors
    /// The app cannot be loaded.
    pub fn preload(mut self) -> Result<Self> {
        if self.settings.mechanics.preload_app {
            python::start(&self.environment)?;
            if !logger::is_installed() {
                self.start_python_logging()?;
            }
            worker::show_signals()?;
            let app = python::load_to_share(|| app::load(&self.app))?;
            self.preloaded = Some(app);
        }
        Ok(self)
    }

    /// Reads the settings again, as if the server were started now.
    ///
    /// # Errors
    /// As at the start.
    pub fn reload(&self) -> Result<Self> {
        self.program.restore()?;
        let words = self.program.words.iter().skip(1).cloned();
        match cli::parse(words, |name| env::var_os(name))? {
            Command::Serve(draft) => {
                let configuration = Configuration::read(draft, &self.program.words)?;
                Self::load(configuration, self.program)
            }
            _ => bail!("The command line does not serve"),
        }
    }

    /// Gives this process the folder, the environment and the logs of these settings
    /// back, after another reading of them has failed.
    ///
    /// # Errors
    /// What cannot be had.
    pub fn enter(&self) -> Result<()> {
        self.enter_environment()?;
        log::install(&self.settings.logs())?;
        self.start_python_logging()?;
        change_folder(&self.site.folder)
    }

    /// Opens the log files again, so that workers can do the same.
    pub fn reopen_logs(&self) {
        log::reopen();
        give_logs_away(&self.settings);
    }

    /// Does a worker's work, in the worker's process. Gives its exit code.
    /// The master's signals are blocked until the worker has its own handlers.
    pub fn run_worker(&self, context: WorkerContext) -> i32 {
        title::set(&format!("gunicorn: worker [{}]", self.name));
        let watched = self.watched();
        // The zip may have changed since.
        let renewed = watched.as_ref().and(self.zip.as_ref()).and_then(|_| {
            self.find_app_again()
                .inspect_err(|error| ::log::error!("Serving what was there before: {error:#}"))
                .ok()
        });
        let environment = renewed
            .as_ref()
            .map(|(site, _)| site.worker_environment(self.program.words.clone()));
        let settings = &self.settings;
        let app = renewed.map_or_else(|| self.app.clone(), |(_, app)| app);
        let preloaded = self.preloaded.as_ref();
        let preloaded = preloaded.map(|app| Python::attach(|py| app.clone_ref(py)));
        worker::run(worker::Boot {
            settings: settings.clone(),
            environment: environment.unwrap_or_else(|| self.environment.clone()),
            app,
            watched,
            preloaded,
            owner: settings.owner(),
            listeners: context.listeners,
            tls: self.tls.clone(),
            access_log: log::access(),
            heartbeat: context.heartbeat,
            parent: context.master,
            hooks: self.hooks.clone(),
            master: context.facts,
            age: context.age,
            channel: context.channel,
            max_requests: OnceLock::new(),
        })
    }

    /// What `reload` watches; nothing without it.
    fn watched(&self) -> Option<Watched> {
        let settings = &self.settings;
        (settings.debugging.reload && !settings.mechanics.preload_app).then(|| Watched {
            since: SystemTime::now(),
            files: self.zip.iter().cloned().collect(),
            patterns: settings.debugging.reload_extra_files.clone(),
        })
    }

    fn find_app_again(&self) -> Result<(Site, AppSource)> {
        self.enter_environment()?;
        find_app(&self.settings)
    }

    fn enter_environment(&self) -> Result<()> {
        self.program.restore()?;
        enter(&self.settings)?;
        for (name, value) in &self.variables {
            set_variable(name, value);
        }
        time_zone::provide();
        Ok(())
    }

    fn start_python_logging(&self) -> Result<()> {
        let done = self.settings.start_python_logging(self.cfg.as_ref());
        done.map_err(Error::msg)
    }
}

/// Loads the app as a worker would, and leaves no log files behind.
///
/// # Errors
/// What is missing or cannot be used.
pub fn check(settings: &Settings, words: &[OsString]) -> Result<()> {
    enter(settings)?;
    settings.tls()?;
    let (site, app) = find_app(settings)?;
    python::start(&site.worker_environment(words.to_vec()))?;
    app::load(&app)?;
    Ok(())
}

/// Lets the workers open the log files again.
fn give_logs_away(settings: &Settings) {
    let Some(owner) = settings.owner() else {
        return;
    };
    let logging = &settings.logging;
    let files = logging.accesslog.iter().chain([&logging.errorlog]);
    for file in files.map(Path::new).filter(|it| it.is_file()) {
        if let Err(error) = owner.own_file(file) {
            let file = file.display();
            ::log::warn!("The log file '{file}' cannot be given to the workers' user: {error}");
        }
    }
}

/// The name that `ps` shows: as set, or the app's.
fn name(settings: &Settings, app: &AppSource) -> String {
    match (&settings.naming.proc_name, app) {
        (Some(name), _) => name.clone(),
        (None, AppSource::Named(uri)) => uri.clone(),
        (None, AppSource::Conventional { .. }) => settings.naming.default_proc_name.clone(),
    }
}

/// Enters the site's folder, and finds the app in it.
fn find_app(settings: &Settings) -> Result<(Site, AppSource)> {
    let site = Site::find(settings)?;
    for note in site.notes() {
        ::log::warn!("{note}");
    }
    change_folder(&site.folder)?;
    let app = match &settings.sources.wsgi_app {
        Some(uri) => AppSource::Named(uri.clone()),
        None => {
            let asgi = settings.workers.worker_class == WorkerClass::Asgi;
            python::discover::discover(&site.root, asgi)?
        }
    };
    Ok((site, app))
}
